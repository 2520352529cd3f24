"""The embedded benchmark: what its rows promise."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from babel import localedata

import xstilts
from support.places import ROOT
from xstilts.errors import MissingPlugin
from xstilts_demo import cldr
from xstilts_demo.build import TASKS, build, languages

CLDR_TASKS = ["cldr_region", "cldr_kind", "cldr_tags", "cldr_analogy_qa"]
SAMPLE = ["en", "sw", "th", "am", "zh", "fa", "yo", "my", "de"]
FILES = [
    (name, split, language)
    for name, task in TASKS.items()
    for split in task.splits
    for language in (SAMPLE if split == "test" else ["en"])
    if language in languages(name)
]
FIELDS = {
    "classification": {"id", "text", "text_pair", "label"},
    "multiple_choice": {"id", "prompt", "choices", "label"},
    "tagging": {"id", "tokens", "tags"},
    "span_qa": {"id", "context", "question", "answers"},
    "retrieval": {"id", "side", "text", "relevant"},
}
LANGUAGE_TABLE = ROOT / "config" / "languages.tsv"

DIGEST_SCRIPT = """
import hashlib, json
from xstilts_demo.build import TASKS, build
for name, task in TASKS.items():
    for split in task.splits:
        rows = build(name, split, "sw" if split == "test" else "en")
        print(name, split, hashlib.sha256(json.dumps(rows).encode()).hexdigest())
"""

# Made with the versions below; rows may differ under others, and the benchmark with them.
LOCKED = {"babel": "2.18.0", "django": "5.2.19"}
ALL_ROWS = "0526eb374d299b4f72341ab03f27f8294ca117c3e832f6889d2e57fedef01d6d"


@cache
def rows_of(name: str, split: str, language: str) -> list[Any]:
    return build(name, split, language)


def files_of(kind: str) -> list[tuple[str, str, str]]:
    return [file for file in FILES if TASKS[file[0]].task_type == kind]


def joshi_classes() -> dict[str, int]:
    """Language code -> resource class, of the languages that have one."""
    if not LANGUAGE_TABLE.exists():
        pytest.skip("config/languages.tsv is not here")
    with LANGUAGE_TABLE.open(encoding="utf-8") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    table = csv.DictReader(lines, delimiter="\t")
    return {row["code"]: int(row["joshi_class"]) for row in table if row["joshi_class"]}


def texts(value: Any) -> list[str]:
    """All strings inside a row, but its id."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, inner in value.items() if key != "id" for text in texts(inner)]
    if isinstance(value, list):
        joined = [" ".join(value)] if value and all(isinstance(v, str) for v in value) else []
        return joined or [text for inner in value for text in texts(inner)]
    return []


def test_rows_are_the_same_in_every_process() -> None:
    """Rows depend on task, split and language alone, not on the process or its hash seed."""
    outputs = set()
    for seed in ("0", "1"):
        env = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(Path(xstilts.__file__).parents[1]),
        }
        done = subprocess.run(
            [sys.executable, "-c", DIGEST_SCRIPT],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == sum(len(task.splits) for task in TASKS.values())


def test_rows_are_those_of_the_locked_packages() -> None:
    """With the pinned versions of Babel and Django, the rows are the recorded ones.

    A deliberate change of a task changes this digest; nothing else may.
    """
    here = {package: metadata.version(package) for package in LOCKED}
    if here != LOCKED:
        pytest.skip(f"recorded with {LOCKED}, here are {here}")
    digest = hashlib.sha256()
    for name, split, language in FILES:
        digest.update(json.dumps(rows_of(name, split, language)).encode())
    assert digest.hexdigest() == ALL_ROWS


@pytest.mark.parametrize(("name", "split", "language"), FILES)
def test_rows_follow_the_schema_of_their_format(name: str, split: str, language: str) -> None:
    """Rows have exactly the fields of their task type, unique ids, and the declared number."""
    rows = rows_of(name, split, language)
    task = TASKS[name]
    assert all(set(row) == FIELDS[task.task_type] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    if task.task_type == "retrieval":
        assert cldr.UI_FEWEST * 2 <= len(rows) <= task.splits[split] * 2
    else:
        assert len(rows) == task.splits[split]
    contents = {json.dumps({k: v for k, v in row.items() if k != "id"}) for row in rows}
    assert len(contents) == len(rows)
    assert all(text and text == text.strip() for row in rows for text in texts(row))


@pytest.mark.parametrize(("name", "split", "language"), files_of("classification"))
def test_classes_are_balanced(name: str, split: str, language: str) -> None:
    """Every class occurs, none more than 1.6 times its fair share."""
    counts = Counter(row["label"] for row in rows_of(name, split, language))
    assert set(counts) == set(TASKS[name].labels)
    assert max(counts.values()) <= 1.6 * counts.total() / len(TASKS[name].labels)


@pytest.mark.parametrize(("name", "split", "language"), files_of("multiple_choice"))
def test_the_right_choice_is_anywhere(name: str, split: str, language: str) -> None:
    """There are three different choices, and no position is right more than 1.6 times its share."""
    rows = rows_of(name, split, language)
    assert all(len(set(row["choices"])) == 3 for row in rows)
    counts = Counter(row["label"] for row in rows)
    assert set(counts) == {0, 1, 2}
    assert max(counts.values()) <= 1.6 * len(rows) / 3


@pytest.mark.parametrize(("name", "split", "language"), files_of("tagging"))
def test_tags_are_valid_iob2(name: str, split: str, language: str) -> None:
    """An I- tag continues an entity of its own type; every type occurs; tokens hold no space."""
    rows = rows_of(name, split, language)
    for row in rows:
        assert len(row["tokens"]) == len(row["tags"])
        assert not any(re.search(r"\s", token) or not token for token in row["tokens"])
        for before, tag in zip(["O", *row["tags"]], row["tags"], strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]
    begun = Counter(tag[2:] for row in rows for tag in row["tags"] if tag.startswith("B-"))
    assert set(begun) == set(TASKS[name].labels)
    assert max(begun.values()) <= 1.6 * begun.total() / len(begun)


@pytest.mark.parametrize(("name", "split", "language"), files_of("span_qa"))
def test_answers_stand_where_they_say(name: str, split: str, language: str) -> None:
    """An answer is the context's text at its code point offset, and stands nowhere else in it."""
    for row in rows_of(name, split, language):
        (answer,) = row["answers"]
        start, text = answer["start"], answer["text"]
        assert row["context"][start : start + len(text)] == text
        assert row["context"].count(text) == 1


@pytest.mark.parametrize("language", languages("ui_strings"))
def test_a_query_has_one_right_candidate(language: str) -> None:
    """Candidates of a language are unique; each query names one of them, in the other language."""
    rows = rows_of("ui_strings", "test", language)
    candidates = {row["id"]: row["text"] for row in rows if row["side"] == "candidate"}
    queries = [row for row in rows if row["side"] == "query"]
    assert len(set(candidates.values())) == len(candidates) == len(queries) >= cldr.UI_FEWEST
    assert sorted(key for row in queries for key in row["relevant"]) == sorted(candidates)
    assert all(candidates[row["relevant"][0]] != row["text"] for row in queries)
    assert all(row["relevant"] == [] for row in rows if row["side"] == "candidate")


def test_a_string_has_the_same_id_in_every_language() -> None:
    """Retrieval ids come from the English string, so that results can be compared by item."""
    seen: dict[str, str] = {}
    for language in ("de", "sw", "zh"):
        for row in rows_of("ui_strings", "test", language):
            if row["side"] == "query":
                assert seen.setdefault(row["id"], row["text"]) == row["text"]


@pytest.mark.parametrize(("name", "split"), [(n, s) for n, s, _ in FILES if s != "test"])
def test_training_names_no_test_territory(name: str, split: str) -> None:
    """No territory that tests ask about is named in English training or development data."""
    english = cldr.vocabulary("en", "train").names["territory"].values()
    ours = re.compile("|".join(re.escape(n) for n in sorted(english, key=len, reverse=True)))
    theirs = [
        re.escape(text)
        for key, text in cldr.own_names("en")["territory"].items()
        if cldr.half_of("territory", key) == "test"
    ]
    forbidden = re.compile(rf"\b(?:{'|'.join(theirs)})\b")
    for row in rows_of(name, split, "en"):
        for text in texts(row):
            assert not forbidden.search(ours.sub("", text)), text


def test_halves_are_disjoint_in_every_language() -> None:
    """Territories, currencies and languages are in one half each, and both halves are large."""
    for language in cldr.LANGUAGES:
        train, test = (cldr.vocabulary(language, half) for half in cldr.HALVES)
        for kind in ("territory", "currency", "language"):
            names = set(train.names[kind].values()), set(test.names[kind].values())
            assert not names[0] & names[1]
            assert min(map(len, names)) >= 50
        assert min(len(keys) for keys in test.regions.values()) >= 8


def test_what_belongs_together_is_in_one_half() -> None:
    """A currency and a language are in the half of the territory they come from."""
    assert cldr.half_of("currency", "KES") == cldr.half_of("territory", "KE")
    assert cldr.half_of("language", "ja") == cldr.half_of("territory", "JP")


def test_regions_are_sane() -> None:
    """Five regions of the size they have on the map; islands of other oceans go where M49 says."""
    counts = Counter(cldr.region_of().values())
    assert set(counts) == set(cldr.REGIONS)
    assert all(25 <= count <= 65 for count in counts.values())
    expected = {
        "KE": "africa",
        "MU": "africa",
        "PE": "america",
        "BM": "america",
        "MV": "asia",
        "IS": "europe",
        "RU": "europe",
        "AU": "oceania",
    }
    assert {key: cldr.region_of()[key] for key in expected} == expected
    assert "AQ" not in cldr.region_of()


def test_languages_are_those_that_the_rule_finds() -> None:
    """A new Babel cannot change the list of languages in silence."""
    assert not {code: lack for code in cldr.LANGUAGES if (lack := cldr.missing(code))}
    assert all(cldr.missing(code) for code in cldr.LEFT_OUT)


def test_every_language_has_a_class() -> None:
    """Without one, nobody could say whether it is low-resource."""
    known = {code for code in joshi_classes() if localedata.exists(cldr.babel_name(code))}
    assert {*cldr.LANGUAGES, *cldr.LEFT_OUT} <= known


def test_interface_languages_are_those_with_enough_strings() -> None:
    """The retrieval languages are all but English that have enough translated strings."""
    enough = {
        code
        for code in (*cldr.LANGUAGES, *cldr.LEFT_OUT)
        if code != "en" and len(cldr.interface_strings(code)) >= cldr.UI_FEWEST
    }
    assert enough == set(cldr.UI_LANGUAGES)


@pytest.mark.parametrize("name", CLDR_TASKS)
def test_many_languages_are_low_resource(name: str) -> None:
    """At least 40 languages, at least 15 of them of resource class 0, 1 or 2."""
    classes = joshi_classes()
    assert len(languages(name)) >= 40
    assert sum(classes[language] <= 2 for language in languages(name)) >= 15


def test_interface_strings_cover_many_languages() -> None:
    """At least 40 languages have interface strings."""
    assert len(languages("ui_strings")) >= 40


@pytest.mark.parametrize("name", CLDR_TASKS)
def test_every_language_can_be_built(name: str) -> None:
    """Every listed language gives its full test file."""
    for language in languages(name):
        assert len(build(name, "test", language)) == TASKS[name].splits["test"]


def test_digits_are_the_languages_own() -> None:
    """Numbers are written in the default digits of the language."""
    assert cldr.quantity("bn", "length-kilometer", 12) == "১২ কিলোমিটার"
    assert cldr.date("mr", 3, 12) == "१२ मार्च"
    assert cldr.quantity("sw", "length-kilometer", 12) == "kilomita 12"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("cldr_regoin", "test", "sw"), "did you mean 'cldr_region'"),
        (("cldr_region", "valid", "en"), "Allowed: dev, test, train"),
        (("cldr_region", "train", "sw"), "Allowed: en"),
        (("cldr_region", "test", "xx"), "Allowed: af, am, ar"),
        (("facts_nli", "test", "en"), "Allowed: dev, train"),
        (("ui_strings", "test", "en"), "Allowed: af, ar, az"),
    ],
)
def test_an_error_names_what_is_allowed(request_: tuple[str, str, str], message: str) -> None:
    """An unknown task, split or language is a ValueError that names the known ones."""
    with pytest.raises(ValueError, match=re.escape(message)):
        build(*request_)


def test_a_missing_django_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Django, the error names the package and how to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cldr.interface_strings.cache_clear()
    with pytest.raises(MissingPlugin, match=r'package django: pip install "xstilts\[demo\]"'):
        cldr.interface_strings("sw")


def test_a_missing_babel_is_one_clear_line() -> None:
    """Without Babel, the error names the package and how to install it."""
    script = "import sys; sys.modules['babel'] = None; import xstilts_demo.cldr"
    env = os.environ | {"PYTHONPATH": str(Path(xstilts.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: the embedded tasks need the package"
    )
    assert 'pip install "xstilts[demo]"' in done.stderr.splitlines()[-1]
