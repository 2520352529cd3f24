"""``xstilts report`` writes the page of a study that still runs."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from support.stored import KEY, finish
from xstilts.cli.main import main
from xstilts.grid.opening import open_grid


@pytest.fixture
def study(world):
    """The file of the study, and its grid as the command opens it."""
    lock = world.folder / "envs" / "lock.txt"
    lock.parent.mkdir()
    lock.write_text("torch==2.13.0\n")
    hub = {"hub": "some/encoder", "revision": "0" * 40, "folder": None}
    card = yaml.safe_load((world.config / "encoders" / "tiny.yaml").read_text())
    world.write("encoders", {k: v for k, v in (card | hub).items() if v is not None})
    places = {name: str(world.folder / name) for name in ("results", "resources")}
    path = world.folder / "study.yaml"
    path.write_text(yaml.safe_dump(world.study | places))
    return path, open_grid(world.study | places, "study.yaml", world.config, lock)


def report(world, path, *arguments):
    return main(["report", str(path), "--cards", str(world.config), *arguments])


def test_a_half_finished_study_has_a_page_that_says_what_is_missing(world, study, capsys):
    """With its files and its table beside it, and without a stamp: it is no result."""
    path, grid = study
    finish(grid)
    grid.paths.scores(KEY).unlink()
    assert report(world, path) == 0
    said = capsys.readouterr().out
    folder = grid.paths.results / "so-far"
    assert f"Report: {folder / 'report.html'}" in said
    lacking = len(grid.resolved.languages[KEY.target])
    assert f"{lacking} are missing." in said
    assert "Half-finished." in (folder / "report.html").read_text()
    assert (folder / "report" / "tiny" / "overview.svg").is_file()
    table = pd.read_parquet(folder / "grid.parquet")
    assert len(table) == len(grid.resolved.score_keys()) - lacking
    assert not grid.report.stamp.exists()


def test_a_study_without_scores_has_no_page(world, study, capsys):
    """One line says what to do."""
    path, grid = study
    assert report(world, path) == 1
    said = capsys.readouterr().err
    assert "no score of this study is done; run snakemake to compute them" in said
    assert not (grid.paths.results / "so-far").exists()
