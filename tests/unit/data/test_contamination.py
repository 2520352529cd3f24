"""Test items in training data are reported, and refused if another benchmark holds them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import MIRROR, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.data import examples
from xstilts.data.contamination import (
    Part,
    Target,
    check,
    find,
    is_random,
    keys,
    normal,
    refuse_if_found,
)
from xstilts.data.prepare import read_split
from xstilts.errors import DataError
from xstilts.provenance.stamp import verify
from xstilts.tasks.registry import SCHEMAS

CARDS = Catalogue(ROOT / "config", SCHEMAS)
CONTEXT = "The Normans were the people who gave their name to Normandy in France."


def question(number, context=CONTEXT, identity=None):
    answers = [{"text": context[:3], "start": 0}]
    name = identity or f"q{number}"
    return {"id": name, "context": context, "question": f"Who {number}?", "answers": answers}


@pytest.fixture
def part(tmp_path):
    """Writes examples; gives the part that they are."""

    def write(task, rows, task_type="span_qa", language="en", own=None):
        stamp = tmp_path / task / f"{language}.json"
        examples.write(stamp.with_suffix(".parquet"), SCHEMAS[task_type], rows)
        if own is None:
            return Part(task, SCHEMAS[task_type], language, stamp)
        return Target(task, SCHEMAS[task_type], language, stamp, frozenset(own))

    return write


@given(st.text(max_size=40))
def test_equal_texts_are_told_as_equal(text):
    """However accents are encoded, and without spaces."""
    forms = {normal(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) == 1
    assert not any(character.isspace() for character in normal(text))


def test_tokens_and_running_text_of_a_sentence_are_the_same():
    """Treebank sentences serve as plain text."""
    tagged = {"id": "0", "tokens": ["Don", "'t", "panic", ",", "dear", "reader", "of", "this"]}
    plain = {"id": "7", "text": "Don't panic, dear reader of this!"}
    assert list(keys(SCHEMAS["tagging"], tagged)) == list(keys(SCHEMAS["mlm"], plain))


def test_short_texts_are_equal_by_chance():
    """And ids that are row numbers mean nothing outside their file."""
    assert list(keys(SCHEMAS["mlm"], {"id": "12", "text": "Yes, of course."})) == []


def test_a_shared_context_is_found(part):
    """Other questions about a paragraph tell its answers as well."""
    training = part("train", [question(1)])
    target = part(
        "test", [question(2), question(3, "Another paragraph of some length, here.")], own=[]
    )
    (found,) = find([training], [target])
    assert (found.shared, found.of, found.own) == (1, 2, False)


def test_ids_that_live_on_in_translations_are_found(part):
    """XQuAD keeps SQuAD's ids in twelve languages."""
    identity = "56ddde6b9a695914005b9628"
    training = part("train", [question(1, identity=identity)])
    german = "Die Normannen waren ein Volk, das der Normandie ihren Namen gab."
    target = part("test", [question(1, german, identity)], language="de", own=[])
    assert find([training], [target])[0].shared == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0000000000000001", "0000000000000001"),  # a counter
        ("2024-01-01-000001", "2024-01-01-000001"),  # a date and a counter
        ("2024-01-01-035789", "2024-01-01-035789"),
        ("deadbeefdeadbeef", "deadbeefdeadbeef"),  # letters alone
    ],
)
def test_ids_that_are_counted_or_dated_tell_nothing(part, one, other):
    """Unrelated sets have the same ones."""
    training = part("train", [question(1, identity=one)])
    target = part("test", [question(2, "Quite another paragraph, about ships.", other)], own=[])
    assert find([training], [target]) == []


@given(st.uuids(version=4))
def test_ids_that_are_drawn_at_random_are_known_as_such(identity):
    """With hyphens or without."""
    assert is_random(str(identity))
    assert is_random(identity.hex)


def test_what_the_study_declares_apart_is_reported_and_not_refused(part, tmp_path):
    """The stamp says so, for the report."""
    training = part("train", [question(1)])
    target = replace(part("test", [question(2)], own=[]), apart=frozenset({"train"}))
    (found,) = check([training], [target], tmp_path / "overlaps.json", "spec")
    assert found.declared_apart
    line = "train (en) holds 1 of 1 items of test (en); the study declares them to be apart"
    assert verify(tmp_path / "overlaps.json")["outcomes"]["declared_apart"] == [line]


def test_what_holds_a_targets_items_is_refused(part, tmp_path):
    """With both names, the count, and what to do."""
    training, target = part("train", [question(1)]), part("test", [question(2)], own=[])
    with pytest.raises(DataError) as refused:
        check([training], [target], tmp_path / "overlaps.json", "spec")
    assert str(refused.value) == (
        "train (en) holds 1 of 1 items of test (en): scores on 'test' would be contaminated; "
        "remove 'train' or 'test' from the study, or, if their items only look the same, "
        "declare it: known_apart: {train: [test]}"
    )
    assert not (tmp_path / "overlaps.json").exists()


def test_no_training_begins_on_refused_data(part, tmp_path):
    """With the lines of the refusal, until a check of the study's data finds nothing."""
    stamp = tmp_path / "overlaps.json"
    training, target = part("train", [question(1)]), part("test", [question(2)], own=[])
    refuse_if_found(stamp, "spec")  # not checked yet
    with pytest.raises(DataError, match="holds 1 of 1"):
        check([training], [target], stamp, "spec")
    with pytest.raises(DataError, match=r"holds 1 of 1 items .* delete .*refused"):
        refuse_if_found(stamp, "spec")
    refuse_if_found(stamp, "another study's spec")
    check([part("train", [])], [target], stamp, "spec")
    refuse_if_found(stamp, "spec")


def test_a_benchmarks_own_split_is_reported(part, tmp_path):
    """It is taken as its authors made it."""
    training, target = part("train", [question(1)]), part("test", [question(2)], own=["train"])
    (found,) = check([training], [target], tmp_path / "overlaps.json", "spec")
    assert found.own
    verify(tmp_path / "overlaps.json")
    assert (tmp_path / "overlaps.tsv").read_text().splitlines()[1].split("\t")[4:6] == ["1", "1"]


def test_a_few_shared_items_are_tolerated(part, tmp_path):
    """One of a hundred, not two."""
    texts = [f"Paragraph number {n} of a collection of many." for n in range(100)]
    target = part("test", [question(n, text) for n, text in enumerate(texts)], own=[])
    one, two = (
        part("one", [question(0, texts[0])]),
        part("two", [question(0, t) for t in texts[:2]]),
    )
    assert not find([one], [target])[0].refused
    assert find([two], [target])[0].refused


# --- real files ----------------------------------------------------------------------------------

REAL = [
    # (training task, its split, target, language, share that is found)
    ("squad", "dev", "xquad", "en", 1.0),
    ("squad", "dev", "xquad", "de", 1.0),
    ("squad2_part", "dev", "xquad", "en", 0.2),
    ("squad_part", "train", "xquad", "en", 0.0),
    ("ud_text", "train", "udpos_part", "yo", 0.9),
    ("copa", "train", "xcopa", "sw", 0.0),
]


def real(card, split, language, folder):
    files = CARDS.task(card).raw_files(split, language).items()
    paths = {p: next(MIRROR.glob(f"{f.mirror}*")) for p, f in files}
    task = CARDS.task(card)
    rows = read_split(task, CARDS.schema(card), split, language, paths).rows
    stamp = folder / card / split / f"{language}.json"
    examples.write(stamp.with_suffix(".parquet"), CARDS.schema(card), rows)
    return Target(card, CARDS.schema(card), language, stamp)


@pytest.mark.mirror
@pytest.mark.skipif(not (MIRROR / "MANIFEST.tsv").is_file(), reason=f"no mirror at {MIRROR}")
@pytest.mark.parametrize(("task", "split", "target", "language", "share"), REAL)
def test_real_overlaps_are_found(tmp_path, task, split, target, language, share):
    """SQuAD's development set is XQuAD's source; its training articles are not."""
    trained = "en" if "en" in CARDS.task(task).split_languages(split) else language
    found = find([real(task, split, trained, tmp_path)], [real(target, "test", language, tmp_path)])
    seen = found[0].shared / found[0].of if found else 0.0
    assert seen >= share
    assert (seen > 0) == (share > 0)
