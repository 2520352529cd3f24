"""xstilts: does English intermediate-task training help zero-shot cross-lingual transfer?

docs/architecture.md lists the packages in the order in which data flows through them. This file
imports nothing at first, so that planning a grid does not import torch; ``xstilts.load`` is for
notebooks.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from xstilts.analysis.results import load

        return load
    raise AttributeError(f"module 'xstilts' has no attribute {name!r}")
