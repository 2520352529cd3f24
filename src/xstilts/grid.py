"""The grid as artefacts: where each one lies and what decides it.

Paths carry the identity of what they hold. A *stage* is one artefact's spec with the path of its
stamp; its digest is the one decisive parameter of the Snakemake rule that makes it. Everything here
is known before anything has run: no file of the results is read.

A run works from a frozen copy of this (`Grid.freeze`): jobs rebuild their stage from the copy and
refuse to work when the code that they would run is not the code that was frozen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec

from xstilts import lineage
from xstilts.cards.catalogue import Catalogue
from xstilts.cards.encoder import ENCODER_FILES, EncoderCard
from xstilts.cards.language import Language
from xstilts.cards.task import TaskCard
from xstilts.errors import LineageError
from xstilts.study import NONE, Resolved, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xstilts.hyperparameters import Hyperparameters

P = ParamSpec("P")
INTERMEDIATE = "intermediate"


@dataclass(frozen=True)
class Stage:
    """One artefact to be made: its spec, the code that makes it, and where its stamp lies."""

    stamp: Path
    spec: dict[str, Any]
    modules: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """The spec digest: the artefact's identity."""
        return lineage.digest(self.spec)


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


class Grid:
    """All stages of a resolved study."""

    def __init__(self, resolved: Resolved, environment: str) -> None:
        """``environment`` is the digest of the lock file that the results are made with."""
        self.resolved, self.study, self.cards = resolved, resolved.study, resolved.cards
        self.environment = environment
        self.results = Path(self.study.results) / self.study.study
        self.resources = Path(self.study.resources)
        self._stages: dict[tuple[Any, ...], Stage] = {}
        self._code: dict[tuple[str, ...], str] = {}
        self._hyperparameters: dict[tuple[str, str], Hyperparameters] = {}
        # parts of specs that thousands of stages share
        self._learning, self._scoring = cache(self._learning_of), cache(self._scoring_of)
        self.training_examples = cache(self._training_examples)
        self.evaluation_examples = cache(self._evaluation_examples)

    # -- paths ------------------------------------------------------------------------------------

    def encoder_stamp(self, encoder: str) -> Path:
        """Stamp of a fetched encoder; the Hugging Face folder is the one that it lies in."""
        return self.resources / "encoders" / encoder / "stamp.json"

    def examples_stamp(self, task: str, split: str, language: str) -> Path:
        """Stamp of the examples of one task, split and language."""
        return self.resources / "examples" / task / split / f"{language}.json"

    def checkpoint_stamp(self, encoder: str, condition: str, seed: int, stage: str) -> Path:
        """Stamp of a trained checkpoint; its weights lie beside it."""
        return self.results / f"checkpoints/{encoder}/{condition}/seed{seed}/{stage}/stamp.json"

    def cells(self, encoder: str, condition: str, seed: int, target: str) -> Path:
        """The cells of one evaluation, a line each; `xstilts.cells` reads and writes them."""
        return self.results / f"cells/{encoder}/{condition}/seed{seed}/{target}.jsonl"

    def encoder_sources(self, encoder: str) -> list[Path]:
        """The files of an encoder that is a folder on disk: replaced, they make it anew."""
        folder = self.cards.encoder(encoder).folder
        return [Path(folder) / name for name in ENCODER_FILES] if folder else []

    def stage_before(self, condition: str, stage: str) -> str | None:
        """The training that a training goes on from; None: it starts from the encoder."""
        if stage == INTERMEDIATE:
            return None
        before = self.resolved.before(stage)
        return before or (INTERMEDIATE if condition != NONE else None)

    def start_of(self, encoder: str, condition: str, seed: int, stage: str) -> Path:
        """Stamp of what a training starts from: the encoder or an earlier checkpoint."""
        before = self.stage_before(condition, stage)
        if before is None:
            return self.encoder_stamp(encoder)
        return self.checkpoint_stamp(encoder, condition, seed, before)

    def encoder_for(self, encoder: str, start: Path) -> list[Path]:
        """What a job that starts from ``start`` must wait for to have its encoder as well.

        Nothing, if what it starts from is the encoder, or will be made and so waits for it. An edge
        that says nothing new costs Snakemake as much as one that does.
        """
        stamp = self.encoder_stamp(encoder)
        return [stamp] if start.exists() and not stamp.exists() else []

    def evaluated(self, encoder: str, condition: str, seed: int, target: str) -> Path:
        """Stamp of the checkpoint that a target is evaluated on."""
        stage = self.resolved.stage_of(target)
        if stage == INTERMEDIATE and condition == NONE:
            return self.encoder_stamp(encoder)
        return self.checkpoint_stamp(encoder, condition, seed, stage)

    def needed_examples(self) -> list[tuple[str, str, list[str]]]:
        """Every task and split that the grid reads, with its languages."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for condition, stage in self._trainings():
            for task, split, language in self._examples_of_training(condition, stage):
                found.setdefault((task, split), {})[language] = None
        for target, languages in self.resolved.languages.items():
            for split in self.read_of(target):
                found.setdefault((target, split), {}).update(dict.fromkeys(languages))
        return [(task, split, list(languages)) for (task, split), languages in found.items()]

    def read_of(self, target: str) -> list[str]:
        """The splits of a target that its evaluation reads."""
        tuned_on = self.cards.task(target).tuned_on
        return ["test", tuned_on] if tuned_on not in (None, "test") else ["test"]

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

    def cell_examples(self, target: str, language: str) -> dict[str, Path]:
        """Stamps of the examples of a cell, by the name that the cell's inputs give them."""
        splits = zip(("examples", "tuning"), self.read_of(target), strict=False)
        return {role: self.examples_stamp(target, split, language) for role, split in splits}

    def examples_of(self, split: str) -> list[tuple[str, str, str]]:
        """Task, split and language of all examples of a split that the grid reads."""
        return [
            (task, split, language)
            for task, name, languages in self.needed_examples()
            if name == split
            for language in languages
        ]

    def trainings(self) -> list[tuple[str, str, int, str]]:
        """Every training as (encoder, condition, seed, stage); what others start from first."""
        found: dict[tuple[str, str, int, str], None] = {}

        def add(encoder: str, condition: str, seed: int, stage: str) -> None:
            before = self.stage_before(condition, stage)
            if before is not None:
                add(encoder, condition, seed, before)
            found[encoder, condition, seed, stage] = None

        for encoder in self.study.encoders:
            for seed in self.study.seeds:
                for condition, stage in self._trainings():
                    add(encoder, condition, seed, stage)
        return list(found)

    def training_inputs(self, encoder: str, condition: str, seed: int, stage: str) -> list[Stage]:
        """All that a training reads, each with the one stamp that it reads; the encoder first."""
        before = self.stage_before(condition, stage)
        inputs = [self.encoder(encoder)]
        if before is not None:
            inputs.append(self.training(encoder, condition, seed, before))
        return inputs + [self._one(*of) for of in self._examples_of_training(condition, stage)]

    def _one(self, task: str, split: str, language: str) -> Stage:
        """The stage of examples with the stamp of one language."""
        key = ("examples", task, split, language)
        if key not in self._stages:
            stamp = self.examples_stamp(task, split, language)
            self._stages[key] = replace(self.examples(task, split), stamp=stamp)
        return self._stages[key]

    def _training_examples(self, condition: str, stage: str) -> list[Path]:
        """Stamps of all examples that a training reads."""
        return [self.examples_stamp(*of) for of in self._examples_of_training(condition, stage)]

    def _trainings(self) -> Iterator[tuple[str, str]]:
        """Every condition and stage in which something is trained."""
        conditions, recipes = self.resolved.conditions, self.resolved.recipes()
        yield from ((condition, INTERMEDIATE) for condition in conditions if condition != NONE)
        yield from ((condition, recipe) for recipe in recipes for condition in conditions)

    def _examples_of_training(self, condition: str, stage: str) -> list[tuple[str, str, str]]:
        """Task, split and language of all examples that a training reads."""
        tasks = self.training_tasks(condition, stage)
        read = [of for task in tasks for of in self.train_split(condition, stage, task)]
        read += [of for task in tasks for of in self.dev_split(task, stage)]
        if self.mixes_mlm(condition, stage):
            read += self.mlm_text()
        return list(dict.fromkeys(read))

    def train_split(self, condition: str, stage: str, task: str) -> list[tuple[str, str, str]]:
        """Task, split and language of a task's training examples, in the order they are joined."""
        card = self.cards.task(task)
        languages = self.resolved.conditions[condition].languages if stage == INTERMEDIATE else ()
        return [
            (part, "train", language)
            for part in card.parts or [task]
            for language in languages or (card.training_language,)
        ]

    def dev_split(self, task: str, stage: str) -> list[tuple[str, str, str]]:
        """The English examples that select a task's checkpoint; none where the last one is kept."""
        if self.hyperparameters(task, kind_of(stage)).selection == "last":
            return []
        cards = [self.cards.task(task)]
        if "dev" not in cards[0].splits:
            cards = [self.cards.task(part) for part in cards[0].parts]
        language = self.cards.task(task).training_language
        having = (card for card in cards if "dev" in card.splits)
        return [(c.task, "dev", language) for c in having if language in c.split_languages("dev")]

    def mixes_mlm(self, condition: str, stage: str) -> bool:
        """Whether masked language modelling is mixed into a training."""
        return stage == INTERMEDIATE and self.resolved.conditions[condition].mlm

    def mlm_text(self) -> list[tuple[str, str, str]]:
        """Task, split and language of the text for masked language modelling."""
        text = str(self.study.mlm.text)
        chosen = self.study.mlm.languages or self.cards.task(text).split_languages("train")
        return [(text, "train", language) for language in chosen]

    # -- stages -----------------------------------------------------------------------------------

    @_once
    def encoder(self, encoder: str) -> Stage:
        """Fetching an encoder and saving it as a Hugging Face folder."""
        return self._stage(
            "encoder",
            self.encoder_stamp(encoder),
            {"card": self.cards.encoder(encoder).model_dump(exclude=_NOT_THE_WEIGHTS)},
            ["xstilts.encoders"],
        )

    @_once
    def examples(self, task: str, split: str) -> Stage:
        """Reading one split of a task in all its languages. Its stamps are one per language."""
        card = self.cards.task(task)
        readers = {form.reader for form in card.splits[split].forms}  # type: ignore[index]
        built = any(f.embedded for f in card.splits[split].files.values())  # type: ignore[index]
        return self._stage(
            "examples",
            self.examples_stamp(task, split, "all"),
            {
                "task": task,
                "format": card.format,
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
            ["xstilts.prepare", *(f"xstilts.readers.{reader}" for reader in sorted(readers))]
            + (["xstilts.embedded.build"] if built else []),
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
                "xstilts.training",
                *self._format_modules(self.training_tasks(condition, stage)),
                *(["xstilts.formats.mlm"] if self.mixes_mlm(condition, stage) else []),
            ],
        )

    def _learning_of(self, condition: str, stage: str) -> dict[str, Any]:
        """What a training's spec says for every encoder and seed."""
        tasks = self.training_tasks(condition, stage)
        return {
            "tasks": [
                {
                    "task": name,
                    "format": self.cards.task(name).format,
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

    def _identified(self, examples: list[tuple[str, str, str]]) -> list[list[str]]:
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
            ["xstilts.evaluation", *self._format_modules([target])],
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
            ["xstilts.table"],
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
                    path.name: lineage.file_sha256(path)
                    for path in sorted((lineage.LIBRARY / "report").iterdir())
                    if path.suffix in (".html", ".css")
                },
            },
            ["xstilts.report"],
        )

    @_once
    def submission(self) -> Stage:
        """The predictions in the layout of XTREME's submissions; its stamp lies in their folder."""
        return self._stage(
            "submission",
            self.results / "submission" / "stamp.json",
            {"cells": self._evaluations()},
            ["xstilts.submission"],
        )

    @_once
    def overlaps(self) -> Stage:
        """Looking for test items in training data: done before anything is trained."""
        return self._stage(
            "overlaps",
            self.results / "overlaps.json",
            {
                "training": self._identified(self.examples_of("train")),
                "targets": self._identified(self.examples_of("test")),
                "own": {t: sorted(self.resolved.own_tasks(t)) for t in self.resolved.targets},
            },
            ["xstilts.overlap"],
        )

    # -- parts of specs ---------------------------------------------------------------------------

    def head_from(self, stage: str) -> str | None:
        """The task whose trained head a recipe goes on with: that of the recipe before it."""
        return None if stage == INTERMEDIATE else self.resolved.before(stage)

    def training_tasks(self, condition: str, stage: str) -> tuple[str, ...]:
        """The tasks that a training stage fine-tunes on."""
        return self.resolved.conditions[condition].tasks if stage == INTERMEDIATE else (stage,)

    def hyperparameters(
        self, task: str, kind: Literal["intermediate", "recipe"]
    ) -> Hyperparameters:
        """A task's resolved hyperparameters."""
        if (task, kind) not in self._hyperparameters:
            self._hyperparameters[task, kind] = self.resolved.hyperparameters(task, kind)
        return self._hyperparameters[task, kind]

    def limits(self, target: str) -> Hyperparameters:
        """How much of a target's inputs is read: as much as of its recipe's, if it has its head."""
        return self.hyperparameters(self.read_as(target), "recipe")

    def retrieval_layer(self, encoder: str, target: str) -> int | None:
        """The hidden state that a retrieval target is read from; None: the last one.

        An encoder that was trained for retrieval is read where it was trained, at the end.
        """
        recipe = self.resolved.recipe_of(target)
        formats = [self.cards.task(task).format for task in (target, recipe) if task]
        if formats[0] != "retrieval" or formats[1:] == ["retrieval"]:
            return None
        return self.cards.encoder(encoder).retrieval_layer

    def layer_sweep(self, target: str) -> bool:
        """Whether a target is scored at every layer."""
        return self.study.evaluation.layer_sweep and self.cards.task(target).scorer == "nearest"

    def read_as(self, target: str) -> str:
        """The task whose labels and lengths a target is read with: its recipe's, if one has a head.

        A retrieval target has none: whatever its checkpoint was trained on, it is pooled.
        """
        retrieval = self.cards.task(target).format == "retrieval"
        return (None if retrieval else self.resolved.recipe_of(target)) or target

    def task_spec(self, task: str) -> dict[str, Any]:
        """What of a card decides how a task is scored (not its prose)."""
        card: TaskCard = self.cards.task(task)
        return card.model_dump(include={"task", "format", "labels", "scorer", "primary"})

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
        tasks.update(*(self.resolved.own_tasks(target) for target in self.resolved.targets))
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

    def _format_modules(self, tasks: Iterable[str]) -> list[str]:
        return sorted({f"xstilts.formats.{self.cards.task(task).format}" for task in tasks})

    def evaluations(self) -> list[tuple[str, str, int, str]]:
        """Encoder, condition, seed and target of every evaluation, in reading order."""
        return [
            (encoder, condition, seed, target)
            for encoder in self.study.encoders
            for condition in self.resolved.conditions
            for seed in self.study.seeds
            for target in self.resolved.targets
        ]

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
            self._code[entries] = lineage.digest(lineage.code_of(entries))
        return self._code[entries]

    # -- frozen copies ----------------------------------------------------------------------------

    def frozen(self) -> dict[str, Any]:
        """All that decides this grid, as JSON: study, cards, code and environment."""
        self.table()  # every code digest that the grid needs is computed by now
        self.report()
        self.submission()
        self.overlaps()
        return {
            "study": self.study_says(),
            **self.cards_say(),
            "config": str(self.cards.folder),
            "environment": self.environment,
            "code": [[list(entries), digest] for entries, digest in sorted(self._code.items())],
        }

    @cached_property
    def frozen_path(self) -> Path:
        """Where the frozen copy lies: its name is the digest of what it says."""
        return self.results / ".frozen" / f"{lineage.digest(self.frozen())}.json"

    def freeze(self) -> None:
        """Write the frozen copy that this run's jobs will work from."""
        if not self.frozen_path.exists():
            lineage.write_json(self.frozen_path, self.frozen())

    @classmethod
    def thaw(cls, path: Path) -> Grid:
        """Rebuild a grid from its frozen copy, with the code digests of that time."""
        frozen = lineage.read_json(path)
        if lineage.digest(frozen) != path.stem:
            raise LineageError(f"{path}: was edited: its name is no longer the digest of its text")
        cards = _FrozenCatalogue(frozen)
        grid = cls(resolve(frozen["study"], str(path), cards), frozen["environment"])
        grid._code = {tuple(entries): digest for entries, digest in frozen["code"]}
        return grid


class _FrozenCatalogue(Catalogue):
    """Cards out of a frozen copy: later edits of the card files do not reach a running study."""

    def __init__(self, frozen: dict[str, Any]) -> None:
        super().__init__(Path(frozen["config"]))
        self._frozen = frozen

    def of(self, folder: str) -> Catalogue:
        """These very cards: they were the study's own when they were frozen."""
        return self

    @property
    def tasks(self) -> list[str]:
        return sorted(self._frozen["tasks"])

    @property
    def encoders(self) -> list[str]:
        return sorted(self._frozen["encoders"])

    def languages(self) -> dict[str, Language]:
        return {code: Language(**says) for code, says in self._frozen["languages"].items()}

    def _task(self, name: str) -> TaskCard:
        return TaskCard.model_validate(self._frozen["tasks"][name])

    def _encoder(self, name: str) -> EncoderCard:
        return EncoderCard.model_validate(self._frozen["encoders"][name])


def kind_of(stage: str) -> Literal["intermediate", "recipe"]:
    """Which of the two stages of STILTs a training is, for its hyperparameters."""
    return "intermediate" if stage == INTERMEDIATE else "recipe"


_WHERE_FROM: Any = {"__all__": {"mirror", "hub", "url", "member", "order"}}
_NOT_THE_WEIGHTS = {"title", "summary", "licence", "citation", "retrieval_layer"}


def _says(card: TaskCard | EncoderCard) -> dict[str, Any]:
    return card.model_dump(exclude_unset=True)


def open_grid(config: dict[str, Any], where: str, cards: Path, lock: Path) -> Grid:
    """Validate a study and lay out its grid."""
    return Grid(resolve(config, where, Catalogue(cards)), lineage.file_sha256(lock))
