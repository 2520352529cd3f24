"""A split is fetched, read, checked, written and stamped."""

from __future__ import annotations

import json
import multiprocessing
from typing import TYPE_CHECKING

import pytest

from support.disk import full_disk, read_only
from xstilts.config.task_card import TaskCard
from xstilts.data import examples
from xstilts.data.prepare import is_current, prepare, read_split
from xstilts.errors import DataError, MissingFile, StudyError
from xstilts.provenance import digests, files
from xstilts.provenance.stamp import verify
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    {"id": "1", "text": "a", "text_pair": None, "label": "yes"},
    {"id": "2", "text": "b", "text_pair": "c", "label": "maybe"},
]


def card(reader="jsonl_rows", labels=("yes", "maybe"), options=None, **changes):
    values = {
        "task": "toy",
        "title": "Toy",
        "task_type": "classification",
        "summary": "A toy.",
        "licence": "none",
        "citation": "nobody",
        "languages": ["en", "sw"],
        "codes": {"sw": "swa"},
        "labels": labels if isinstance(labels, str) else list(labels),
        "scorer": "accuracy",
        "primary": "accuracy",
        "splits": {
            "test": {
                "reader": reader,
                "files": {"rows": {"path": "toy/{code}.jsonl", "mirror": "toy-{code}.jsonl"}},
                "options": options or {},
            }
        },
    }
    return TaskCard.model_validate(values | changes)


@pytest.fixture
def prepared(tmp_path):
    """Prepares a toy split; gives the path of its stamp."""

    def run(rows=ROWS, toy=None, spec="spec1"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "toy-swa.jsonl").write_text(text)
        stamp = tmp_path / "examples/toy/test/sw.json"
        prepare(
            toy or card(),
            SCHEMAS[(toy or card()).task_type],
            "test",
            "sw",
            resources=tmp_path,
            mirror=tmp_path,
            checksums={},
            stamp=stamp,
            spec=spec,
        )
        return stamp

    return run


def test_examples_lie_beside_their_stamp(prepared, tmp_path):
    """The stamp names the raw files' checksums and the number of examples."""
    stamp = prepared()
    assert examples.read(stamp.with_suffix(".parquet")) == ROWS
    record = verify(stamp)
    assert record["spec"] == "spec1"
    assert record["outcomes"] == {"rows": 2}
    raw = tmp_path / "raw/toy/swa.jsonl"
    assert record["inputs"] == {"rows": digests.file_sha256(raw)}


def test_the_same_examples_give_the_same_stamp(prepared):
    """So that what depends on them is not computed again."""
    first = prepared().read_bytes()
    assert prepared().read_bytes() == first


def test_examples_are_current_for_their_spec_and_while_untouched(prepared):
    """Another spec, a missing or an edited file: not current."""
    stamp = prepared()
    assert is_current(stamp, "spec1")
    assert not is_current(stamp, "spec2")
    parquet = stamp.with_suffix(".parquet")
    content = parquet.read_bytes()
    parquet.write_bytes(content[:-1] + b"x")
    assert not is_current(stamp, "spec1")
    parquet.unlink()
    assert not is_current(stamp, "spec1")
    stamp.write_text("{}")
    assert not is_current(stamp, "spec1")
    stamp.unlink()
    assert not is_current(stamp, "spec1")


def test_an_unknown_label_names_the_example_and_what_is_allowed(prepared):
    """The card decides which labels there are."""
    with pytest.raises(DataError, match=r"toy/test/sw: example '2': unknown label 'maybe'"):
        prepared(toy=card(labels=("yes", "no ")))


def test_nothing_is_written_when_examples_are_refused(prepared, tmp_path):
    """A stamp that exists is true."""
    with pytest.raises(DataError, match="two examples have the id '1'"):
        prepared(rows=[ROWS[0], ROWS[0]])
    assert not (tmp_path / "examples").exists()


def test_a_language_that_the_split_does_not_have_is_refused():
    """With those that it has."""
    with pytest.raises(StudyError, match=r"task 'toy', test: unknown language 'de'.*en, sw"):
        read_split(card(), SCHEMAS["classification"], "test", "de", {})


def test_a_card_that_the_reader_does_not_take_names_the_task_split_and_language():
    with pytest.raises(StudyError, match=r"toy/test/sw: reader jsonl_rows: txt: unknown key"):
        read_split(card(options={"txt": "a"}), SCHEMAS["classification"], "test", "sw", {})


def test_what_was_not_read_as_it_stands_is_counted_in_the_stamp(tmp_path):
    """The report reads it there."""
    (tmp_path / "toy-swa.jsonl").write_text(
        "".join(json.dumps({"text": str(i), "label": "a-"[i > 7]}) + "\n" for i in range(10))
    )
    options = {
        "tables": {"*": {"form": "jsonl"}},
        "text": "text",
        "label": "label",
        "labels": {"a": "yes", "-": None},
    }
    stamp = tmp_path / "examples/toy/test/sw.json"
    prepare(
        card("labelled_texts", options=options),
        SCHEMAS["classification"],
        "test",
        "sw",
        resources=tmp_path / "resources",
        mirror=tmp_path,
        checksums={},
        stamp=stamp,
        spec="spec1",
    )
    remark = "row left out: the option `labels` maps its label to null"
    assert verify(stamp)["outcomes"] == {"rows": 8, "remarks": {remark: 2}}


# --- sources -------------------------------------------------------------------------------------


def two_sources(labels=("yes", "maybe")):
    """A card whose test set is JSON lines, or else a table."""
    first = card(labels=labels).splits["test"].model_dump(exclude_unset=True)
    table = {
        "reader": "labelled_texts",
        "files": {"table": {"path": "toy/{code}.tsv", "mirror": "toy-{code}.tsv"}},
        "options": {"tables": {"*": {"form": "tsv"}}, "text": "text", "label": "label"},
    }
    return card(labels=labels, splits={"test": first | {"fallbacks": [table]}})


def prepare_toy(folder, toy):
    stamp = folder / "examples/toy/test/sw.json"
    how = {"resources": folder, "mirror": folder, "checksums": {}, "spec": "spec1"}
    prepare(toy, SCHEMAS[toy.task_type], "test", "sw", stamp=stamp, **how)
    return examples.read(stamp.with_suffix(".parquet")), files.read_json(stamp)["outcomes"]


def test_a_fallback_is_read_where_the_files_of_the_first_source_are_missing(tmp_path):
    """The same rows in another file format; the stamp says which source it was."""
    (tmp_path / "toy-swa.tsv").write_text("text\tlabel\na\tyes\nb\tmaybe\n")
    rows, outcomes = prepare_toy(tmp_path, two_sources())
    assert [row["text"] for row in rows] == ["a", "b"]
    assert outcomes == {"rows": 2, "source": 1}


def test_the_first_source_is_preferred(tmp_path, prepared):
    """It is the official one."""
    (tmp_path / "toy-swa.tsv").write_text("text\tlabel\na\tyes\n")
    prepared(toy=two_sources())
    assert prepare_toy(tmp_path, two_sources())[1] == {"rows": 2, "source": 0}


def test_every_source_that_fails_is_named(tmp_path):
    """Any of them may be mended."""
    with pytest.raises(MissingFile) as caught:
        prepare_toy(tmp_path, two_sources())
    assert "toy/swa.jsonl" in str(caught.value)
    assert "toy/swa.tsv" in str(caught.value)


def test_labels_that_no_card_lists_stand_in_the_stamp(tmp_path):
    """Sorted, so that the same data give the same head."""
    (tmp_path / "toy-swa.tsv").write_text("text\tlabel\na\tyes\nb\tmaybe\n")
    assert prepare_toy(tmp_path, two_sources("from_data"))[1]["labels"] == ["maybe", "yes"]


WITHOUT_GOLD = [
    ("classification", "accuracy", {"id": "1", "text": "a", "text_pair": None, "label": None}),
    (
        "multiple_choice",
        "accuracy",
        {"id": "1", "prompt": "p", "choices": ["a", "b"], "label": None},
    ),
    ("tagging", "span_f1", {"id": "1", "tokens": ["a"], "tags": None}),
    ("span_qa", "squad", {"id": "1", "context": "abc", "question": "q", "answers": []}),
    ("retrieval", "nearest", {"id": "1", "side": "query", "text": "a", "relevant": []}),
    (
        "document_qa",
        "tydi",
        {"id": "1", "question": "q", "document": "d", "passages": [], "annotations": []},
    ),
]


@pytest.mark.parametrize(("task_type", "scorer", "row"), WITHOUT_GOLD)
def test_test_data_without_gold_answers_are_refused(prepared, task_type, scorer, row):
    """Scored, they would count as errors, or end an evaluation after its forward passes."""
    rows = [row]
    if task_type == "retrieval":
        rows.append({"id": "2", "side": "candidate", "text": "b", "relevant": []})
    labels = {"labels": ["O", "B-PER"]} if task_type == "tagging" else {}
    toy = card(task_type=task_type, scorer=scorer, **labels)
    with pytest.raises(DataError, match=r"toy/test/sw: example '1': has no gold answer to score"):
        prepared(rows, toy)


def test_an_unanswerable_question_is_test_data(prepared):
    """Of SQuAD 2."""
    question = {"id": "1", "context": "abc", "question": "q", "answers": []}
    prepared([question], card(task_type="span_qa", scorer="squad2"))


@pytest.mark.parametrize("right", [["3"], []])
def test_some_sentences_of_a_bitext_have_a_translation(prepared, right):
    """Most of BUCC's have none; where none has, there is nothing to score."""
    query, other = ({"id": i, "side": "query", "text": i, "relevant": []} for i in "12")
    rows = [query, other | {"relevant": right}]
    rows.append({"id": "3", "side": "candidate", "text": "c", "relevant": []})
    bucc = card(task_type="retrieval", scorer="bucc")
    if right:
        prepared(rows, bucc)
    else:
        with pytest.raises(DataError, match="toy/test/sw: no query has a right candidate to score"):
            prepared(rows, bucc)


# --- several processes, and disks that cannot be written -----------------------------------------


MANY = [
    {"id": str(i), "text": str(i * 7919), "text_pair": None, "label": ("yes", "no")[i % 2]}
    for i in range(5_000)
]


def _prepare(folder: Path) -> None:
    prepare(
        card(labels=("yes", "no")),
        SCHEMAS["classification"],
        "test",
        "sw",
        resources=folder,
        mirror=folder,
        checksums={},
        stamp=folder / "examples/toy/test/sw.json",
        spec="the same for all studies",
    )


def mirror(folder: Path, rows: list[dict[str, object]]) -> Path:
    """Put rows into the mirror; return the stamp that their preparation makes."""
    (folder / "toy-swa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "examples/toy/test/sw.json"


def test_two_studies_may_prepare_the_same_examples_at_once(tmp_path):
    """Whichever ends last, the stamp proves the file."""
    stamp = mirror(tmp_path, MANY)
    spawn = multiprocessing.get_context("spawn")
    studies = [spawn.Process(target=_prepare, args=(tmp_path,)) for _ in range(2)]
    for study in studies:
        study.start()
    for study in studies:
        study.join()
    assert [study.exitcode for study in studies] == [0, 0]
    assert verify(stamp)["outcomes"] == {"rows": 5000}
    assert sorted(path.name for path in stamp.parent.iterdir()) == ["sw.json", "sw.parquet"]


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path):
    """The next run continues with what was downloaded."""
    stamp = mirror(tmp_path, MANY)
    raw = tmp_path / "raw/toy/swa.jsonl"
    raw.parent.mkdir(parents=True)
    raw.write_bytes((tmp_path / "toy-swa.jsonl").read_bytes())
    with full_disk(10_000), pytest.raises(DataError) as refused:
        _prepare(tmp_path)
    assert str(refused.value) == (
        f"{stamp}: cannot be written (File too large); free space on the disk, or make "
        f"{stamp.parent} writable, then run again"
    )
    assert list(stamp.parent.iterdir()) == []
    _prepare(tmp_path)
    assert is_current(stamp, "the same for all studies")


def test_a_read_only_folder_is_one_line(tmp_path):
    stamp = mirror(tmp_path, MANY)
    stamp.parent.mkdir(parents=True)
    with read_only(tmp_path / "examples"), pytest.raises(DataError) as refused:
        _prepare(tmp_path)
    assert str(refused.value).startswith(
        f"{stamp}: cannot be written (Permission denied); free space on the disk, or make "
    )
