"""The noise of test items, read from the predictions of a finished study."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from support.audited import copy_of, empty_world, scored_grid
from xstilts.analysis import table
from xstilts.analysis.report.results import analysis_of
from xstilts.analysis.statistics.items import WeightedScores
from xstilts.analysis.statistics.score_table import Unit
from xstilts.analysis.stored_items import StoredItems
from xstilts.evaluation import scores
from xstilts.grid.keys import EvaluationKey
from xstilts.grid.snapshot import save_snapshot

SEEDS = (1, 2, 3)
KEY = EvaluationKey("tiny", "nli", 2, "xnli")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished study of three seeds; not to be changed."""
    folder = tmp_path_factory.mktemp("items") / "project"
    save_snapshot(scored_grid(empty_world(folder), SEEDS))
    return folder


@pytest.fixture
def grid(finished, tmp_path):
    return copy_of(finished, tmp_path / "copy")


def effect(target="xnli", codes=("en", "sw")):
    weights = np.full(len(codes), 1 / len(codes))
    units = tuple(Unit(target, code) for code in codes)
    return WeightedScores("tiny", units, weights, {"nli": weights, "none": -weights})


def right_answers(grid, condition, language):
    """Whether each item of a language is right, in points, shape (seeds, items)."""
    found = []
    for seed in SEEDS:
        path = grid.paths.scores(KEY._replace(condition=condition, seed=seed))
        rows = scores.predictions(path, scores.read(path)[language]).to_pylist()
        found.append([100.0 * (row["prediction"] == row["gold"]) for row in rows])
    return np.array(found)


def test_it_is_what_the_answers_to_single_items_show(grid):
    """By brute force: items of a language's own, of which runs' own noise is taken out."""
    wanted = 0.0
    for code in ("en", "sw"):
        sides = [right_answers(grid, condition, code) for condition in ("nli", "none")]
        variance = np.var(sides[0].mean(axis=0) - sides[1].mean(axis=0), ddof=1)
        for side in sides:
            centred = side - side.mean(axis=1, keepdims=True)
            variance -= np.var(centred, axis=0, ddof=1).sum() / 7 / len(SEEDS)
        wanted += variance / 8 / 4
    found = StoredItems(grid, table.collect(grid))(effect())
    assert found.all == pytest.approx(max(0.0, wanted))
    assert found.shared == 0


@pytest.mark.parametrize("target", ["xnli", "xqa", "mined"])
def test_every_gain_of_a_study_with_predictions_has_it(grid, target):
    analysis = analysis_of(grid, table.collect(grid))
    found = analysis.mean(encoder="tiny", condition="nli", targets=target)
    assert found.has_item_noise


def test_it_is_kept_for_the_next_question(grid):
    """And read again only where the scores are the same."""
    rows = table.collect(grid)
    first = StoredItems(grid, rows)(effect())
    for file in (grid.paths.results / "scores").rglob("xnli.zip"):
        file.unlink()
    assert StoredItems(grid, rows)(effect()) == first
    assert StoredItems(grid, rows[rows["seed"] < 3])(effect()) is None


def test_what_was_kept_and_damaged_is_computed_again(grid):
    rows = table.collect(grid)
    first = StoredItems(grid, rows)(effect())
    grid.paths.items("tiny", "xnli").write_bytes(b"PK\x03\x04 no archive")
    assert StoredItems(grid, rows)(effect()) == first


class TestUnknown:
    def test_where_predictions_are_absent(self, grid):
        """Such as beside a table that somebody was sent."""
        rows = table.collect(grid)
        shutil.rmtree(grid.paths.results / "scores")
        assert StoredItems(grid, rows)(effect()) is None

    def test_where_predictions_were_changed(self, grid):
        rows = table.collect(grid)
        archive = scores.archive(grid.paths.scores(KEY))
        archive.write_bytes(archive.read_bytes().replace(b"PAR1", b"PAR2"))
        assert StoredItems(grid, rows)(effect()) is not None  # from the other seeds
        for seed in SEEDS:
            scores.archive(grid.paths.scores(KEY._replace(seed=seed))).unlink()
        assert StoredItems(grid, rows[rows["seed"] > 1])(effect()) is None

    def test_where_the_scores_are_not_those_of_the_table(self, grid):
        rows = table.collect(grid).assign(digest="0" * 64)
        assert StoredItems(grid, rows)(effect()) is None

    def test_of_a_metric_that_predictions_do_not_tell(self, grid):
        rows = table.collect(grid)
        assert StoredItems(grid, rows, "accuracy_layer_07")(effect()) is None

    def test_of_a_table_without_digests(self, grid):
        rows = table.collect(grid).drop(columns="digest")
        assert StoredItems(grid, rows)(effect()) is None


def test_another_metric_has_items_of_its_own(grid):
    """Precision and F1 of the same pairs."""
    rows, asked = table.collect(grid), effect("mined", ("de", "sw"))
    asked = replace(asked, conditions={"nli": asked.weights})
    precision = StoredItems(grid, rows, "precision")(asked)
    f1 = StoredItems(grid, rows)(asked)
    assert precision.all > 0
    assert precision != f1


def test_results_that_cannot_be_written_to_are_read_all_the_same(grid):
    rows = table.collect(grid)
    (grid.paths.results / ".items").write_text("in the way")
    assert StoredItems(grid, rows)(effect()) is not None
