"""What decides every artefact of a grid: its stage.

A *stage* is one artefact's spec with the path of its stamp; its digest is the one decisive
parameter of the Snakemake rule that makes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from xstilts.config.catalogue import Catalogue
from xstilts.config.conditions import NONE
from xstilts.config.resolve import ResolvedStudy, resolve
from xstilts.grid.keys import INTERMEDIATE, kind_of
from xstilts.grid.paths import Layout
from xstilts.provenance import digests, plugins
from xstilts.provenance.code import LIBRARY, code_of
from xstilts.tasks.registry import SCHEMAS, model_module, schema_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.keys import Examples

P = ParamSpec("P")


@dataclass(frozen=True)
class Stage:
    """One artefact to be made: its spec, the code that makes it, and where its stamp lies."""

    stamp: Path
    spec: dict[str, Any]
    modules: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """The spec digest: the artefact's identity."""
        return digests.digest(self.spec)


def _once(make: Callable[Concatenate[Grid, P], Stage]) -> Callable[Concatenate[Grid, P], Stage]:
    """Work a stage out once for each grid; its key is the method's name with its arguments."""

    @wraps(make)
    def known(self: Grid, /, *args: P.args, **named: P.kwargs) -> Stage:
        key = (make.__name__, *args, *named.values())
        try:
            return self._stages[key]
        except KeyError:
            return self._stages.setdefault(key, make(self, *args, **named))

    return known


class Grid(Layout):
    """All stages of a resolved study."""

    def __init__(
        self,
        resolved: ResolvedStudy,
        environment: str,
        code: Mapping[tuple[str, ...], str] | None = None,
    ) -> None:
        """``environment`` is the digest of the lock file that the results are made with.

        ``code``: digests of code that are taken as they are, by the modules that a stage enters by.
        """
        super().__init__(resolved)
        self.environment = environment
        self._stages: dict[tuple[Any, ...], Stage] = {}
        self._code = dict(code or {})
        # parts of specs that thousands of stages share
        self._learning, self._scoring = cache(self._learning_of), cache(self._scoring_of)
        self.training_examples = cache(self._training_examples)
        self.evaluation_examples = cache(self._evaluation_examples)

    @_once
    def encoder(self, encoder: str) -> Stage:
        """Fetching an encoder and saving it as a Hugging Face folder."""
        card = self.cards.encoder(encoder)
        unpacks = [plugins.module(plugins.ENCODERS, "e5s")] if card.weights else []
        return self._stage(
            "encoder",
            self.encoder_stamp(encoder),
            {"card": card.model_dump(exclude=_NOT_THE_WEIGHTS)},
            ["xstilts.models.encoder", *unpacks],
        )

    @_once
    def examples(self, task: str, split: str) -> Stage:
        """Reading one split of a task in all its languages. Its stamps are one per language."""
        card = self.cards.task(task)
        readers = {form.reader for form in card.splits[split].forms}  # type: ignore[index]
        packages = {f.package.source for f in card.splits[split].files.values() if f.package}  # type: ignore[index]
        return self._stage(
            "examples",
            self.examples_stamp(task, split, "all"),
            {
                "task": task,
                "task_type": card.task_type,
                # where a file comes from does not decide what it is: its stamp holds its sha256
                "split": card.splits[split].model_dump(  # type: ignore[index]
                    exclude_defaults=True,
                    exclude={
                        "languages": True,
                        "files": _WHERE_FROM,
                        "otherwise": {"__all__": {"files": _WHERE_FROM}},
                    },
                ),
                "codes": dict(card.codes),
                "labels": card.labels,
            },
            [
                "xstilts.data.prepare",
                schema_module(card.task_type),
                *(f"xstilts.data.readers.{reader}" for reader in sorted(readers)),
            ]
            + [plugins.module(plugins.SOURCES, package) for package in sorted(packages)],
        )

    @_once
    def training(self, encoder: str, condition: str, seed: int, stage: str) -> Stage:
        """A fine-tuning: the intermediate stage of a condition, or a recipe after it."""
        before = self.stage_before(condition, stage)
        if before is None:
            start = self.encoder(encoder).digest
        else:
            start = self.training(encoder, condition, seed, before).digest
        return self._stage(
            "training",
            self.checkpoint_stamp(encoder, condition, seed, stage),
            {"start": start, "seed": seed} | self._learning(condition, stage),
            [
                "xstilts.training.train",
                self._network(encoder),
                *self._model_modules(self.training_tasks(condition, stage)),
                *([model_module("mlm")] if self.mixes_mlm(condition, stage) else []),
            ],
        )

    def _learning_of(self, condition: str, stage: str) -> dict[str, Any]:
        """What a training's spec says for every encoder and seed."""
        tasks = self.training_tasks(condition, stage)
        return {
            "tasks": [
                {
                    "task": name,
                    "task_type": self.cards.task(name).task_type,
                    "labels": self.cards.task(name).labels,
                    "examples": self._identified(self.train_split(condition, stage, name)),
                    "dev": self._identified(self.dev_split(name, stage)),
                    "selected_by": self._selected_by(name, stage),
                    "head_from": self.head_from(stage),
                    "hyperparameters": self.hyperparameters(name, kind_of(stage)).model_dump(),
                }
                for name in tasks
            ],
            "multi": self.study.multi.model_dump(exclude={"tasks"}) if len(tasks) > 1 else None,
            "mlm": (
                self.study.mlm.model_dump(exclude={"text", "languages"})
                | {"examples": self._identified(self.mlm_text())}
                if self.mixes_mlm(condition, stage)
                else None
            ),
            "compute": self.study.compute.model_dump(),
        }

    def _selected_by(self, task: str, stage: str) -> list[str] | None:
        card = self.cards.task(task)
        return [card.scorer, card.primary] if self.dev_split(task, stage) else None

    def _identified(self, examples: list[Examples]) -> list[list[str]]:
        """Examples by what decides them: the digest of their stage, and their language."""
        return [[self.examples(task, split).digest, lang] for task, split, lang in examples]

    @_once
    def evaluation(self, encoder: str, condition: str, seed: int, target: str) -> Stage:
        """Scoring a checkpoint on a target. Its artefacts are one cell per language."""
        recipe = self.resolved.recipe_of(target)
        if recipe:
            start = self.training(encoder, condition, seed, self.resolved.stage_of(target)).digest
        elif condition == NONE:
            start = self.encoder(encoder).digest
        else:
            start = self.training(encoder, condition, seed, INTERMEDIATE).digest
        return self._stage(
            "evaluation",
            self.cells(encoder, condition, seed, target),
            {"checkpoint": start, "retrieval_layer": self.retrieval_layer(encoder, target)}
            | self._scoring(target),
            [
                "xstilts.evaluation.evaluate",
                self._network(encoder),
                *self._model_modules([target]),
            ],
        )

    def _scoring_of(self, target: str) -> dict[str, Any]:
        """What an evaluation's spec says for every checkpoint."""
        return {
            "target": self.task_spec(target),
            "examples": [self.examples(target, split).digest for split in self.read_of(target)],
            "labels": self.cards.task(self.read_as(target)).labels,
            "limits": self.limits(target).model_dump(
                include={"max_length", "doc_stride", "max_query_length"}
            ),
            "layer_sweep": self.layer_sweep(target),
            "max_examples": self.study.evaluation.limit(target),
            "batch_tokens": self.study.evaluation.batch_tokens,
            "compute": self.study.compute.model_dump(include={"precision", "threads"}),
        }

    @_once
    def table(self) -> Stage:
        """The tidy table of all cells."""
        return self._stage(
            "table",
            self.results / "grid.parquet",
            {"cells": self._evaluations()},
            ["xstilts.analysis.table"],
        )

    @_once
    def report(self) -> Stage:
        """The report."""
        return self._stage(
            "report",
            self.results / "report.html",
            {
                "study": self.study_says(),
                "cards": self.cards_say(),
                "cells": self._evaluations(),
                "templates": {
                    path.name: digests.file_sha256(path)
                    for path in sorted((LIBRARY / "analysis" / "report").iterdir())
                    if path.suffix in (".html", ".css")
                },
            },
            ["xstilts.analysis.report.page"],
        )

    @_once
    def submission(self) -> Stage:
        """The predictions in the layout of XTREME's submissions; its stamp lies in their folder."""
        return self._stage(
            "submission",
            self.results / "submission" / "stamp.json",
            {"cells": self._evaluations()},
            ["xstilts.analysis.submission"],
        )

    @_once
    def overlaps(self) -> Stage:
        """Looking for test items in training data: done before anything is trained."""
        compared = [*self.examples_of("train"), *self.examples_of("test")]
        types = {schema_module(self.cards.task(task).task_type) for task, _, _ in compared}
        return self._stage(
            "overlaps",
            self.results / "overlaps.json",
            {
                "training": self._identified(self.examples_of("train")),
                "targets": self._identified(self.examples_of("test")),
                "own": {t: sorted(self.resolved.benchmark_tasks(t)) for t in self.resolved.targets},
            },
            ["xstilts.data.contamination", *sorted(types)],
        )

    # -- what a job waits for ---------------------------------------------------------------------

    def training_inputs(self, encoder: str, condition: str, seed: int, stage: str) -> list[Stage]:
        """All that a training reads, each with the one stamp that it reads; the encoder first."""
        before = self.stage_before(condition, stage)
        inputs = [self.encoder(encoder)]
        if before is not None:
            inputs.append(self.training(encoder, condition, seed, before))
        return inputs + [self._one(*of) for of in self.examples_of_training(condition, stage)]

    def _one(self, task: str, split: str, language: str) -> Stage:
        """The stage of examples with the stamp of one language."""
        key = ("examples", task, split, language)
        if key not in self._stages:
            stamp = self.examples_stamp(task, split, language)
            self._stages[key] = replace(self.examples(task, split), stamp=stamp)
        return self._stages[key]

    def encoder_for(self, encoder: str, start: Path) -> list[Path]:
        """What a job that starts from ``start`` must wait for to have its encoder as well.

        Nothing, if what it starts from is the encoder, or will be made and so waits for it. An edge
        that says nothing new costs Snakemake as much as one that does.
        """
        stamp = self.encoder_stamp(encoder)
        return [stamp] if start.exists() and not stamp.exists() else []

    def _training_examples(self, condition: str, stage: str) -> list[Path]:
        """StampReader of all examples that a training reads."""
        return [self.examples_stamp(*of) for of in self.examples_of_training(condition, stage)]

    def _evaluation_examples(self, target: str) -> list[Path]:
        """What an evaluation waits for: of each split that it reads, one language's stamp.

        One job makes the stamps of all languages, so that a single one stands for them: one that is
        missing, if any is. With 50 edges instead of one for each evaluation, planning 90,000 cells
        would take a minute more. Which examples a cell was computed from stands in the cell.
        """
        found = []
        for split in self.read_of(target):
            stamps = [
                self.examples_stamp(target, split, x) for x in self.resolved.languages[target]
            ]
            found.append(next((stamp for stamp in stamps if not stamp.exists()), stamps[0]))
        return found

    # -- parts of specs ---------------------------------------------------------------------------

    def task_spec(self, task: str) -> dict[str, Any]:
        """What of a card decides how a task is scored (not its prose)."""
        card: TaskCard = self.cards.task(task)
        return card.model_dump(include={"task", "task_type", "labels", "scorer", "primary"})

    def study_says(self) -> dict[str, Any]:
        """The study as JSON, its choice of languages spelt out by target."""
        return self.study.model_dump(exclude_unset=True) | {
            "languages": dict(self.resolved.languages)
        }

    def cards_say(self) -> dict[str, Any]:
        """All that the cards say of what the study names, prose as well."""
        tasks = {
            *self.resolved.targets,
            *self.resolved.recipes(),
            *self.study.training.tasks,
            *self.study.training.intermediate_tasks,
            *self.study.training.recipe_tasks,
            *(task for c in self.resolved.conditions.values() for task in c.tasks),
            *([self.study.mlm.text] if self.study.mlm.text else []),
        }
        tasks |= {part for task in tasks for part in self.cards.task(task).parts}
        # a recipe that the study replaces still tells which training data are a benchmark's own
        tasks.update(*(self.resolved.benchmark_tasks(target) for target in self.resolved.targets))
        codes = {code for chosen in self.resolved.languages.values() for code in chosen}
        return {
            "tasks": {name: _says(self.cards.task(name)) for name in sorted(tasks)},
            "encoders": {name: _says(self.cards.encoder(name)) for name in self.study.encoders},
            "languages": {
                code: asdict(language)
                for code, language in self.cards.languages().items()
                if code in codes
            },
        }

    def _network(self, encoder: str) -> str:
        return f"xstilts.models.network.{self.cards.encoder(encoder).architecture}"

    def _model_modules(self, tasks: Iterable[str]) -> list[str]:
        """The code of the types of some tasks, and of no other type."""
        return sorted({model_module(self.cards.task(task).task_type) for task in tasks})

    def _evaluations(self) -> list[list[Any]]:
        return [
            [*key, self.evaluation(*key).digest, self.resolved.languages[key[3]]]
            for key in self.evaluations()
        ]

    def _stage(self, name: str, stamp: Path, says: dict[str, Any], modules: list[str]) -> Stage:
        about = {"stage": name, "code": self.code_digest(modules), "environment": self.environment}
        return Stage(stamp, about | says, tuple(modules))

    def code_digest(self, modules: Iterable[str]) -> str:
        """Digest of the library code that a stage runs."""
        entries = tuple(sorted(modules))
        if entries not in self._code:
            self._code[entries] = digests.digest(code_of(entries))
        return self._code[entries]

    def all_code(self) -> dict[tuple[str, ...], str]:
        """Digests of all code that a stage of the grid runs, by the modules that it enters by."""
        for whole in (self.table, self.report, self.submission, self.overlaps):
            whole()
        return self._code


_WHERE_FROM: Any = {"__all__": {"mirror", "hub", "url", "member", "order"}}
_NOT_THE_WEIGHTS = {"title", "summary", "licence", "citation", "retrieval_layer"}


def _says(card: TaskCard | EncoderCard) -> dict[str, Any]:
    return card.model_dump(exclude_unset=True)


def open_grid(config: dict[str, Any], where: str, cards: Path, lock: Path) -> Grid:
    """Validate a study and lay out its grid."""
    return Grid(resolve(config, where, Catalogue(cards, SCHEMAS)), digests.file_sha256(lock))
