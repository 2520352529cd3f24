"""The table holds every score of the grid, or an error names the file at fault."""

import pandas as pd
import pytest

from support.stored import (
    KEY,
    RECIPE,
    START,
    evaluate,
    finish,
    grid_in,
    put_examples,
    put_inputs,
    train,
)
from support.synthetic import SyntheticStudy, change_text, edit, edit_line, score_file
from xstilts.analysis import table
from xstilts.errors import LineageError
from xstilts.evaluation.score_line import grid_digest
from xstilts.grid.keys import ExamplesKey
from xstilts.grid.snapshot import latest_snapshot, save_snapshot
from xstilts.provenance.stamp import verify
from xstilts.status.states import States


@pytest.fixture
def grid(tmp_path):
    study = SyntheticStudy(tmp_path)
    grid = study.grid()
    study.write_scores(grid, lambda cell: 60.0 + cell.seed)
    return grid


def test_one_row_a_score(grid):
    """There is a row for every score, in the grid's own order."""
    rows = table.collect(grid)
    keys = rows[["encoder", "condition", "seed", "target", "language"]]
    expected = [
        (c.encoder, c.condition, c.seed, c.target, c.language) for c in grid.resolved.score_keys()
    ]
    assert list(keys.itertuples(index=False, name=None)) == expected


def test_columns(grid):
    """The primary metric is the score; every other metric has a column of its own."""
    rows = table.collect(grid)
    assert list(rows) == [*table.COLUMNS, "metric_exact_match", "metric_f1"]
    first = rows.iloc[0]
    assert (first.metric, first.score, first.n, first.metric_f1) == ("em_f1", 61.0, 50, 65.0)


def test_a_metric_that_one_score_lacks_is_empty_there(grid):
    """A missing secondary metric is an empty number, not an error and not a zero."""
    edit(
        score_file(grid, "mnli", 2),
        "sw",
        metrics={"em_f1": 1.0, "f1": None},
    )
    row = table.collect(grid).query("condition == 'mnli' and seed == 2 and language == 'sw'")
    assert row.metric_exact_match.isna().all()
    assert row.metric_f1.isna().all()


def test_warnings_are_joined(grid):
    """The warnings of a score are one text, joined by semicolons."""
    edit(
        score_file(grid, "none", 1),
        "en",
        warnings=["majority_class", "odd"],
    )
    assert table.collect(grid).warnings.iloc[0] == "majority_class;odd"


def test_a_missing_score_is_named(grid):
    """A score that was not computed stops the table with its path."""
    path = score_file(grid, "mnli", 1)
    edit_line(path, "yo", lambda line: "")
    message = r"mnli/seed1/xquad\.jsonl: has no score of 'yo'; run snakemake"
    with pytest.raises(LineageError, match=message):
        table.collect(grid)
    path.unlink()
    with pytest.raises(LineageError, match=r"mnli/seed1/xquad\.jsonl: has no score of 'en'"):
        table.collect(grid)


def test_a_truncated_score_is_named(grid):
    """A line that was cut off stops the table with its file and language."""
    edit_line(
        score_file(grid, "mnli", 1),
        "yo",
        lambda line: f"{line[:40]}\n",
    )
    with pytest.raises(LineageError, match=r"xquad\.jsonl: has no score of 'yo'"):
        table.collect(grid)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1}, r"xquad\.jsonl: has no score of 'yo'"),
        ({"language": "no"}, r"xquad\.jsonl: has no score of 'yo'"),
        ({"seed": "1"}, r"yo: is in the wrong file: its seed is '1', not 1"),
        ({"spec": "f" * 64}, r"yo: was not computed as this study asks: its spec is ffff"),
        ({"primary": "f2"}, r"yo: not a complete score: lacks 'f2'"),
        (
            {"metrics": {"em_f1": "61"}},
            r"not a complete score: metric 'em_f1' is '61', not a number",
        ),
        ({"n": None}, r"not a complete score: n is None"),
        ({"warnings": [1]}, r"yo: not a complete score"),
    ],
)
def test_a_foreign_score_is_named(grid, changes, message):
    """A score of another version, file or spec, or with parts missing, stops the table."""
    edit(score_file(grid, "mnli", 1), "yo", **changes)
    with pytest.raises(LineageError, match=message):
        table.collect(grid)


def test_a_changed_score_is_named(grid):
    """A digit of a metric, an old line beside the new one, a bit of the predictions."""
    path = score_file(grid, "mnli", 1)
    before = path.read_text()
    change_text(path, "yo", '"f1":65.0', '"f1":66.0')
    with pytest.raises(LineageError, match=r"xquad\.jsonl: yo: its line was changed after"):
        table.collect(grid)
    path.write_text(before + before.splitlines()[0] + "\n")
    with pytest.raises(LineageError, match=r"xquad\.jsonl: de: it has two lines; run `xst"):
        table.collect(grid)
    path.write_text(before)
    archive = path.with_suffix(".zip")
    archive.write_bytes(archive.read_bytes().replace(b"yo.parquet", b"yo.parquez"))
    with pytest.raises(LineageError, match=r"xquad\.jsonl: yo: its predictions are not those"):
        table.collect(grid)


def test_every_row_has_the_digest_of_its_score(grid):
    """So that the hash of the grid can be computed from the table."""
    rows = table.collect(grid)
    assert rows["digest"].is_unique
    assert grid_digest(grid.table.digest, rows["digest"]) == States(grid).scores_digest


def test_written_table_is_read_back(grid, tmp_path):
    """The parquet file holds what was collected, types included."""
    table.write(grid, tmp_path / "grid.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "grid.parquet"), table.collect(grid))


def test_written_table_has_the_same_bytes_every_time(grid, tmp_path):
    """Writing twice gives the same bytes, and leaves no other file."""
    table.write(grid, tmp_path / "out" / "one.parquet")
    table.write(grid, tmp_path / "out" / "two.parquet")
    one, two = sorted((tmp_path / "out").iterdir())
    assert one.read_bytes() == two.read_bytes()


class TestLineage:
    """The stamp of the table, and the inputs of its scores."""

    @pytest.fixture
    def grid(self, world):
        """A finished grid with all its artefacts."""
        finished = grid_in(world, world.folder)
        finish(finished)
        return finished

    def test_scores_of_another_version_that_are_kept_are_named(self, grid, world):
        """By the snapshot of the version, a row each; those of the present one are not."""
        save_snapshot(grid)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        now = grid_in(world, world.folder, other_versions="keep")
        put_inputs(now)
        for key in (START, RECIPE):
            train(now, key)
        evaluate(now, KEY)
        rows = table.collect(now).groupby("other_version").size()
        snapshot = latest_snapshot(grid.paths.results)
        assert dict(rows) == {"": 4, snapshot.stem[:12]: len(now.resolved.score_keys()) - 4}

    def test_a_written_table_is_done(self, grid):
        """Its stamp records its bytes and the scores that it holds."""
        table.write(grid, grid.paths.table)
        stamp = verify(grid.table.stamp, grid.table.digest)
        assert stamp["inputs"] == {"scores": States(grid).scores_digest}
        assert States(grid).table == "done"

    def test_a_table_of_other_scores_is_stale(self, grid):
        """Until it is written again."""
        table.write(grid, grid.paths.table)
        path = grid.paths.scores(KEY)
        edit(path, "en", metrics={"accuracy": 51.0})
        assert States(grid).table == "stale"
        table.write(grid, grid.paths.table)
        assert States(grid).table == "done"

    def test_a_table_that_was_edited_or_deleted_is_not_done(self, grid):
        """It is the file that people read."""
        table.write(grid, grid.paths.table)
        grid.paths.table.write_bytes(grid.paths.table.read_bytes() + b"!")
        assert States(grid).table == "stale"
        grid.paths.table.unlink()
        assert States(grid).table == "missing"

    @pytest.mark.parametrize("changed", ["checkpoint", "examples"])
    def test_a_score_from_other_inputs_stops_it(self, changed, grid):
        """The checkpoint or the examples under its path are not those that it names."""
        if changed == "checkpoint":
            train(grid, RECIPE, salt="other bytes")
        else:
            put_examples(grid, ExamplesKey("xqa", "test", "en"), salt="other bytes")
        with pytest.raises(LineageError, match=r"xqa\.jsonl: en: was computed from another check"):
            table.write(grid, grid.paths.table)
        assert not grid.paths.table.exists()

    def test_deleted_inputs_do_not_stop_it(self, grid):
        """They may be deleted to save space."""
        grid.training(RECIPE).stamp.unlink()
        grid.examples_stamp(ExamplesKey("xqa", "test", "en")).unlink()
        table.write(grid, grid.paths.table)
        assert States(grid).table == "done"

    def test_scores_of_other_languages_play_no_part(self, grid, world):
        """Those of an earlier choice of languages stay in the score files."""
        fewer = grid_in(world, world.folder, languages=["en", "de"])
        table.write(fewer, fewer.paths.table)
        evaluate(fewer, KEY, languages=["en", "de"])
        assert States(fewer).table == "done"


class TestPartialTable:
    """A half-finished study has the scores that are done, and the names of those that are not."""

    @pytest.fixture
    def grid(self, world):
        """A finished grid with all its artefacts."""
        finished = grid_in(world, world.folder)
        finish(finished)
        return finished

    def test_a_finished_study_lacks_nothing(self, grid):
        """Its rows are those of the whole table."""
        found = table.collect_done(grid)
        pd.testing.assert_frame_equal(found.rows, table.collect(grid))
        assert found.missing == ()

    def test_an_evaluation_that_did_not_run_is_named(self, grid):
        """All its languages are missing; the other scores are there."""
        grid.paths.scores(KEY).unlink()
        found = table.collect_done(grid)
        languages = tuple(grid.resolved.languages[KEY.target])
        assert found.missing == (table.MissingScores(KEY, languages, stale=0),)
        assert len(found.rows) == len(grid.resolved.score_keys()) - len(languages)

    def test_a_score_of_another_spec_is_stale(self, grid):
        """It is left out, and it is not called missing."""
        evaluate(grid, KEY, spec="f" * 64)
        (missing,) = table.collect_done(grid).missing
        assert (missing.key, missing.stale) == (KEY, len(missing.languages))

    def test_a_damaged_score_is_left_out(self, grid):
        """A line whose metric is no number counts as stale, and the others stay."""
        edit(grid.paths.scores(KEY), "de", metrics={"accuracy": "50"})
        (missing,) = table.collect_done(grid).missing
        assert (missing.languages, missing.stale) == (("de",), 1)

    def test_a_study_without_scores_has_an_empty_table(self, world):
        """It has the columns of every table."""
        found = table.collect_done(grid_in(world, world.folder))
        assert found.rows.empty
        assert list(found.rows) == list(table.COLUMNS)
