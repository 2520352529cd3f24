"""The task type ``tagging``: its schema (no torch) and its model."""
