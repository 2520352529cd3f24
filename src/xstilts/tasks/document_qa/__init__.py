"""The task type ``document_qa``: its schema (no torch) and its model."""
