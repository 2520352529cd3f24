"""The task type ``mlm``: its schema (no torch) and its model."""
