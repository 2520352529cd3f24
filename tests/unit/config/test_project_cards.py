"""The cards and checksums that come with the project."""

from __future__ import annotations

import csv
import re

import pytest

from support.places import MIRROR, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.data.checksums import read_checksums
from xstilts.data.prepare import read_split
from xstilts.data.reading import source_problems
from xstilts.grid.keys import EvaluationKey
from xstilts.grid.opening import open_grid
from xstilts.tasks.registry import SCHEMAS

CONFIG = ROOT / "config"
CARDS = Catalogue(CONFIG, SCHEMAS)
CHECKSUMS = read_checksums(CONFIG / "downloads.tsv")
EMBEDDED = ("cldr_", "ui_", "facts_")
TASKS = [name for name in CARDS.tasks if not name.startswith(EMBEDDED)]
SCORERS = {
    "classification": {"accuracy": {"accuracy"}},
    "multiple_choice": {"accuracy": {"accuracy"}},
    "tagging": {
        "span_f1": {"f1"},
        "seqeval": {"f1"},
        "chunk_f1_upos": {"f1"},
        "token_accuracy": {"accuracy"},
    },
    "span_qa": {"squad": {"em_f1"}, "mlqa": {"em_f1"}, "squad2": {"em_f1"}},
    "document_qa": {"tydi": {"minimal_f1"}},
    "mlm": {"none": {"loss"}},
    "retrieval": {"nearest": {"accuracy"}, "bucc": {"f1"}, "map20": {"map_at_20"}},
}


def splits(task):
    card = CARDS.task(task)
    return [(card, name, entry) for name, entry in card.splits.items()]


@pytest.mark.parametrize("task", TASKS)
def test_a_card_is_scored_as_its_task_type_can_be(task):
    """Scorer and primary metric belong together."""
    card = CARDS.task(task)
    assert card.primary in SCORERS[card.task_type][card.scorer]


@pytest.mark.parametrize("task", TASKS)
def test_a_recipe_exists_fits_and_has_english_to_train_on(task):
    """A target of one type cannot be read from a head of another."""
    card = CARDS.task(task)
    if card.recipe:
        recipe = CARDS.task(card.recipe)
        assert card.task_type in (recipe.task_type, "retrieval")  # retrieval reads any checkpoint
        assert "en" in recipe.split_languages("train")
        if card.task_type in ("classification", "tagging"):
            assert set(card.label_list) - set(card.labels_not_in_training) <= set(recipe.label_list)
            assert not set(card.labels_not_in_training) & set(recipe.label_list)


@pytest.mark.parametrize("task", TASKS)
def test_readers_know_the_options_that_cards_give(task):
    """Found here rather than on a cluster."""
    labels = CARDS.task(task).label_list
    for _, _, entry in splits(task):
        found = [problem for one in entry.sources for problem in source_problems(one, labels)]
        assert found == []


@pytest.mark.parametrize("task", TASKS)
def test_languages_are_listed_once_and_codes_belong_to_them(task):
    """A code for a language that the card does not have is a slip."""
    card = CARDS.task(task)
    assert len(set(card.languages)) == len(card.languages)
    assert set(card.codes) <= set(card.languages)
    for name in card.splits:
        assert set(card.split_languages(name)) <= set(card.languages)


@pytest.mark.parametrize("task", TASKS)
def test_a_file_has_a_known_checksum_or_a_url(task):
    """What can be had only from a mirror must be verified."""
    for card, name, entry in splits(task):
        for language in card.split_languages(name):
            for source in entry.sources:
                for raw in card.raw_files(name, language, source).values():
                    assert raw.path in CHECKSUMS or raw.url or raw.hub or task in GIVEN, raw.path
                    assert not re.search(r"[{} ]", raw.path + (raw.url or "")), raw


@pytest.mark.parametrize("task", CARDS.tasks)
def test_every_language_of_a_card_is_in_the_table(task):
    """What is known of its resources decides the groups that gains are reported for."""
    card = CARDS.task(task)
    offered = {code for name in card.splits for code in card.split_languages(name)}
    assert {*card.languages, *offered} <= set(CARDS.languages())


@pytest.mark.parametrize("task", TASKS)
def test_what_is_trained_on_has_english_to_select_by(task):
    """Checkpoints are chosen on English development examples, as jiant does.

    A set that has no English is trained and chosen in its own language.
    """
    card = CARDS.task(task)
    if not card.trainable or card.task_type in ("mlm", "retrieval") or task in WITHOUT_DEV:
        return
    having = [CARDS.task(part) for part in card.parts] if card.parts else [card]
    assert all(
        "dev" in c.splits and c.training_language in c.split_languages("dev") for c in having
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_page_of_datasets_has_every_card(task):
    """With its row and with what to cite."""
    page = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    assert f"\n| `{task}` |" in page
    assert f"\n- `{task}`: " in page


def test_every_checksum_belongs_to_a_card():
    """No leftovers."""
    named = {
        raw.path
        for task in TASKS
        for card, name, entry in splits(task)
        for language in card.split_languages(name)
        for source in entry.sources
        for raw in card.raw_files(name, language, source).values()
    }
    assert set(CHECKSUMS) <= named


def test_git_addresses_are_pinned():
    """To a commit, or to a release tag of Universal Dependencies; branches move."""
    loose = set()
    for task in TASKS:
        for card, name, entry in splits(task):
            for file in [
                file
                for source in entry.sources
                for language in card.split_languages(name)
                for file in card.raw_files(name, language, source).values()
            ]:
                if file.url and "raw.githubusercontent.com" in file.url:
                    reference = file.url.split("/")[5]
                    if not re.fullmatch(r"[0-9a-f]{40}|r2\.\d", reference):
                        loose.add(file.path)
    assert loose == {  # of these, no commit is known here
        "squad/train-v1.1.json",
        "squad/dev-v1.1.json",
        "squad/train-v2.0.json",
        "squad/dev-v2.0.json",
    }


# --- the mirror ----------------------------------------------------------------------------------

NEEDS_MIRROR = [
    pytest.mark.mirror,
    pytest.mark.skipif(
        not (MIRROR / "MANIFEST.tsv").is_file(),
        reason=f"no mirror at {MIRROR}: set XSTILTS_MIRROR to its folder",
    ),
]
AFRIQA = {
    ("dev", "bem"): 202,
    ("dev", "ha"): 206,
    ("dev", "ig"): 307,
    ("dev", "rw"): 230,
    ("dev", "tw"): 307,
    ("dev", "zu"): 236,
    ("test", "bem"): 296,
    ("test", "ha"): 276,
    ("test", "ig"): 408,
    ("test", "rw"): 342,
    ("test", "sw"): 265,
    ("test", "tw"): 445,
    ("test", "yo"): 209,
    ("test", "zu"): 311,
}
"""Questions whose answer the passage holds; counted by the reader, fewer than the files' lines."""
WITHOUT_DEV = {
    "copa_balanced",
    "hellaswag_part",
    "tydiqa",
    "tydiqa_primary",
}
GIVEN = {"ccg"}
"""Licensed data, which nothing fetches: their files are put into the mirror folder by hand."""
LAREQA = 13_014
"""Candidates of all languages, as XTREME-R's authors count them (its README)."""


def manifest():
    with (MIRROR / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"].removesuffix(".gz"): row for row in rows}


def mirrored(name):
    """The file of a mirror path, packed or not, or None."""
    found = (MIRROR / f"{name}{end}" for end in ("", ".gz"))
    return next((path for path in found if path.is_file()), None)


def expected_rows(task, split, language, source, counts):
    """How many examples the manifest's row counts of the files come to."""
    if task in ("afriqa", "afriqa_translated"):
        return AFRIQA[split, language]
    if task == "lareqa":
        return counts[language] + LAREQA
    if task in ("bucc2018", "bucc2018_dev"):
        return counts["foreign"] + counts["english"]
    if "selection" in source.options:
        return counts[source.options["selection"]["part"]]
    tables = source.options.get("tables")
    if tables and "*" not in tables:  # joined side by side
        (count,) = set(counts.values())
        return count
    return sum(counts.values())


@pytest.mark.parametrize("task", [pytest.param(task, marks=NEEDS_MIRROR) for task in TASKS])
def test_every_file_of_the_mirror_is_read_to_its_last_row(task):
    """Through the card's reader and checks, to the number of rows that the mirror's list states."""
    listed = manifest()
    for card, split, entry in splits(task):
        for language in card.split_languages(split):
            for source in entry.sources:
                if source not in entry.sources_for(language):
                    continue
                files = card.raw_files(split, language, source)
                paths = {part: mirrored(f.mirror) for part, f in files.items() if f.mirror}
                if len(paths) < len(files) or None in paths.values():
                    continue  # the mirror holds some splits only
                counts = {part: int(listed[f.mirror]["rows"]) for part, f in files.items()}
                reading = read_split(card, CARDS.schema(task), split, language, paths, source)
                wanted = expected_rows(task, split, language, source, counts)
                assert len(reading.rows) == wanted, f"{task}/{split}/{language}"


@pytest.mark.mirror
@pytest.mark.skipif(not (MIRROR / "MANIFEST.tsv").is_file(), reason=f"no mirror at {MIRROR}")
def test_checksums_are_those_of_the_mirror():
    """Of the uncompressed bytes."""
    listed = manifest()
    for path, sha256 in CHECKSUMS.items():
        assert listed[path]["sha256_original"] == sha256, path


# --- encoders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARDS.encoders)
def test_an_encoder_card_says_who_made_it_and_where_it_is_from(name):
    """A commit, or main where none is known, which its summary says; a layer for retrieval."""
    card = CARDS.encoder(name)
    assert card.citation
    assert card.retrieval_layer is not None
    if card.revision == "main":
        assert "No commit is known here" in card.summary


def test_every_encoder_can_be_planned_without_network(tmp_path):
    """Its stages are known before anything of it is fetched."""
    study = {"study": "all", "conditions": ["none"], "targets": ["xnli"], "seeds": [1]}
    study |= {"encoders": CARDS.encoders, "languages": ["en"], "resources": str(tmp_path)}
    grid = open_grid(study, "study.yaml", CONFIG, ROOT / "envs" / "lock.txt")
    digests = {
        grid.evaluation(EvaluationKey(name, "none", 1, "xnli")).digest for name in CARDS.encoders
    }
    assert len(digests) == len(CARDS.encoders)
