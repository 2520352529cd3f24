"""``xstilts export-data``: a folder that other tools read."""

from __future__ import annotations

import json

import datasets
import mlcroissant
import pytest

from xstilts.cli.main import main

SETS = {
    "topics": [{"text": f"text {n}", "topic": "ab"[n % 2]} for n in range(4)],
    "names": [{"tokens": ["Ada", "reads"], "ner_tags": ["B-PER", "O"]}] * 2,
    "asked": [
        {
            "id": "q1",
            "context": "one two",
            "question": "which",
            "answers": {"text": ["two"], "answer_start": [4]},
        }
    ],
}


@pytest.fixture(params=SETS)
def exported(request, world, tmp_path, monkeypatch):
    """The folder of a task with a train and two test files."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    source = tmp_path / "mirror" / request.param
    source.mkdir(parents=True)
    for name in ("train.en", "test.en", "test.sw"):
        lines = (json.dumps(row) + "\n" for row in SETS[request.param])
        (source / f"{name}.jsonl").write_text("".join(lines))
    cards = ["--cards", str(world.config)]
    assert main(["card", "new", str(source), *cards]) == 0
    places = ["--mirror", str(tmp_path / "mirror"), "--resources", str(tmp_path / "resources")]
    folder = tmp_path / "exported"
    assert main(["export-data", request.param, str(folder), *cards, *places]) == 0
    return request.param, folder


def test_datasets_reads_every_language_and_split(exported):
    task, folder = exported
    assert datasets.get_dataset_config_names(str(folder)) == ["en", "sw"]
    english = datasets.load_dataset(str(folder), "en")
    assert {split: len(rows) for split, rows in english.items()} == dict.fromkeys(
        ("train", "test"), len(SETS[task])
    )
    assert len(datasets.load_dataset(str(folder), "sw", split="test")) == len(SETS[task])


@pytest.mark.filterwarnings("ignore")
def test_the_description_is_valid_and_describes_the_records(exported):
    task, folder = exported
    description = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert description.metadata.issues.errors == set()
    assert len(list(description.records("sw/test"))) == len(SETS[task])


def test_a_folder_that_is_not_empty_is_refused(exported, world, capsys):
    task, folder = exported
    assert main(["export-data", task, str(folder), "--cards", str(world.config)]) == 2
    assert "is not empty" in capsys.readouterr().err
