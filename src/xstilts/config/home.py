"""Where the files of the workflow lie: Snakefile, rules, cards, profiles and the lock file."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

HOME = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parents[1]
"""The folder of the workflow's files: within the installed package, or the clone."""
