"""The catalogue: all cards of a folder, found by name."""

from __future__ import annotations

import os
from copy import copy
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from xstilts.config import claim_checks
from xstilts.config.claims import Claims, read_claims
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.languages import Language, read_families, read_languages
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load, read_yaml
from xstilts.errors import StudyError, unknown
from xstilts.metrics.question_answering import MLQA_ARTICLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xstilts.config.task_card import SplitSource
    from xstilts.config.task_schema import TaskSchema

    SourceProblems = Callable[[SplitSource, Sequence[str]], Iterable[str]]

C = TypeVar("C", TaskCard, EncoderCard)

PARTS = ("tasks", "encoders", "languages.tsv")
CLAIMS = "claims.yaml"
"""The claims of every study that names no others; a folder of cards need not have any."""
SCORER_LANGUAGES = {"mlqa": tuple(sorted(MLQA_ARTICLES))}
"""Scorers that have rules for some languages only. This stands here and not in task_card.py, which
`xstilts.data.prepare` imports: an edit of a metric leaves the prepared examples valid."""


class Catalogue:
    """All cards of a ``config/`` folder, read when they are first asked for."""

    def __init__(
        self,
        folder: Path,
        task_types: Mapping[str, TaskSchema],
        source_problems: SourceProblems = lambda source, labels: (),
    ) -> None:
        """Touch no file yet; ``folder`` holds tasks/, encoders/ and languages.tsv.

        ``task_types``: the schemas of all types that a card may name. ``source_problems``: what
        the reader of a split's source does not allow in it (`xstilts.data.reading`).
        """
        self.folder, self.task_types, self.source_problems = folder, task_types, source_problems
        self._without_file: dict[str, EncoderCard] = {}
        self.task = cache(self._task)
        self.encoder = cache(self._encoder)

    def with_encoders(self, cards: Iterable[EncoderCard]) -> Catalogue:
        """This catalogue and encoders that have no file in its folder."""
        more = copy(self)
        more._without_file = self._without_file | {card.encoder: card for card in cards}
        more.encoder = cache(more._encoder)
        return more

    def of(self, folder: str) -> Catalogue:
        """The catalogue of a study that keeps its cards in a folder of its own."""
        cards = Catalogue(Path(folder), self.task_types, self.source_problems)
        if missing := cards.missing_parts():
            raise StudyError(f"cards: {folder!r} has no {', '.join(missing)}")
        return cards

    def missing_parts(self) -> list[str]:
        """Which of tasks/, encoders/ and languages.tsv the folder lacks, or does not let be read.

        A folder without them is not one of cards.
        """
        return [name for name in PARTS if not os.access(self.folder / name, os.R_OK)]

    @property
    def tasks(self) -> list[str]:
        """Names of all task cards."""
        return sorted(path.stem for path in (self.folder / "tasks").glob("*.yaml"))

    @property
    def encoders(self) -> list[str]:
        """Names of all encoder cards."""
        files = (path.stem for path in (self.folder / "encoders").glob("*.yaml"))
        return sorted({*files, *self._without_file})

    def languages(self) -> dict[str, Language]:
        """The language table."""
        return read_languages(self.folder / "languages.tsv")

    def pretraining_families(self) -> list[str]:
        """The families of encoders whose languages the language table knows."""
        return read_families(self.folder / "languages.tsv")

    def claims(self, path: Path | None = None) -> Claims:
        """The claims of a file, or those of this folder; checked against the cards.

        Raises `StudyError` with a line for each problem, which names the file and the claim.
        """
        path = path or self.folder / CLAIMS
        if path == self.folder / CLAIMS and not path.exists():
            return Claims()
        claims = read_claims(path)
        if found := claim_checks.problems(claims, self):
            raise StudyError("\n".join(f"{path}: {problem}" for problem in found))
        return claims

    def select_languages(self, offered: list[str], choice: str | list[str]) -> list[str]:
        """Those of the offered languages that a study wants: all, low_resource, or a list."""
        if choice == "all":
            return list(offered)
        if choice == "low_resource":
            known = self.languages()
            return [code for code in offered if code in known and known[code].low_resource]
        return [code for code in offered if code in choice]

    def _task(self, name: str) -> TaskCard:
        path, card = self._card(TaskCard, "task", self.tasks, name)
        problems = [
            *_type_problems(card, self.task_types),
            *_unscored(card),
            *self._source_problems(card),
            *self._language_problems(card),
            *_file_problems(card),
        ]
        if problems:
            raise StudyError("\n".join(f"{path}: {problem}" for problem in problems))
        return card

    def _language_problems(self, card: TaskCard) -> Iterator[str]:
        """Languages of a card that the table does not have: nothing would be known of them."""
        splits = {code for split in card.splits for code in card.split_languages(split)}
        for code in sorted({*card.languages, *splits} - self._known_languages):
            yield (
                f"languages: {code!r} has no row in {self.folder / 'languages.tsv'}; add one, "
                "in which all columns but code and name may be empty"
            )

    @cached_property
    def _known_languages(self) -> set[str]:
        return set(self.languages())

    def _source_problems(self, card: TaskCard) -> Iterator[str]:
        """What the readers do not allow in a card's splits."""
        for split, entry in card.splits.items():
            for number, source in enumerate(entry.sources):
                key = f"splits.{split}" + (f".fallbacks[{number - 1}]" if number else "")
                found = self.source_problems(source, card.label_list)
                yield from (f"{key}: {problem}" for problem in found)

    def schema(self, task: str) -> TaskSchema:
        """The schema of a task's type: what its cards and examples must hold."""
        return self.task_types[self.task(task).task_type]

    def _encoder(self, name: str) -> EncoderCard:
        if name in self._without_file:
            return self._without_file[name]
        return self._card(EncoderCard, "encoder", self.encoders, name)[1]

    def _card(self, model: type[C], kind: str, known: list[str], name: str) -> tuple[Path, C]:
        """A card and its file; ``kind`` is the key that says its name, in a folder of that name."""
        if name not in known:
            raise StudyError(unknown(kind, name, known))
        path = self.folder / f"{kind}s" / f"{name}.yaml"
        card = load(model, read_yaml(path), str(path))
        if (found := getattr(card, kind)) != name:
            raise StudyError(f"{path}: {kind}: is {found!r}; must be {name!r}, the file's name")
        return path, card


def _type_problems(card: TaskCard, task_types: Mapping[str, TaskSchema]) -> Iterator[str]:
    """What the type of a task does not allow in its card."""
    if card.task_type not in task_types:
        yield f"task_type: {unknown('task type', card.task_type, task_types)}"
        return
    schema = task_types[card.task_type]
    if schema.needs_labels and not card.labels:
        yield f"labels: a {card.task_type} task needs them: a list, or from_data"
    if card.scorer not in schema.scorers:
        yield f"scorer: {unknown('scorer', card.scorer, schema.scorers)}"
    elif card.primary not in schema.scorers[card.scorer]:
        yield f"primary: {unknown('metric', card.primary, schema.scorers[card.scorer])}"
    for fault in schema.label_faults(card.label_list, card.scorer):
        yield f"scorer: {fault}"


def _file_problems(card: TaskCard) -> Iterator[str]:
    """Files whose paths are wrong once a language and its code are filled in."""
    for split, entry in card.splits.items():
        for source in entry.sources:
            for language in card.split_languages(split):
                try:
                    card.raw_files(split, language, source)
                except ValidationError as error:
                    reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                    yield f"splits.{split}.files: in {language!r}: {reason}"


def _unscored(card: TaskCard) -> list[str]:
    """Splits in languages that the card's scorer has no rule for; training data are not scored."""
    allowed = SCORER_LANGUAGES.get(card.scorer)
    if allowed is None:
        return []
    lacking = {
        split: [code for code in card.split_languages(split) if code not in allowed]
        for split in card.splits
        if split != "train"
    }
    return [
        f"scorer: {card.scorer!r} has no rule for {', '.join(codes)} (splits.{split}); "
        f"it has rules for {', '.join(allowed)}"
        for split, codes in lacking.items()
        if codes
    ]
