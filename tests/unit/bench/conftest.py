"""The programs of bench/ as modules."""

from __future__ import annotations

import importlib
import sys

import pytest

from support.world import ROOT


@pytest.fixture(scope="session")
def bench():
    """Give a program by its name; programs import each other by theirs."""
    sys.path.insert(0, str(ROOT / "bench"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "bench"))
