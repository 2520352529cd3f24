"""What is computed again, and what is not, when something changes."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.workflow

CELLS = "results/tiny/scores/tiny/none/seed1/cldr_region.jsonl"


def test_a_finished_study_has_nothing_to_do(project):
    """A second run computes nothing."""
    assert project.planned() == {}


def test_a_missing_cell_is_computed_alone(project):
    """One line deleted: one evaluation job, which computes that cell; all else keeps its bytes."""
    before, weights = project.scores(), project.checkpoints()
    project.drop(CELLS, "sw")
    jobs = project.planned()
    assert jobs.pop("evaluate_cldr_region") == 1
    assert set(jobs) <= {"table", "report"}
    project.delete_logs()
    project.snakemake()
    assert project.evaluated() == ["cldr_region sw"]
    assert project.scores() == before
    assert project.checkpoints() == weights
    assert project.planned() == {}


def test_an_added_language_computes_its_cells_only(project):
    """A language more: its examples and cells are made, no training, and no cell changes."""
    before, weights = project.scores(), project.checkpoints()
    project.study(languages=["en", "sw", "de", "ru"])
    assert "train" not in project.planned()
    project.delete_logs()
    project.snakemake()
    assert {line.split()[1] for line in project.evaluated()} == {"ru"}
    after = project.scores()
    assert {k: after[k] for k in before} == before
    assert any("ru.json" in k for k in after)
    assert project.checkpoints() == weights


def test_a_removed_language_runs_nothing_but_the_report(project):
    """A language less: no training, no evaluation; the table and the report leave it out."""
    project.study(languages=["en", "sw"])
    assert set(project.planned()) <= {"overlaps", "table", "report"}
    before = project.scores()
    project.snakemake()
    assert project.scores() == before
    assert project.planned() == {}


def test_a_changed_line_of_the_trainer_trains_and_evaluates_again(project):
    """The trainer's code is a part of every checkpoint's identity, and of every cell's after it."""
    project.edit(
        "src/xstilts/training/loop.py",
        "1.0 - learning_rate * self",
        "1.0 - 1.0 * learning_rate * self",
    )
    jobs = project.planned()
    assert jobs["train"] == 3
    assert jobs["evaluate_cldr_region"] == 2
    before = project.scores()
    project.snakemake()
    specs = {k: v for k, v in project.scores().items() if k.endswith(".json")}
    changed = {k for k in specs if specs[k] != before[k]}
    # the one evaluation without any training behind it keeps its cells
    assert {k for k in specs if "none/seed1/ui_strings" not in k} == changed


def test_a_changed_format_touches_only_its_tasks(project):
    """Code that only retrieval runs is no part of a classification checkpoint."""
    project.edit("src/xstilts/tasks/retrieval/model.py", "return list(", "return 1 * list(")
    jobs = project.planned()
    assert "train" not in jobs
    assert jobs["evaluate_ui_strings"] == 2
    assert "evaluate_cldr_region" not in jobs


def test_comments_docstrings_and_the_report_train_nothing(project):
    """A comment changes nothing at all; the report's code changes the report alone."""
    project.edit(
        "src/xstilts/training/loop.py", '"""The training loop: ', '"""About the training loop: '
    )
    project.edit("src/xstilts/training/loop.py", "import math\n", "import math  # for the checks\n")
    assert project.planned() == {}
    path = project.folder / "src/xstilts/analysis/report/page.py"
    path.write_text(path.read_text() + "\n_CHANGED = 1\n")
    assert project.planned() == {"report": 1}


def test_a_fresh_clone_of_the_code_reruns_nothing(project):
    """File times of code do not matter, only what it says."""
    for path in project.folder.glob("**/*.py"):
        path.touch()
    for path in project.folder.glob("**/*.smk"):
        path.touch()
    assert project.planned() == {}


def test_swapped_checkpoints_make_their_cells_stale(project):
    """Another checkpoint under existing cells: they are recognised and computed again."""
    here = project.path("results/tiny/checkpoints/tiny/none/seed1/cldr_region")
    there = project.path("results/tiny/checkpoints/tiny/facts_nli/seed1/cldr_region")
    for name in ("weights.safetensors", "stamp.json"):
        (here / name).write_bytes((there / name).read_bytes())
    assert project.planned()["evaluate_cldr_region"] == 1
    before = project.scores()
    project.snakemake()
    after = project.scores()
    changed = {k for k in after if after[k] != before[k] and k.endswith(".json")}
    assert changed == {k for k in after if "/none/seed1/cldr_region/" in k and k.endswith(".json")}


def test_weights_swapped_under_their_stamp_are_refused(project):
    """A checkpoint whose bytes are not the stamped ones gives no cell; the error names the file."""
    here = project.path("results/tiny/checkpoints/tiny/none/seed1/cldr_region/weights.safetensors")
    here.write_bytes(here.read_bytes()[:-4] + b"\0\0\0\1")
    project.drop(CELLS, "sw")
    done = project.snakemake(check=False)
    assert done.returncode
    assert "weights.safetensors: its bytes are not the ones that" in done.stdout
    assert project.score(CELLS, "sw") is None
    assert project.score(CELLS, "de") is not None


@pytest.mark.parametrize("suffix", [".jsonl", ".zip"])
def test_a_file_that_was_cut_off_is_made_whole(suffix, project):
    """Cells that a crash cut off are found by a plain run, and are not read as results."""
    path = (project.folder / CELLS).with_suffix(suffix)
    whole, before = path.read_bytes(), project.scores()
    path.write_bytes(whole[:-40])
    assert project.planned()["evaluate_cldr_region"] == 1
    project.delete_logs()
    project.snakemake()
    cut = ["sw"] if suffix == ".jsonl" else ["de", "en", "sw"]
    assert sorted(project.evaluated()) == [f"cldr_region {language}" for language in cut]
    assert path.read_bytes() == whole
    assert project.scores() == before
    assert project.planned() == {}


def test_a_deleted_file_of_cells_is_made_again(project):
    """The others are not touched, whatever stands before and behind it."""
    before = project.scores()
    (project.folder / CELLS).unlink()
    project.delete_logs()
    jobs = project.planned()
    assert jobs.pop("evaluate_cldr_region") == 1
    assert set(jobs) <= {"table", "report"}
    project.snakemake()
    assert project.scores() == before


def test_cells_are_found_stale_without_snakemakes_records(project):
    """In a copy of the results alone: what a cell was computed from stands in the cell."""
    shutil.rmtree(project.folder / ".snakemake")
    assert project.planned() == {}
    project.edit("src/xstilts/tasks/retrieval/model.py", "return list(", "return 1 * list(")
    assert project.planned()["evaluate_ui_strings"] == 2


def test_examples_that_are_gone_are_made_for_what_needs_them(project):
    """Not for cells that exist; for a cell that is missing, in whatever language."""
    (project.folder / "resources/examples/cldr_region/test/de.json").unlink()
    assert project.planned() == {}
    project.drop(CELLS, "sw")
    assert project.planned()["examples_cldr_region_test"] == 1
    before = project.checkpoints()
    project.snakemake()
    assert project.checkpoints() == before
    assert project.planned() == {}


def test_a_changed_hyperparameter_changes_what_depends_on_it(project):
    """Another learning rate for the intermediate task leaves the baseline alone."""
    training = {
        "all": {"epochs": 1, "batch_size": 8, "max_examples": 16, "max_length": 64},
        "tasks": {"facts_nli": {"learning_rate": 0.001}},
    }
    project.study(training=training)
    assert project.planned()["train"] == 2  # facts_nli, and cldr_region after it
    before = (project.folder / CELLS).read_bytes()
    project.snakemake()
    assert (project.folder / CELLS).read_bytes() == before


def test_a_run_in_another_folder_gives_the_same_bytes(project, tmp_path_factory):
    """The same study twice, in two folders: byte-identical metrics, predictions and weights."""
    from support.project import new_project

    other = new_project(tmp_path_factory.mktemp("other") / "elsewhere")
    other.snakemake("--cores", "1")
    assert other.scores() == project.scores()
    assert other.checkpoints() == project.checkpoints()
    assert other.prints("results/tiny/*.parquet") == project.prints("results/tiny/*.parquet")
    assert other.prints("results/tiny/*.html") == project.prints("results/tiny/*.html")
