"""``xstilts export``."""

from __future__ import annotations

import pytest

from support import tiny
from support.archives import small_grid
from support.stored import RECIPE, finish
from support.website import LATER, Refusal, hub, site
from support.world import TEXTS, task_card
from xstilts.cli.main import main
from xstilts.grid.snapshot import save_snapshot
from xstilts.provenance.files import read_json
from xstilts.training import train
from xstilts.workflow.jobs import link_checkpoint

__all__ = ["hub", "site"]


@pytest.fixture
def job(tmp_path):
    """A training that has ended."""
    job = tiny.training_job(tmp_path, tiny.task(tmp_path, epochs=1))
    train.run(job)
    return job


def test_it_writes_a_folder(job, tmp_path, capsys):
    """And says so."""
    out = tmp_path / "out"
    assert main(["export", str(job.stamp), str(out), "--encoder", str(job.encoder)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: written\n")
    assert read_json(out / "xstilts.json")["head"] is None


def test_it_writes_a_head_by_its_card(job, world, tmp_path):
    """Whose labels are those of the task."""
    labels = list(job.tasks[0].labels)
    world.write("tasks", task_card(job.tasks[0].name, TEXTS, {"train": ["en"]}, labels=labels))
    out = tmp_path / "out"
    command = ["export", str(job.stamp), str(out), "--encoder", str(job.encoder)]
    assert main([*command, "--head", job.tasks[0].name, "--cards", str(world.config)]) == 0
    assert read_json(out / "xstilts.json")["head"] == job.tasks[0].name


def test_it_uploads_the_folder_as_a_model(job, tmp_path, hub, capsys):
    out = tmp_path / "out"
    command = ["export", str(job.stamp), str(out), "--encoder", str(job.encoder)]
    assert main([*command, "--push-to-hub", "me/mine", "--private"]) == 0
    assert f"me/mine: uploaded, commit {LATER}" in capsys.readouterr().out
    uploaded = hub.repositories["me/mine"][LATER]
    assert uploaded == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_refused_upload_leaves_the_folder_and_says_why(job, tmp_path, hub, capsys):
    hub.refusals["me/mine"] = Refusal(401)
    out = tmp_path / "out"
    command = ["export", str(job.stamp), str(out), "--encoder", str(job.encoder)]
    assert main([*command, "--push-to-hub", "me/mine"]) == 1
    assert "set HF_TOKEN" in capsys.readouterr().err
    assert (out / "model.safetensors").exists()


def test_a_repository_has_an_owner(job, tmp_path, capsys):
    assert main(["export", str(job.stamp), str(tmp_path / "out"), "--push-to-hub", "mine"]) == 2
    assert "'mine' is not of the form owner/name" in capsys.readouterr().err


def test_a_stamp_that_does_not_exist_is_named(tmp_path, capsys):
    """Not the encoder's, which is looked for by the path of the stamp."""
    stamp = tmp_path / "stamp.json"
    assert main(["export", str(stamp), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"xstilts: {stamp}: does not exist; give the stamp.json of a checkpoint\n"
    )


def test_without_its_encoder_it_says_where_it_looked(job, tmp_path, capsys):
    """Beside the folder of the checkpoints, and how to name it."""
    assert main(["export", str(job.stamp), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "encoders: has no encoder that " in error
    assert error.endswith("was trained from; name its stamp with --encoder\n")


def test_the_model_card_is_of_the_study_that_the_stamp_is_reached_through(world, monkeypatch):
    """Through the link of its results; --study names another one."""
    grid = small_grid(world, world.folder)
    finish(grid)
    save_snapshot(grid)
    link_checkpoint(grid, RECIPE)
    monkeypatch.setattr("xstilts.models.export.export", lambda *arguments: None)
    stamps = {
        "linked": [str(grid.paths.checkpoint_link(RECIPE) / "stamp.json")],
        "named": [str(grid.training(RECIPE).stamp), "--study", str(grid.paths.results)],
    }
    for name, (stamp, *options) in stamps.items():
        out = world.folder / name
        assert main(["export", stamp, str(out), *options]) == 0
        assert "condition `nli`, seed 1, stage `qa`" in (out / "README.md").read_text()


def test_without_a_study_there_is_no_model_card(job, tmp_path, capsys):
    """It says how to get one."""
    out = tmp_path / "out"
    assert main(["export", str(job.stamp), str(out), "--encoder", str(job.encoder)]) == 0
    assert "without a model card: name the study" in capsys.readouterr().out
    assert not (out / "README.md").exists()
