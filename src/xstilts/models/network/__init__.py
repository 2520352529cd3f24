"""Encoder networks without padding, one architecture a file.

In: a Hugging Face folder and packed batches. Out: hidden states (T, H), as transformers.
`registry` finds an architecture by the ``model_type`` of a folder's ``config.json``.
"""
