"""Damaged and foreign files through every reader and the checks after it.

Each input is read, or refused by an error that says what is wrong. The number of inputs is that of
the environment variable XSTILTS_FUZZ, or `INPUTS`; the same number gives the same inputs.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from support.mutations import damaged, foreign_json, foreign_parquet
from support.places import MIRROR, ROOT
from support.raw_files import EXAMPLES, RawExample
from support.world import task_card
from xstilts.config.catalogue import Catalogue
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load
from xstilts.data.checks import check_examples
from xstilts.data.reading import Reading, UnforeseenFault, read, readers
from xstilts.errors import DataError
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INPUTS = 12_000
CARDS = Catalogue(ROOT / "config", SCHEMAS)
SECONDS = 2.0
"""Of the processor, for one input: another program may hold up a test, but not this clock."""
MEBIBYTES = 512
"""By which all inputs of a reader may raise the memory of the process."""
EACH = max(int(os.environ.get("XSTILTS_FUZZ", INPUTS)) // len(EXAMPLES), 1)
LONGEST_MESSAGE = 2_000
LINES = 36
"""Of a real file; a multiple of an item of HellaSwag."""
REAL = [
    ("sib200", "dev", "yo"),
    ("nusax_senti", "dev", "bug"),
    ("afrixnli", "dev", "ee"),
    ("afrixnli_xnli", "dev", "sw"),
    ("indonli", "dev", "id"),
    ("xcopa", "dev", "qu"),
    ("hellaswag_part", "train", "en"),
    ("amqa", "dev", "am"),
    ("kazqad", "test", "kk"),
    ("afriqa", "dev", "ha"),
    ("udpos_part", "test", "mr"),
    ("udpos_lowres", "test", "si"),
    ("udpos_xtreme", "test", "te"),
    ("masakhaner2", "dev", "xh"),
    ("ud_text", "train", "yo"),
    ("ntrex", "test", "sw"),
    ("flores", "test", "nqo"),
    ("bucc2018_dev", "test", "zh"),
    ("lareqa", "test", "en"),
]
LEFT_OUT = ("row left out", "question left out")


class Hang(BaseException):
    """An input that takes more than `SECONDS`."""


@contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def card_of(raw: RawExample) -> TaskCard:
    schema = SCHEMAS[raw.task_type]
    scorer = "token_accuracy" if raw.task_type == "tagging" else next(iter(schema.scorers))
    kind = (raw.task_type, raw.reader, scorer, schema.scorers[scorer][0])
    labels = {"labels": list(raw.labels)} if schema.needs_labels else {}
    return load(TaskCard, task_card("toy", kind, {"test": [raw.language]}, **labels), "toy.yaml")


def prepared(raw: RawExample, content: dict[str, bytes], folder: Path) -> Reading:
    """Read and check files as `xstilts.data.prepare` does, up to the table that it writes."""
    files = {part: folder / part for part in content}
    for part, path in files.items():
        path.write_bytes(content[part])
    schema = SCHEMAS[raw.task_type]
    reading = read(raw.reader, files, raw.language, raw.options)
    check_examples(card_of(raw), schema, reading, "toy/test/sw", scored=False)
    pa.Table.from_pylist(reading.rows, schema=schema.columns())
    return reading


def mutated(content: dict[str, bytes], random: Random) -> dict[str, bytes]:
    """The files with one of them damaged."""
    part = random.choice(sorted(content))
    old = content[part]
    if old.startswith(b"PAR1") and random.random() < 0.5:
        return content | {part: foreign_parquet(old, random)}
    if old.startswith(b"{") and random.random() < 0.5:
        return content | {part: foreign_json(old, random)}
    return content | {part: damaged(old, random)}


def try_mutations(name: str, raw: RawExample, folder: Path, each: int = EACH) -> None:
    before = peak()
    for number in range(each):
        content = mutated(raw.files, Random(f"{name} {number}"))
        try:
            with time_limit():
                reading = prepared(raw, content, folder)
        except UnforeseenFault as error:
            pytest.fail(f"{name}, input {number}: {error}")
        except DataError as error:
            if len(str(error)) > LONGEST_MESSAGE:
                pytest.fail(f"{name}, input {number}: a message of {len(str(error))} characters")
        except Hang:
            pytest.fail(f"{name}, input {number}: more than {SECONDS} s")
        except Exception as error:
            raise AssertionError(f"{name}, input {number}") from error
        else:
            assert_accounted(raw, content, reading)
    assert peak() - before < MEBIBYTES


def peak() -> int:
    """The most memory that the process had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_every_reader_is_tried():
    assert {raw.reader for raw in EXAMPLES.values()} == set(readers())


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_that_is_as_it_should_be_is_read(name, tmp_path):
    """And all its rows are examples, or counted as left out."""
    raw = EXAMPLES[name]
    reading = prepared(raw, raw.files, tmp_path)
    assert reading.rows
    assert_accounted(raw, raw.files, reading)


@pytest.mark.parametrize("name", EXAMPLES)
def test_any_other_file_is_read_or_refused_in_words(name, tmp_path):
    """No traceback, no hang, no flood of memory, no row that goes missing without a count."""
    try_mutations(name, EXAMPLES[name], tmp_path)


@pytest.mark.mirror
@pytest.mark.skipif(not (MIRROR / "MANIFEST.tsv").is_file(), reason=f"no mirror at {MIRROR}")
@pytest.mark.parametrize(("task", "split", "language"), REAL)
def test_the_beginning_of_a_real_file_is_read_or_refused_in_words(task, split, language, tmp_path):
    """With the options of its card, after the same mutations."""
    try_mutations(task, beginning(task, split, language), tmp_path, max(EACH // 4, 1))


def beginning(task: str, split: str, language: str) -> RawExample:
    """The first lines, or the first article, of a card's files."""
    card = CARDS.task(task)
    entry = card.splits[split]
    files = {
        part: shortened(stored(str(file.mirror)))
        for part, file in card.raw_files(split, language).items()
    }
    labels = tuple(card.label_list) or ("x",)
    return RawExample(entry.reader, card.task_type, files, entry.options, language, labels)


def stored(name: str) -> bytes:
    if (path := MIRROR / name).is_file():
        return path.read_bytes()
    return gzip.decompress((MIRROR / f"{name}.gz").read_bytes())


def shortened(content: bytes) -> bytes:
    try:
        value = json.loads(content)
    except ValueError:
        return b"".join(content.splitlines(keepends=True)[:LINES])
    return json.dumps({"data": value["data"][:1]}, ensure_ascii=False).encode()


def assert_accounted(raw: RawExample, content: dict[str, bytes], reading: Reading) -> None:
    if raw.rows:
        left = sum(n for words, n in reading.remarks.items() if words.startswith(LEFT_OUT))
        assert len(reading.rows) + left == raw.rows(content)
