"""Authors are read from citations as the cards write them."""

from __future__ import annotations

import pytest

from support.world import ROOT
from xstilts.archive.authors import authors
from xstilts.config.catalogue import Catalogue
from xstilts.data.reading import source_problems
from xstilts.tasks.registry import SCHEMAS

CARDS = Catalogue(ROOT / "config", SCHEMAS, source_problems)


@pytest.mark.parametrize(
    ("citation", "names"),
    [
        ("Conneau et al. 2018, XNLI: Evaluating Representations (EMNLP)", ["Conneau"]),
        ("He, Gao and Chen 2023, DeBERTaV3 (ICLR)", ["He", "Gao", "Chen"]),
        ("Roe and de la Coe 2019 (ACL); split: Poe et al. 2020", ["Roe", "de la Coe", "Poe"]),
        ("Unicode CLDR, as shipped in Babel 2.18", []),
        ("https://huggingface.co/some/encoder", []),
    ],
)
def test_a_citation_names_its_authors(citation, names):
    """Of "et al." the first; of what is no work of a year, none."""
    assert [author.name for author in authors(citation)] == names


def test_a_group_is_an_organization():
    people = {
        author.name: author.entity()["@type"] for author in authors("NLLB Team 2022; Wu 2023")
    }
    assert people == {"NLLB Team": "Organization", "Wu": "Person"}


@pytest.mark.parametrize("name", [*CARDS.tasks, *CARDS.encoders])
def test_names_of_the_projects_cards_are_names(name):
    """A citation that is written otherwise would give a title as a person."""
    card = CARDS.task(name) if name in CARDS.tasks else CARDS.encoder(name)
    found = list(authors(card.citation))
    assert found or "CLDR" in card.citation or "Foundation" in card.citation
    for author in found:
        assert len(author.name.split()) <= 3
        assert author.name.replace("de ", "").replace("van ", "")[0].isupper()
