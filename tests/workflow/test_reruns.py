"""What is computed again, and what is not, when something changes."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.workflow

SCORES = "results/tiny/scores/tiny/none/seed1/cldr_region.jsonl"
FOLLOWS = {"mark_changes", "collect_scores", "write_report", "check_contamination"}
"""What may run after any change: it computes no score."""


def weights(project, encoder="tiny", condition="none", stage="cldr_region"):
    """The folder of a checkpoint, by the link that people follow."""
    return project.folder / f"results/tiny/checkpoints/{encoder}/{condition}/seed1/{stage}"


def test_a_finished_study_has_nothing_to_do(project):
    """A second run computes nothing."""
    assert project.planned() == {}


def test_a_missing_score_is_computed_alone(project):
    """One line deleted: one evaluation job, which computes it; all else keeps its bytes."""
    before, checkpoints = project.scores(), project.checkpoints()
    project.drop(SCORES, "sw")
    jobs = project.planned()
    assert jobs.pop("evaluate") == 1
    assert set(jobs) <= FOLLOWS
    project.delete_logs()
    project.snakemake()
    assert project.evaluated() == ["cldr_region sw"]
    assert project.scores() == before
    assert project.checkpoints() == checkpoints
    assert project.planned() == {}


def test_an_added_language_computes_its_scores_only(project):
    """A language more: its examples and scores, no training, and no other score changes."""
    before, checkpoints = project.scores(), project.checkpoints()
    project.study(languages=["en", "sw", "de", "ru"])
    assert "train" not in project.planned()
    project.delete_logs()
    project.snakemake()
    assert {line.split()[1] for line in project.evaluated()} == {"ru"}
    after = project.scores()
    assert {k: after[k] for k in before} == before
    assert any("ru.json" in k for k in after)
    assert project.checkpoints() == checkpoints


def test_a_removed_language_runs_nothing_but_the_report(project):
    """A language less: no training, no evaluation; the table and the report leave it out."""
    project.study(languages=["en", "sw"])
    assert {"collect_scores", "write_report"} <= set(project.planned()) <= FOLLOWS
    before = project.scores()
    project.snakemake()
    assert project.scores() == before
    assert project.planned() == {}


def test_a_changed_line_of_the_trainer_trains_and_evaluates_again(project):
    """The trainer's code is a part of the identity of checkpoints, and of the scores after them."""
    project.edit("src/xstilts/training/schedule.py", "self.total", "1 * self.total")
    jobs = project.planned()
    assert (jobs["train"], jobs["evaluate"]) == (3, 3)
    before = project.scores()
    project.snakemake()
    lines = {k: v for k, v in project.scores().items() if k.endswith(".json")}
    changed = {k for k in lines if lines[k] != before[k]}
    # the one evaluation without any training before it keeps its scores
    assert {k for k in lines if "none/seed1/ui_strings" not in k} == changed


def test_a_changed_task_type_touches_only_its_tasks(project):
    """Code that only retrieval runs is no part of a classification checkpoint."""
    project.edit("src/xstilts/tasks/retrieval/model.py", "return list(", "return 1 * list(")
    jobs = project.planned()
    assert "train" not in jobs
    assert jobs["evaluate"] == 2


def test_comments_docstrings_and_the_report_train_nothing(project):
    """A comment changes nothing at all; the report's code changes the report alone."""
    loop = "src/xstilts/training/loop.py"
    text = (project.folder / loop).read_text()
    (project.folder / loop).write_text(text.replace('"""', '"""About: ', 1) + "# a comment\n")
    assert project.planned() == {}
    path = project.folder / "src/xstilts/analysis/report/page.py"
    path.write_text(path.read_text() + "\n_CHANGED = 1\n")
    assert project.planned() == {"mark_changes": 1, "write_report": 1}


def test_a_fresh_clone_of_the_code_reruns_nothing(project):
    """File times and line ends of code do not matter, only what it does."""
    for path in [*project.folder.glob("src/**/*.py"), *project.folder.glob("workflow/**/*.*")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert project.planned() == {}


def test_a_checkpoint_of_another_spec_under_its_path_is_never_used(project):
    """Scores of the right one remain valid; a missing score trains it again, to the same bytes."""
    here, there = weights(project), weights(project, condition="facts_nli")
    scores, checkpoints = project.scores(), project.checkpoints()
    for name in ("weights.safetensors", "stamp.json"):
        (here / name).write_bytes((there / name).read_bytes())
    assert project.planned() == {}
    project.drop(SCORES, "sw")
    jobs = project.planned()
    assert (jobs["train"], jobs["evaluate"]) == (1, 1)
    project.snakemake()
    assert (project.scores(), project.checkpoints()) == (scores, checkpoints)


def test_weights_swapped_under_their_stamp_are_refused(project):
    """A checkpoint whose bytes are not the stamped ones gives no score but an error."""
    here = weights(project) / "weights.safetensors"
    here.write_bytes(here.read_bytes()[:-4] + b"\0\0\0\1")
    project.drop(SCORES, "sw")
    done = project.snakemake(check=False)
    assert done.returncode
    assert "weights.safetensors: its bytes are not the ones that" in done.stdout
    assert project.score(SCORES, "sw") is None
    assert project.score(SCORES, "de") is not None


@pytest.mark.parametrize("suffix", [".jsonl", ".zip"])
def test_a_truncated_file_is_made_whole(suffix, project):
    """Scores that a crash cut off are found by a plain run, and are not read as results."""
    path = (project.folder / SCORES).with_suffix(suffix)
    whole, before = path.read_bytes(), project.scores()
    path.write_bytes(whole[:-40])
    assert project.planned()["evaluate"] == 1
    project.delete_logs()
    project.snakemake()
    cut = ["sw"] if suffix == ".jsonl" else ["de", "en", "sw"]
    assert sorted(project.evaluated()) == [f"cldr_region {language}" for language in cut]
    assert path.read_bytes() == whole
    assert project.scores() == before
    assert project.planned() == {}


def test_a_deleted_score_file_is_computed_again(project):
    """The others are not touched, whatever comes before and after it."""
    before = project.scores()
    (project.folder / SCORES).unlink()
    jobs = project.planned()
    assert jobs.pop("evaluate") == 1
    assert set(jobs) <= FOLLOWS
    project.snakemake()
    assert project.scores() == before


def test_deleted_examples_are_prepared_for_what_needs_them(project):
    """Not for scores that exist; for a score that is missing, in whatever language."""
    project.path("resources/examples/cldr_region-test-*/de.json").unlink()
    assert project.planned() == {}
    project.drop(SCORES, "sw")
    assert project.planned()["prepare_examples"] == 1
    before = project.checkpoints()
    project.snakemake()
    assert project.checkpoints() == before
    assert project.planned() == {}


def test_a_deleted_checkpoint_is_trained_for_what_needs_it(project):
    """Scores of it remain valid; a missing score trains it again, to the same bytes."""
    before, scores = project.checkpoints(), project.scores()
    shutil.rmtree(weights(project).resolve())
    assert project.planned() == {}
    project.drop(SCORES, "sw")
    jobs = project.planned()
    assert (jobs["train"], jobs["evaluate"]) == (1, 1)
    project.snakemake()
    assert (project.checkpoints(), project.scores()) == (before, scores)


def test_a_changed_hyperparameter_changes_what_depends_on_it(project):
    """Another learning rate for the intermediate task leaves the baseline alone; going back is
    free, because both checkpoints keep their paths."""
    before, kept = project.scores(), (project.folder / SCORES).read_bytes()
    training = {
        "all": {"epochs": 1, "batch_size": 8, "max_examples": 16, "max_length": 64},
        "tasks": {"facts_nli": {"learning_rate": 0.001}},
    }
    project.study(training=training)
    assert project.planned()["train"] == 2  # facts_nli, and cldr_region after it
    project.snakemake()
    assert (project.folder / SCORES).read_bytes() == kept
    project.study()
    assert "train" not in project.planned()
    project.snakemake()
    assert project.scores() == before


def test_forcing_a_rule_runs_it_and_what_follows(project):
    """-R train trains again; the same study gives the same bytes."""
    before, stamps = project.scores(), project.checkpoints()
    times = {p: p.stat().st_mtime_ns for p in project.folder.glob("resources/checkpoints/*/*/w*")}
    assert project.planned("-R", "write_report") == {"mark_changes": 1, "write_report": 1}
    jobs = project.planned("-R", "train")
    assert (jobs["train"], jobs["evaluate"]) == (3, 4)
    assert project.planned("--forceall")["prepare_examples"] == 6
    project.snakemake("-R", "train")
    assert all(path.stat().st_mtime_ns > time for path, time in times.items())
    assert (project.scores(), project.checkpoints()) == (before, stamps)
    assert project.planned() == {}


def test_a_run_in_another_folder_gives_the_same_bytes(project, tmp_path_factory):
    """The same study twice, in two folders: byte-identical metrics, predictions and weights."""
    from support.project import new_project

    other = new_project(tmp_path_factory.mktemp("other") / "elsewhere")
    other.snakemake("--cores", "1")
    assert other.scores() == project.scores()
    assert other.checkpoints() == project.checkpoints()
    assert other.prints("results/tiny/*.parquet") == project.prints("results/tiny/*.parquet")
    assert other.prints("results/tiny/*.html") == project.prints("results/tiny/*.html")
