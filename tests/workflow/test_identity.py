"""Nothing stale is ever used: whatever became of Snakemake's records, files and times."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

pytestmark = pytest.mark.workflow

OTHER = {"all": {"epochs": 1, "batch_size": 8, "max_examples": 24, "max_length": 64}}
"""Hyperparameters that are not those of the finished study."""


def trainings(project):
    """The max_examples of the study's present checkpoints, read from the snapshot's specs."""
    return {
        json.loads((path / "stamp.json").read_text())["spec"]
        for path in project.folder.glob("results/tiny/checkpoints/tiny/*/seed1/*")
    }


LOSSES = {
    "without .snakemake": lambda project: shutil.rmtree(project.folder / ".snakemake"),
    "after --touch": lambda project: project.snakemake("--touch"),
    "after --cleanup-metadata": lambda project: project.snakemake(
        "--cleanup-metadata",
        *[str(p.relative_to(project.folder)) for p in project.folder.glob("results/tiny/*.*")],
        check=False,
    ),
    "by times alone": lambda project: None,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_changed_study_uses_no_old_checkpoint(loss, project):
    """All trainings are done again, and every score is of the new ones."""
    before, old = trainings(project), project.scores()
    LOSSES[loss](project)
    project.study(training=OTHER)
    extra = ["--rerun-triggers", "mtime"] if loss == "by times alone" else []
    jobs = project.planned(*extra)
    assert (jobs["train"], jobs["evaluate"]) == (3, 3)
    project.snakemake(*extra)
    assert not trainings(project) & before
    lines = {k for k in old if k.endswith(".json") and project.scores()[k] != old[k]}
    assert lines == {k for k in old if k.endswith(".json") and "none/seed1/ui_strings" not in k}
    assert project.planned() == {}


def test_another_working_folder_with_the_same_results_uses_what_is_right(project, tmp_path):
    """Snakemake's records are of another folder; the artefacts are the same."""
    absolute = {
        "results": str(project.folder / "results"),
        "resources": str(project.folder / "resources"),
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(project.folder / "tiny", elsewhere / "tiny")
    config = elsewhere / "config.yaml"
    config.write_text(yaml.safe_dump(project.study_as_written() | absolute))
    arguments = ["-s", str(project.folder / "Snakefile"), "--directory", str(elsewhere)]
    arguments += ["--configfile", str(config)]
    assert set(project.planned(*arguments)) <= {"mark_changes", "write_report", "collect_scores"}
    config.write_text(yaml.safe_dump(project.study_as_written() | absolute | {"training": OTHER}))
    assert project.planned(*arguments)["train"] == 3


def test_cards_of_the_same_name_in_a_shared_folder_are_kept_apart(project):
    """Study B reads its own examples, although A has prepared examples of that name before."""
    study = {"cards": "mine", "study": "tiny"}
    mine = project.folder / "mine"
    shutil.copytree(project.folder / "config", mine)
    card = yaml.safe_load((mine / "tasks/cldr_region.yaml").read_text())
    card["codes"] = {"sw": "de"}  # another file under the same name
    (mine / "tasks/cldr_region.yaml").write_text(yaml.safe_dump(card, sort_keys=False))
    before = project.prints("resources/examples/cldr_region-*/*.parquet")
    project.study(**study)
    jobs = project.planned()
    assert jobs["prepare_examples"] >= 2  # train, dev and test of the other card
    project.snakemake()
    after = project.prints("resources/examples/cldr_region-*/*.parquet")
    assert {path: after[path] for path in before} == before
    assert len(after) > len(before)
    project.study()
    assert "prepare_examples" not in project.planned()


def test_a_changed_encoder_is_fetched_and_everything_after_it_computed(project):
    """A card that keeps fewer layers, or other files in the encoder's folder."""
    card = project.folder / "config/encoders/tiny.yaml"
    written = json.loads(card.read_text())
    card.write_text(json.dumps(written | {"layers": 1}))
    jobs = project.planned()
    assert (jobs["fetch_encoder"], jobs["train"], jobs["evaluate"]) == (1, 3, 4)
    card.write_text(json.dumps(written))
    assert project.planned() == {}
    config = project.folder / "tiny/config.json"
    config.write_text(config.read_text().replace("1e-12", "1e-11"))
    jobs = project.planned()
    assert (jobs["fetch_encoder"], jobs["train"], jobs["evaluate"]) == (1, 3, 4)


def test_a_condition_taken_out_leaves_no_old_table(project):
    """The table and the report are of the study as it is now."""
    import pandas as pd

    project.study(conditions=["none"])
    project.snakemake()
    table = pd.read_parquet(project.folder / "results/tiny/grid.parquet")
    assert set(table["condition"]) == {"none"}
    assert "facts_nli" not in (project.folder / "results/tiny/report.html").read_text()
    assert project.planned() == {}


def test_a_stale_table_named_as_a_target_is_written_again(project):
    """Not only by `all`."""
    import pandas as pd

    project.study(languages=["sw"])
    project.snakemake("results/tiny/grid.parquet")
    table = pd.read_parquet(project.folder / "results/tiny/grid.parquet")
    assert set(table["language"]) == {"sw"}


def test_examples_whose_bytes_changed_are_noticed_by_what_was_trained_on_them(project):
    """Their path is the same; their stamp is not."""
    stamp = project.path("resources/examples/cldr_region-train-*/en.json")
    record = json.loads(stamp.read_text())
    stamp.write_text(json.dumps(record | {"inputs": {}}))
    jobs = project.planned()
    assert (jobs["train"], jobs["evaluate"]) == (2, 2)  # cldr_region after none and facts_nli


def test_studies_share_checkpoints_by_sharing_resources(project):
    """Another study of another name trains nothing that exists, and queues no job for it."""
    project.study(study="second", seeds=[1])
    jobs = project.planned()
    assert "train" not in jobs
    assert "prepare_examples" not in jobs
    assert jobs["evaluate"] == 4
    before = project.checkpoints()
    project.snakemake()
    assert project.checkpoints() == before
    link = project.folder / "results/second/checkpoints/tiny/facts_nli/seed1/intermediate"
    assert (link / "weights.safetensors").is_file()
    assert not link.readlink().is_absolute()


def test_what_no_study_needs_is_removed_and_nothing_else(project):
    """``xstilts gc`` after a study has changed."""
    before = project.checkpoints()
    project.study(training=OTHER)
    project.snakemake()
    listed = project.xstilts("gc", "--dry-run")
    assert listed.count("would remove resources/checkpoints/") == 3
    assert set(before) < set(project.checkpoints())
    project.xstilts("gc")
    assert not set(before) & set(project.checkpoints())
    assert project.planned() == {}
