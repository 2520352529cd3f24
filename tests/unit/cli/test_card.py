"""``xstilts card new``: from files of somebody's own, or a data set on the Hub, to a study."""

from __future__ import annotations

import gzip
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, List, Value

from support.website import COMMIT, hub, site
from xstilts.cli.main import main
from xstilts.data import examples, prepare
from xstilts.grid.opening import open_grid

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hub", "site"]

QUESTION = {
    "id": "q1",
    "context": "Lilongwe is the capital of Malawi.",
    "question": "What is the capital?",
    "answers": {"text": ["Lilongwe"], "answer_start": [0]},
}
COUNTED = [
    {"question": f"Which {n}?", "answer1": "one", "answer2": "two", "label": n % 2}
    for n in range(4)
]
SETS = {
    "classification": [{"text": f"text {n}", "topic": "ab"[n % 2]} for n in range(4)],
    "multiple_choice": COUNTED,
    "tagging": [{"tokens": ["Ada", "reads"], "ner_tags": ["B-PER", "O"]}] * 2,
    "span_qa": [QUESTION],
}
"""Rows of each type that can be proposed, as JSON lines have them."""


def jsonl(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def new(world, *arguments) -> int:
    return main(["card", "new", *map(str, arguments), "--cards", str(world.config)])


def card_of(world, name):
    return yaml.safe_load((world.config / "tasks" / f"{name}.yaml").read_text())


def folder_of(tmp_path: Path, name: str, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        file = tmp_path / "data" / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "data" / name


def scored_examples(world, name: str, tmp_path: Path):
    """The examples of every language that the study which was written tests."""
    study = yaml.safe_load((world.config / f"{name}.yaml").read_text())
    study |= {"encoders": ["tiny"], "resources": str(tmp_path / "resources")}
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    grid = open_grid(study, "study", world.config, lock)
    card = grid.cards.task(name)
    found = {}
    for split in card.splits:
        for language in card.split_languages(split):
            stamp = tmp_path / f"{split}.{language}.json"
            prepare.prepare(
                card,
                grid.cards.schema(name),
                split,
                language,
                resources=tmp_path / "resources",
                mirror=grid.study.mirror and world.config / grid.study.mirror,
                checksums={},
                stamp=stamp,
                spec="spec",
            )
            found[split, language] = examples.read(stamp.with_suffix(".parquet"))
    assert {key.language for key in grid.resolved.score_keys()} == {
        language for split, language in found if split == "test"
    }
    return found


@pytest.mark.parametrize("task_type", SETS)
def test_a_folder_becomes_a_card_and_a_study_that_reads_it(world, tmp_path, task_type, capsys):
    rows = jsonl(SETS[task_type])
    names = ("train.en.jsonl", "dev.en.jsonl", "test.en.jsonl", "test.swh_Latn.jsonl")
    source = folder_of(tmp_path, "mine", dict.fromkeys(names, rows))
    assert new(world, source) == 0
    card = card_of(world, "mine")
    assert (card["task_type"], card["languages"]) == (task_type, ["en", "sw"])
    assert card["codes"] == {"sw": "swh_Latn"}
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    found = scored_examples(world, "mine", tmp_path)
    assert set(found) == {("train", "en"), ("dev", "en"), ("test", "en"), ("test", "sw")}
    assert shown == found["train", "en"][:3]


@pytest.mark.parametrize("task_type", SETS)
def test_a_data_set_on_the_hub_becomes_a_card_with_its_configurations(
    world, hub, tmp_path, task_type
):
    readme = b"""---
license: cc-by-4.0
configs:
- config_name: eng
  data_files: [{split: train, path: eng.jsonl}, {split: test, path: eng.jsonl}]
- config_name: sw
  data_files: [{split: test, path: sw.jsonl}]
---
"""
    rows = jsonl(SETS[task_type])
    files = {"README.md": readme, "eng.jsonl": rows, "sw.jsonl": rows}
    hub.publish("datasets/org/My-Set", COMMIT, files)
    assert new(world, "hub:org/My-Set") == 0
    card = card_of(world, "my-set")
    assert (card["task_type"], card["licence"]) == (task_type, "cc-by-4.0")
    assert card["codes"] == {"en": "eng"}
    assert card["splits"]["test"]["files"]["rows"]["dataset"]["revision"] == COMMIT
    found = scored_examples(world, "my-set", tmp_path)
    assert set(found) == {("train", "en"), ("test", "en"), ("test", "sw")}


def test_names_of_class_labels_are_the_labels(world, hub):
    names = ["O", "B-PER"]
    features = Features({"tokens": List(Value("string")), "tags": List(ClassLabel(names=names))})
    table = Dataset.from_list([{"tokens": ["Ada", "reads"], "tags": [1, 0]}], features=features)
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    content = buffer.getvalue()
    hub.publish("datasets/o/r", COMMIT, {"train.parquet": content, "test.parquet": content})
    assert new(world, "hub:o/r", "--language", "en") == 0
    card = card_of(world, "r")
    assert (card["labels"], card["scorer"]) == (names, "span_f1")


def test_letters_and_numbers_from_one_are_labels_of_choices(world, tmp_path):
    for name, labels in (("letters", "AB"), ("numbers", (1, 2))):
        rows = [{"q": "which", "choices": ["a", "b"], "answer": label} for label in labels]
        source = folder_of(tmp_path, name, {"train.jsonl": jsonl(rows)})
        assert new(world, source, "--language", "en") == 0
    read = [card_of(world, name)["splits"]["train"]["options"] for name in ("letters", "numbers")]
    assert read[0]["labels"] == {"A": 0, "B": 1}
    assert read[1]["first_label"] == 1


@pytest.mark.parametrize(
    ("files", "options", "problem"),
    [
        ({}, (), "has no file whose name ends in .csv"),
        ({"all.en.csv": b"text,label\na,b\n"}, (), "says neither train, dev nor test"),
        ({"train.csv": b"text,label\na,b\n"}, (), "no name says a language; give --language"),
        ({"test.en.csv": b"text,label\na,b\n"}, (), "no train split to fine-tune on.*--recipe"),
        (
            {"train.en.csv": b"one,two\na,b\n"},
            (),
            "columns one, two tell no task type; give --type",
        ),
        ({"train.en.csv": b"a,b,label\nx,y,z\n"}, (), "choose with --text COLUMN"),
        ({"train.en.csv": b"text,label\na,b\n"}, ("--text", "tex"), "unknown column 'tex'"),
        ({"train.en.csv": b"text,label\na,b\n"}, ("--type", "mlm"), "--type: .*'mlm'"),
        (
            {"train.en.jsonl": jsonl([{"tokens": ["a"], "tags": [1]}])},
            (),
            "'tags' are numbers; name them in their order with --labels",
        ),
        (
            {"train.en.csv": b"text,label\na,b\n", "train.en.tsv": b"text\tlabel\na\tb\n"},
            (),
            "the split train has files of several kinds",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for(world, tmp_path, capsys, files, options, problem):
    source = folder_of(tmp_path, "mine", files or {"notes.txt": b""})
    assert new(world, source, *options) == 2
    error = capsys.readouterr().err
    assert re.search(problem, error), error
    assert not (world.config / "tasks/mine.yaml").exists()


def test_files_packed_by_gzip_are_read(world, tmp_path):
    packed = gzip.compress(b"text\ttopic\nmvua\ta\njua\tb\n")
    source = folder_of(tmp_path, "mine", dict.fromkeys(("sw/train.tsv.gz", "sw/test.tsv"), packed))
    assert new(world, source) == 0
    assert card_of(world, "mine")["splits"]["train"]["files"]["rows"]["mirror"] == (
        "mine/{code}/train.tsv"
    )
    assert len(scored_examples(world, "mine", tmp_path)["train", "sw"]) == 2


def test_tab_separated_cells_in_quotes_are_noticed(world, tmp_path):
    rows = b'text\ttopic\n"say ""no"""\ta\n"say ""yes"""\tb\n'
    source = folder_of(tmp_path, "mine", {"train.en.tsv": rows, "test.en.tsv": rows})
    assert new(world, source) == 0
    assert [row["text"] for row in scored_examples(world, "mine", tmp_path)["test", "en"]] == [
        'say "no"',
        'say "yes"',
    ]


def test_files_of_unknown_languages_are_left_out_and_named(world, tmp_path, capsys):
    content = b"text,label\na,b\nc,d\n"
    source = folder_of(tmp_path, "mine", {"train.en.csv": content, "train.qqq.csv": content})
    assert new(world, source) == 0
    assert card_of(world, "mine")["languages"] == ["en"]
    assert re.search(r"left out, .*: .*mine/train\.qqq\.csv\n", capsys.readouterr().err)


def test_nothing_is_written_into_the_package(tmp_path, monkeypatch, capsys):
    source = folder_of(tmp_path, "mine", {"train.en.csv": b"text,label\na,b\nc,d\n"})
    monkeypatch.chdir(tmp_path)
    assert main(["card", "new", str(source)]) == 2
    assert "start a project with xstilts init" in capsys.readouterr().err


def test_a_card_that_exists_is_not_written_over(world, tmp_path, capsys):
    source = folder_of(tmp_path, "mine", {"train.en.csv": b"text,label\na,b\nc,d\n"})
    assert new(world, source) == 0
    assert new(world, source) == 2
    assert "exists; give another --name" in capsys.readouterr().err


def test_configurations_that_are_no_languages_are_asked_for(world, hub, capsys):
    readme = b"""---
configs:
- config_name: small
  data_files: [{split: train, path: train.csv}]
- config_name: large
  data_files: [{split: train, path: train.csv}]
---
"""
    files = {"README.md": readme, "train.csv": b"text,label\na,b\nc,d\n"}
    hub.publish("datasets/o/r", COMMIT, files)
    assert new(world, "hub:o/r", "--language", "en") == 2
    assert "no languages (small, large); give --configuration NAME" in capsys.readouterr().err
    assert new(world, "hub:o/r", "--language", "en", "--configuration", "small") == 0
