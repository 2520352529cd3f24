"""What holds for all tests.

Property tests do not measure time: a shared machine may pause a test for a while. A test leaves the
environment variables as it found them: the next one on the same worker starts from the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


SET_BY_LIBRARIES = {
    "CRC32C_SW_MODE",
    "KMP_DUPLICATE_LIB_OK",
    "PYTEST_CURRENT_TEST",
    "TORCHINDUCTOR_CACHE_DIR",
}
"""Variables that pytest, tensorboardX and torch set for themselves; nothing of ours reads them."""


@pytest.fixture(autouse=True)
def _environment_is_left_as_it_was() -> Iterator[None]:
    """Fail a test that leaves an environment variable behind, or takes one away."""
    before = {k: v for k, v in os.environ.items() if k not in SET_BY_LIBRARIES}
    yield
    after = {k: v for k, v in os.environ.items() if k not in SET_BY_LIBRARIES}
    changed = sorted(k for k in before.keys() | after if before.get(k) != after.get(k))
    assert not changed, f"the test changed environment variables: {', '.join(changed)}"
