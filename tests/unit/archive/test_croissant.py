"""Data sets are described with Croissant where their cards have what it demands."""

from __future__ import annotations

import mlcroissant
import pytest

from support.places import ROOT
from xstilts.archive import croissant
from xstilts.data.checksums import read_checksums
from xstilts.grid.opening import open_grid

pytestmark = pytest.mark.filterwarnings("ignore")
STUDY = {
    "study": "described",
    "encoders": ["e5-small"],
    "conditions": ["none", "mnli_part"],
    "targets": ["xquad", "americasnli", "cldr_region"],
    "recipes": {"squad": "squad_part", "mnli": "mnli_part"},
    "seeds": [1],
}


@pytest.fixture(scope="module")
def described():
    """The descriptions of the data of a study over the project's own cards."""
    grid = open_grid(STUDY, "study.yaml", ROOT / "config", ROOT / "envs" / "lock.txt")
    return croissant.descriptions(grid)


def test_they_are_valid(described):
    """By MLCommons' own library."""
    assert described
    for description in described.values():
        assert mlcroissant.Dataset(jsonld=description).metadata.issues.errors == set()


def test_every_file_has_an_address_and_the_checksum_of_the_table(described):
    """The one that each download is verified by."""
    known = read_checksums(ROOT / "config" / "downloads.tsv")
    for description in described.values():
        for file in description["distribution"]:
            assert file["contentUrl"].startswith("https://")
            assert file["sha256"] == known[file["@id"]]


def test_licence_and_citation_are_those_of_the_card(described):
    """And the languages those of the study."""
    mnli = described["mnli_part"]
    assert mnli["license"] == "MultiNLI terms (OANC, CC-BY-3.0, CC-BY-SA-3.0)"
    assert mnli["citeAs"].startswith("Williams, Nangia and Bowman 2018")
    assert mnli["inLanguage"] == ["en"]


def test_a_task_without_addresses_is_not_described(described):
    """The embedded benchmark is built from packages."""
    assert "cldr_region" not in described
