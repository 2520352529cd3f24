"""The table of languages."""

from __future__ import annotations

import pytest

from xstilts.errors import StudyError


def test_resources_of_languages_are_read(world):
    """An empty field is unknown, which is not the same as none."""
    languages = world.cards.languages()
    assert languages["sw"].low_resource is True
    assert languages["de"].low_resource is False
    assert languages["mis"].low_resource is None
    assert languages["yo"].seen_by_xlmr is False
    assert languages["no"].cc100_gib is None


def test_a_damaged_table_is_named(world):
    """The table is edited by hand."""
    path = world.config / "languages.tsv"
    path.write_text(path.read_text().replace("\t5\t66.6", "\tfive\t66.6"))
    with pytest.raises(StudyError, match=r"languages\.tsv: cannot be read: .*'five'"):
        world.cards.languages()
