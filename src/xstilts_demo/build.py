"""The entry to the embedded benchmark: `build(task, split, language)` gives one file's rows."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xstilts.errors import StudyError, unknown
from xstilts_demo import cldr, intermediates, targets
from xstilts_demo.draw import Draw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xstilts_demo.cldr import Vocabulary
    from xstilts_demo.rows import Row

TRAINING_LANGUAGE = "en"


class UnknownEmbedded(StudyError, ValueError):
    """A task, split or language that the embedded benchmark does not have; the message names those
    it has."""


@dataclass(frozen=True)
class EmbeddedTask:
    """One task of the embedded benchmark."""

    name: str
    task_type: str
    """One of classification, multiple_choice, tagging, span_qa, retrieval."""
    role: str
    """`target` or `intermediate`."""
    labels: tuple[str, ...]
    """Classes, or entity types of a tagging task; empty for the other task types."""
    splits: Mapping[str, int]
    """Number of examples of each split; of pairs, at most, for retrieval. All but `test` are
    English only."""
    summary: str


_TARGET_SPLITS = MappingProxyType({"train": 1000, "dev": 100, "test": 50})
_INTERMEDIATE_SPLITS = MappingProxyType({"train": 1500, "dev": 100})

TASKS: Mapping[str, EmbeddedTask] = MappingProxyType(
    {
        task.name: task
        for task in (
            EmbeddedTask(
                "cldr_region",
                "classification",
                "target",
                cldr.REGIONS,
                _TARGET_SPLITS,
                "the part of the world where two or three listed territories lie",
            ),
            EmbeddedTask(
                "cldr_kind",
                "multiple_choice",
                "target",
                (),
                _TARGET_SPLITS,
                "the choice of the same kind, or the same region, as two listed things",
            ),
            EmbeddedTask(
                "cldr_tags",
                "tagging",
                "target",
                targets.TAGS,
                _TARGET_SPLITS,
                "places, languages, currencies, dates and measures among other words",
            ),
            EmbeddedTask(
                "cldr_analogy_qa",
                "span_qa",
                "target",
                (),
                _TARGET_SPLITS,
                "the thing that a place has of the same kind as the example in the question",
            ),
            EmbeddedTask(
                "ui_strings",
                "retrieval",
                "target",
                (),
                MappingProxyType({"test": 100}),
                "the translation of an English interface string",
            ),
            EmbeddedTask(
                "facts_nli",
                "classification",
                "intermediate",
                intermediates.NLI_LABELS,
                _INTERMEDIATE_SPLITS,
                "English inference from two stated facts",
            ),
            EmbeddedTask(
                "facts_qa",
                "span_qa",
                "intermediate",
                (),
                _INTERMEDIATE_SPLITS,
                "English questions about stated facts",
            ),
            EmbeddedTask(
                "facts_choice",
                "multiple_choice",
                "intermediate",
                (),
                _INTERMEDIATE_SPLITS,
                "the English sentence that follows from two stated facts",
            ),
        )
    }
)

_MAKERS: Mapping[str, Callable[[Vocabulary, Draw, int], list[Row]]] = MappingProxyType(
    {
        "cldr_region": targets.region_rows,
        "cldr_kind": targets.kind_rows,
        "cldr_tags": targets.tag_rows,
        "cldr_analogy_qa": targets.analogy_rows,
        "facts_nli": intermediates.nli_rows,
        "facts_qa": intermediates.qa_rows,
        "facts_choice": intermediates.choice_rows,
    }
)


def languages(task: str) -> list[str]:
    """The languages that a task can be tested in; English alone for an intermediate task."""
    card = _task(task)
    if card.role == "intermediate":
        return [TRAINING_LANGUAGE]
    return list(cldr.LANGUAGES if task in _MAKERS else cldr.UI_LANGUAGES)


def build(task: str, split: str, language: str) -> list[dict[str, object]]:
    """The rows of one task, split and language: always the same for the same versions of Babel and
    Django.

    Raises `UnknownEmbedded`, a ValueError, for a task, split or language that does not exist.
    """
    card = _task(task)
    if split not in card.splits:
        raise UnknownEmbedded(unknown(f"split of {task}", split, card.splits))
    allowed = languages(task) if split == "test" else [TRAINING_LANGUAGE]
    if language not in allowed:
        raise UnknownEmbedded(unknown(f"language of {task}, split {split},", language, allowed))
    draw = Draw(task, split, language)
    count = card.splits[split]
    if task not in _MAKERS:
        return targets.retrieval_rows(language, draw, count)
    words = cldr.vocabulary(language, "test" if split == "test" else "train")
    rows = _MAKERS[task](words, draw, count)
    return [
        {"id": f"{task}-{split}-{language}-{number:04d}", **row} for number, row in enumerate(rows)
    ]


def _task(name: str) -> EmbeddedTask:
    if name not in TASKS:
        raise UnknownEmbedded(unknown("embedded task", name, TASKS))
    return TASKS[name]
