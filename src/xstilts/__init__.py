"""xstilts: does English intermediate-task training help zero-shot cross-lingual transfer?

The modules are named in the order in which data flows through them; ``docs/architecture.md`` draws
the map. This file imports nothing, so that planning a grid never pays for torch.
"""

__version__ = "0.1.0"
