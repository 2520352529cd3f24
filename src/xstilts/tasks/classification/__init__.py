"""The task type ``classification``: its schema (no torch) and its model."""
