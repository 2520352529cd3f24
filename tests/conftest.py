"""Property tests do not measure time: a shared machine may pause a test for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

settings.register_profile(
    "without_clock", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("without_clock")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests that start a Slurm run only where they are asked for: ``-m slurm``."""
    here = collection_path.name == "slurm" and collection_path.parent.name == "tests"
    return True if here and "slurm" not in config.option.markexpr else None
