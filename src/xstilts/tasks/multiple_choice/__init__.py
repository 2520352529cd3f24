"""The task type ``multiple_choice``: its schema (no torch) and its model."""
