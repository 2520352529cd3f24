"""The proposed card, as the mapping that its YAML file holds, and a study that tries it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from xstilts.data.proposal.columns import Columns, Given, columns_of, labels_in
from xstilts.data.proposal.tables import of_split
from xstilts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.proposal.tables import FoundTable

_SPLITS = ("train", "dev", "test")
_LENGTHS = {"span_qa": 384, "classification": 128, "multiple_choice": 256, "tagging": 128}
_SCORERS = {
    "classification": ("accuracy", "accuracy"),
    "multiple_choice": ("accuracy", "accuracy"),
    "span_qa": ("squad", "em_f1"),
}


@dataclass(frozen=True)
class About:
    """What a card says of a data set that no column says."""

    task: str
    source: str
    licence: str
    recipe: str | None = None


def propose(tables: Sequence[FoundTable], given: Given, about: About) -> dict[str, Any]:
    """The card of the tables.

    Raises `UsageError` where columns, labels or the recipe cannot be known, with the option that
    says them.
    """
    by_split = {split: found for split in _SPLITS if (found := of_split(tables, split))}
    leading = by_split[next(iter(by_split))][0]
    columns = columns_of(leading.first(), given)
    languages = sorted({t.language for t in tables}, key=lambda code: (code != "en", code))
    recipe = about.recipe or (about.task if "train" in by_split else None)
    if recipe is None and "test" in by_split:
        raise UsageError(
            "there is no train split to fine-tune on; name a task with the same labels by --recipe"
        )
    labels = _labels(leading, columns, given)
    scorer, primary = _SCORERS.get(columns.task_type) or _tag_scorer(labels)
    card: dict[str, Any] = {
        "task": about.task,
        "title": about.task,
        "task_type": columns.task_type,
        "summary": f"Proposed from the columns of {about.source}; say here what is asked.",
        "licence": about.licence,
        "citation": f"{about.source}; say here whom to cite.",
        "languages": languages,
        "codes": {t.language: t.code for t in tables if t.code != t.language},
        "labels": labels,
        "scorer": scorer,
        "primary": primary,
        "recipe": recipe if "test" in by_split else None,
        "chance": _chance(leading, columns, labels),
        "splits": {split: _split(found, columns, languages) for split, found in by_split.items()},
        "training": {
            "batch_size": 16,
            "learning_rate": 2.0e-5,
            "max_length": _LENGTHS[columns.task_type],
            **({} if "dev" in by_split else {"selection": "last"}),
        },
        "training_source": "a guess, which nobody has tuned",
    }
    return {key: value for key, value in card.items() if value not in (None, {}, [])}


def study_of(task: str, encoder: str, mirror: str | None) -> dict[str, Any]:
    """A small study that fine-tunes an encoder on the task and scores it in all languages."""
    study: dict[str, Any] = {
        "study": task,
        "encoders": [encoder],
        "conditions": ["none"],
        "targets": [task],
        "seeds": [1],
        "training": {"all": {"max_examples": 512}},
    }
    return study | ({"mirror": mirror} if mirror else {})


def as_yaml(value: dict[str, Any]) -> str:
    """The text of a card or study, its keys in their order and without aliases."""
    plain = json.loads(json.dumps(value))  # no object twice, which YAML would write as an alias
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return text


def _labels(leading: FoundTable, columns: Columns, given: Given) -> list[str] | None:
    if columns.task_type not in ("classification", "tagging"):
        return None
    return list(given.labels) or labels_in(leading.rows(), columns)


def _tag_scorer(labels: Sequence[str] | None) -> tuple[str, str]:
    """Spans where the tags are those of spans (``B-PER``), single tokens otherwise."""
    forms = {label.partition("-")[0] for label in labels or ()}
    spans = forms <= {"O", "B", "I"} and "B" in forms
    return ("span_f1", "f1") if spans else ("token_accuracy", "accuracy")


def _chance(leading: FoundTable, columns: Columns, labels: Sequence[str] | None) -> float | None:
    if columns.task_type == "classification" and labels:
        return round(100 / len(labels), 1)
    if columns.task_type == "multiple_choice":
        choices = columns.options["choices"]
        row = leading.first()[0]
        return round(100 / len(row[choices] if isinstance(choices, str) else choices), 1)
    return None


def _split(
    found: Sequence[FoundTable], columns: Columns, languages: Sequence[str]
) -> dict[str, Any]:
    own = [table.language for table in found]
    return {
        "reader": columns.reader,
        **({} if set(own) == set(languages) else {"languages": own}),
        "files": {"rows": found[0].file},
        "options": {"tables": {"*": dict(found[0].form)}, **columns.options},
    }
