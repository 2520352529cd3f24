"""``xstilts results`` and ``xstilts.load``."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

import xstilts
from support.stored import finish, project_of
from xstilts.analysis import table
from xstilts.cli.main import main
from xstilts.errors import UsageError


@pytest.fixture
def study(world, tmp_path):
    """The file of a study, and its grid."""
    return project_of(world, tmp_path)


def run(world, path, *options):
    return main(["results", str(path), "--cards", str(world.config), *options])


def test_the_scores_are_printed_as_csv(world, study, capsys):
    path, grid = study
    finish(grid)
    assert run(world, path) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False)
    assert list(printed["language"]) == list(table.collect(grid)["language"])


@pytest.mark.parametrize(
    ("suffix", "read"),
    [("csv", pd.read_csv), ("json", pd.read_json), ("parquet", pd.read_parquet)],
)
def test_a_file_has_the_format_of_its_name(suffix, read, world, study, tmp_path):
    path, grid = study
    finish(grid)
    output = tmp_path / f"scores.{suffix}"
    assert run(world, path, "--output", str(output)) == 0
    assert list(read(output)["score"]) == list(table.collect(grid)["score"])


def test_a_study_that_has_not_run_gives_no_row_and_says_so(world, study, capsys):
    path, grid = study
    assert run(world, path) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1:] == []
    number = len(grid.resolved.score_keys())
    assert captured.err == f"{number} scores of {grid.study.study} are missing\n"


def test_another_ending_is_refused_before_anything_is_read(world, study, tmp_path, capsys):
    assert run(world, study[0], "--output", str(tmp_path / "scores.xlsx")) == 2
    assert "scores.xlsx ends in none of .csv, .json, .parquet" in capsys.readouterr().err


class TestLoad:
    def test_a_finished_study_is_loaded_as_data_frames(self, study):
        """In a notebook: ``xstilts.load("results/x").scores``."""
        _, grid = study
        finish(grid)
        grid.paths.results.mkdir(parents=True, exist_ok=True)
        table.write(grid, grid.paths.table)
        grid.paths.claims_table.write_text("claim\tverdict\n1\tNone\n")
        (grid.paths.results / "gains.csv").write_text("encoder,gain\ntiny,1.5\n")
        results = xstilts.load(grid.paths.results)
        assert len(results.scores) == len(grid.resolved.score_keys())
        assert list(results.gains["gain"]) == [1.5]
        assert list(results.claims["verdict"]) == ["None"]

    def test_a_file_that_is_missing_is_named_with_the_command_that_writes_it(self, tmp_path):
        with pytest.raises(UsageError, match=r"grid\.parquet: does not exist; run snakemake"):
            _ = xstilts.load(tmp_path).scores

    def test_a_folder_that_is_missing_is_named(self):
        with pytest.raises(UsageError, match=r"^nowhere: there is no such folder"):
            xstilts.load("nowhere")

    def test_a_misspelled_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="has no attribute 'loads'"):
            _ = xstilts.loads


def test_the_formats_of_other_tools_hold_every_score(world, study, tmp_path):
    path, grid = study
    finish(grid)
    number = len(grid.resolved.score_keys())
    folder, file = tmp_path / "mteb", tmp_path / "euroeval.jsonl"
    assert run(world, path, "--as", "mteb", "--output", str(folder)) == 0
    assert run(world, path, "--as", "euroeval", "--output", str(file)) == 0
    results = [json.loads(each.read_text()) for each in folder.rglob("xstilts-*.json")]
    assert sum(len(result["scores"]["test"]) for result in results) == number
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum(len(record["results"]["raw"]) for record in records) == number


def test_a_format_of_another_tool_needs_a_place(world, study, tmp_path, capsys):
    assert run(world, study[0], "--as", "mteb") == 2
    assert "name what to write with --output" in capsys.readouterr().err
    assert run(world, study[0], "--as", "mteb", "--output", str(tmp_path)) == 2
    assert "exists; name a folder that is to be made" in capsys.readouterr().err
