"""Property tests do not measure time: a shared machine may pause a test for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NEEDS_PROGRAMS = ("slurm", "browser")
"""Folders of tests, each of which has a mark of its name."""

settings.register_profile(
    "without_clock", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("without_clock")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests that need programs of Debian run only where they are asked for: ``-m slurm``."""
    name = collection_path.name
    here = name in NEEDS_PROGRAMS and collection_path.parent.name == "tests"
    return True if here and name not in config.option.markexpr else None
