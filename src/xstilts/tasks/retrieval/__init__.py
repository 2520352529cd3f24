"""The task type ``retrieval``: its schema (no torch) and its model."""
