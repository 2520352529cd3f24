"""xstilts: does English intermediate-task training help zero-shot cross-lingual transfer?

docs/architecture.md lists the packages in the order in which data flows through them. This file
imports nothing, so that planning a grid does not import torch.
"""

__version__ = "0.1.0"
