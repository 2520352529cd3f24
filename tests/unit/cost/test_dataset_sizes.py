"""Sizes are counted on prepared examples, else read from the project's table."""

from __future__ import annotations

import pytest

from support import tiny
from support.costs import EXAMPLES
from support.world import ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.config.tables import read_table
from xstilts.cost.dataset_sizes import BASES, DatasetSizes
from xstilts.tasks.registry import SCHEMAS


def test_the_projects_own_costs_can_be_read(world):
    """Every card's encoder is in the table, and every basis is a known word."""
    folder = ROOT / "config/costs"
    known = {row["encoder"] for row in read_table(folder / "encoders.tsv")}
    assert set(Catalogue(ROOT / "config", SCHEMAS).encoders) <= known
    rows = read_table(folder / "tasks.tsv")
    assert len(rows) > 50
    for row in rows:
        assert float(row["rows"]) >= 1
        assert float(row["tokens"]) >= 1
        assert {row["rows_basis"], row["tokens_basis"]} <= set(BASES)


class TestCounting:
    """Prepared examples are counted with the encoder's own tokenizer, once."""

    @pytest.fixture
    def prepared(self, grid):
        tiny.encoder(grid.encoder("tiny").stamp.parent)
        made = grid.encoder("tiny").stamp.with_name("encoder.json")
        made.rename(grid.encoder("tiny").stamp)
        stamp = grid.examples_stamp(EXAMPLES)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        tiny.split(stamp, "classification", tiny.sentences(40))
        return grid

    def test_tokens_are_counted_and_cached(self, prepared, costs):
        counted = DatasetSizes(prepared, costs, count=True).of_split("tiny", "nli", "train", "en")
        assert (counted.rows, counted.basis) == (40, "counted")
        assert 3 < counted.tokens < 20
        assert DatasetSizes(prepared, costs).of_split("tiny", "nli", "train", "en") == counted

    def test_other_examples_are_counted_again(self, prepared, costs):
        before = DatasetSizes(prepared, costs, count=True).of_split("tiny", "nli", "train", "en")
        stamp = prepared.examples_stamp(EXAMPLES)
        tiny.split(stamp, "classification", tiny.sentences(20))
        assert DatasetSizes(prepared, costs).of_split("tiny", "nli", "train", "en").tokens == 40.0
        after = DatasetSizes(prepared, costs, count=True).of_split("tiny", "nli", "train", "en")
        assert (after.rows, after.tokens_basis) == (20, "counted")
        assert after != before
