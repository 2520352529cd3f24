"""What an archive of a grid holds, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from support.archives import archive_of, contents_of, members_of, small_grid
from support.places import ROOT
from support.stored import KEY, evaluate, finish, flip, two_claims
from xstilts.analysis import table
from xstilts.analysis.claims import files as claims
from xstilts.analysis.report.files import report_files
from xstilts.archive import archive_file
from xstilts.archive.contents import pack
from xstilts.archive.layout import Places, check_names
from xstilts.archive.restore import import_archives
from xstilts.config.claims import read_claims
from xstilts.errors import ArchiveError
from xstilts.evaluation import scores
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import latest_snapshot, load_snapshot, save_snapshot

FILE = f"results/scores/{KEY}.jsonl"


@pytest.fixture
def grid(world):
    made = small_grid(world, world.folder)
    finish(made)
    return made


def test_it_holds_every_score_and_stamp_and_no_weights(grid, tmp_path):
    """For each evaluation two files, for each artefact its stamp."""
    members = members_of(grid, tmp_path / "work")
    for key in grid.reads.evaluations():
        path = grid.paths.scores(key)
        assert members[f"results/scores/{key}.jsonl"] == path.read_bytes()
        assert members[f"results/scores/{key}.zip"] == scores.archive(path).read_bytes()
    stamps = [artefact.stamp for artefact in map(grid.training, grid.reads.trainings())]
    assert {m for m in members if m.startswith("resources/checkpoints/")} == {
        f"resources/{path.relative_to(grid.paths.resources)}"
        for stamp in stamps
        for path in (stamp, stamp.with_name("run.json"))
    }
    assert not [name for name in members if name.endswith((".safetensors", "/en.parquet"))]


def test_it_holds_the_study_its_cards_and_the_workflow(grid, tmp_path):
    """Without the folders of this machine."""
    members = members_of(grid, tmp_path / "work")
    study = yaml.safe_load(members["study.yaml"])
    assert study["study"] == "small"
    assert not {"results", "resources"} & set(study)
    assert yaml.safe_load(members["cards/tasks/xqa.yaml"])["recipe"] == "qa"
    assert yaml.safe_load(members["cards/encoders/tiny.yaml"])["hub"] == "some/encoder"
    assert b"\nno\tNorwegian\tLatn\tIndo-European\t1\t\tyes\n" in members["cards/languages.tsv"]
    assert members["workflow/Snakefile"] == (ROOT / "Snakefile").read_bytes()


def test_the_study_that_it_holds_is_the_same_grid(grid, tmp_path, world):
    """Opened with the cards that it holds."""
    for name, content in members_of(grid, tmp_path / "work").items():
        path = tmp_path / "restored" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    study = yaml.safe_load((tmp_path / "restored/study.yaml").read_bytes())
    again = world.grid(**study, cards=str(tmp_path / "restored/cards"))
    assert again.table.digest == grid.table.digest


def test_the_same_grid_gives_the_same_bytes_in_any_folder(world, tmp_path):
    """Also as a job sees it, which reads the study from a snapshot."""
    first, second = (small_grid(world, world.folder / name) for name in ("a", "b"))
    for grid in (first, second):
        finish(grid)
    packed = archive_of(first, tmp_path / "1").read_bytes()
    assert archive_of(second, tmp_path / "2").read_bytes() == packed
    job = load_snapshot(save_snapshot(first))
    assert archive_of(job, tmp_path / "3").read_bytes() == packed


def test_scores_that_are_stale_stay_out(grid, tmp_path):
    """One language of a file, or the whole file."""
    path = grid.paths.scores(KEY)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(x) + "\n" for x in lines if x["language"] != "sw"))
    target = tmp_path / "a.tar.zst"
    packed, of = pack(grid, ROOT, target)
    assert packed == of - 1
    archive_file.unpack(target, tmp_path / "out")
    assert set(scores.read(tmp_path / "out" / FILE)) == {"en", "de", "no"}
    evaluate(grid, KEY, spec="f" * 64)
    assert FILE not in members_of(grid, tmp_path / "work")


def test_every_file_of_the_report_has_a_place_in_an_archive(grid):
    """The page, and the figures and tables beside it."""
    paths = grid.paths
    places = Places(paths.results, paths.resources)
    drawn = report_files(grid)
    assert drawn
    check_names(Path("a.tar.zst"), map(places.name_of, [paths.report, paths.table, *drawn]))


def test_it_holds_the_claims_and_the_verdicts_on_them(world, tmp_path):
    """An import restores them, and an archive of what was imported has the same bytes."""
    grid = small_grid(world, world.folder, claims=str(claims_file(tmp_path)))
    finish(grid)
    save_snapshot(grid)
    claims.write(grid, table.collect(grid))
    archive = archive_of(grid, tmp_path / "a.tar.zst")
    there = tmp_path / "there"
    done = import_archives([archive], there / "results", there / "resources")
    for path in (grid.paths.claims, grid.paths.claims_table, grid.claims.stamp):
        assert (done.folder / path.relative_to(grid.paths.results)).read_bytes() == (
            path.read_bytes()
        )
    assert read_claims(done.studies[0] / "claims.yaml") == grid.resolved.claims
    again = load_snapshot(latest_snapshot(done.folder), Paths(done.folder, there / "resources"))
    assert archive_of(again, tmp_path / "b.tar.zst").read_bytes() == archive.read_bytes()


def test_verdicts_on_other_claims_stay_out(world, tmp_path):
    """The claims were edited after they were judged."""
    grid = small_grid(world, world.folder, claims=str(claims_file(tmp_path)))
    finish(grid)
    claims.write(grid, table.collect(grid))
    assert "results/claims.json" in members_of(grid, tmp_path / "work")
    without = small_grid(world, world.folder)
    assert not [name for name in members_of(without, tmp_path / "work") if "claims" in name]


def claims_file(folder):
    path = folder / "my_claims.yaml"
    path.write_text(yaml.safe_dump(two_claims("xqa")))
    return path


def test_damaged_predictions_are_refused(world, tmp_path):
    """With what to do."""
    grid = small_grid(world, world.folder)
    finish(grid)
    flip(scores.archive(grid.paths.scores(KEY)))
    with pytest.raises(ArchiveError, match="run `xstilts invalidate"):
        archive_of(grid, tmp_path / "a")


def test_a_study_without_scores_has_no_archive(world, tmp_path):
    """Nothing is written."""
    with pytest.raises(ArchiveError, match="has no score that is up to date; run snakemake first"):
        archive_of(small_grid(world, world.folder), tmp_path / "out" / "a")
    assert contents_of(tmp_path / "out") == {}
