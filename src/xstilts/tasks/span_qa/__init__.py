"""The task type ``span_qa``: its schema (no torch) and its model."""
