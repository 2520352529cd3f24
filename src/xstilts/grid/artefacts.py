"""What decides every artefact of a grid: its spec, whose digest ends the artefact's path.

A spec is plain JSON: the kind of artefact, resolved parameters, the seed, the specs of its inputs,
the code that computes it and the environment's lock file. Its sha256 is the artefact's identity.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from xstilts.config.study import FOLDERS
from xstilts.grid.dependencies import Dependencies
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, ExamplesKey, TrainingKey
from xstilts.grid.paths import Paths
from xstilts.provenance import digests, plugins
from xstilts.provenance.code import LIBRARY, code_of
from xstilts.tasks.registry import item_modules, model_modules, schema_module, shuffle_modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.resolve import ResolvedStudy
    from xstilts.config.task_card import TaskCard


@dataclass(frozen=True)
class Artefact:
    """One artefact: its spec, the modules whose code computes it, and the path of its stamp."""

    stamp: Path
    spec: dict[str, Any]
    modules: tuple[str, ...]
    digest: str

    @property
    def folder(self) -> Path:
        """The folder that its files and its stamp lie in."""
        return self.stamp.parent


class Grid:
    """All artefacts of a resolved study.

    ``reads`` answers what depends on what, ``paths`` where it lies. Building a grid reads no file
    but those of the library, whose code is a part of every spec.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        environment: str,
        sources: Mapping[str, Mapping[str, str]] | None = None,
        code: Mapping[tuple[str, ...], str] | None = None,
        paths: Paths | None = None,
    ) -> None:
        """Lay out the grid of ``resolved``.

        ``environment``: sha256 of the lock file. ``sources``: sha256 of the files of encoders that
        are folders on disk, by encoder and file name. ``code``: digests of code to use
        as they are, by the modules that a job enters by. ``paths``: other ones than the study's.
        """
        self.resolved, self.study, self.cards = resolved, resolved.study, resolved.cards
        self.reads, self.paths = Dependencies(resolved), paths or Paths.of(resolved.study)
        self.environment, self.sources = environment, dict(sources or {})
        self._code = dict(code or {})
        # every artefact is computed once; parts of specs are shared by thousands of them
        self.encoder, self.examples = cache(self._encoder), cache(self._examples)
        self.training, self.evaluation = cache(self._training), cache(self._evaluation)
        self._learning, self._scoring = cache(self._learning_of), cache(self._scoring_of)

    # -- shared artefacts -------------------------------------------------------------------------

    def _encoder(self, encoder: str) -> Artefact:
        """Fetching an encoder and saving it as a Hugging Face folder."""
        card = self.cards.encoder(encoder)
        spec = {
            "card": card.model_dump(exclude=_NOT_THE_WEIGHTS),
            "files": dict(self.sources.get(encoder, {})),
        }
        unpacks = [plugins.module(plugins.ENCODERS, "e5s")] if card.weights else []
        modules = ["xstilts.models.encoder", *unpacks]
        spec = self._spec("encoder", spec, modules)
        digest = digests.digest(spec)
        return Artefact(self.paths.encoder(encoder, digest), spec, tuple(modules), digest)

    def _examples(self, task: str, split: str) -> Artefact:
        """Reading one split of a task in all its languages; every language has its own stamp."""
        card = self.cards.task(task)
        entry = card.splits[split]  # type: ignore[index]
        readers = {source.reader for source in entry.sources}
        packages = {file.package.source for file in entry.files.values() if file.package}
        modules = [
            "xstilts.data.prepare",
            schema_module(card.task_type),
            *(f"xstilts.data.readers.{reader}" for reader in sorted(readers)),
            *(plugins.module(plugins.SOURCES, package) for package in sorted(packages)),
        ]
        spec = self._spec(
            "examples",
            {
                "task": task,
                "task_type": card.task_type,
                # a file's address does not decide its content: the stamp holds its sha256
                "split": entry.model_dump(
                    exclude_defaults=True,
                    exclude={
                        "languages": True,
                        "files": _WHERE_FROM,
                        "fallbacks": {"__all__": {"files": _WHERE_FROM}},
                    },
                ),
                "codes": dict(card.codes),
                "labels": card.labels,
            },
            modules,
        )
        digest = digests.digest(spec)
        stamp = self.paths.examples(task, split, digest) / "stamp.json"
        return Artefact(stamp, spec, tuple(modules), digest)

    def examples_stamp(self, key: ExamplesKey) -> Path:
        """Stamp of the examples of one task, split and language; the parquet lies beside it."""
        return self.examples(key.task, key.split).folder / f"{key.language}.json"

    def _training(self, key: TrainingKey) -> Artefact:
        """A fine-tuning: the intermediate stage of a condition, or a recipe after it."""
        modules = [
            "xstilts.training.loop",
            self._network(key.encoder),
            *self._model_modules(self.reads.training_tasks(key.condition, key.stage)),
            *(model_modules("mlm") if self.reads.mixes_mlm(key.condition, key.stage) else []),
            *self._control_modules(key.condition, key.stage),
        ]
        spec = self._spec(
            "training",
            {"start": self.start_of(key).digest, "seed": key.seed}
            | self._learning(key.condition, key.stage),
            modules,
        )
        digest = digests.digest(spec)
        return Artefact(self.paths.checkpoint(key, digest), spec, tuple(modules), digest)

    def _control_modules(self, condition: str, stage: str) -> list[str]:
        """The code of a control: it shuffles examples, or counts the steps of another stage."""
        if self.reads.is_shuffled(condition, stage):
            tasks = self.reads.training_tasks(condition, stage)
            return sorted({m for t in tasks for m in shuffle_modules(self.cards.task(t).task_type)})
        other = self.reads.more_steps_of(condition, stage)
        return self._model_modules(self.reads.training_tasks(other, INTERMEDIATE)) if other else []

    def start_of(self, key: TrainingKey) -> Artefact:
        """What a training starts from: an earlier checkpoint, or the encoder."""
        before = self.reads.training_before(key)
        return self.encoder(key.encoder) if before is None else self.training(before)

    def _learning_of(self, condition: str, stage: str) -> dict[str, Any]:
        """The part of a training's spec that every encoder and seed share."""
        tasks = self.reads.training_tasks(condition, stage)
        mixes_mlm = self.reads.mixes_mlm(condition, stage)
        return {
            "tasks": [
                self._trained_on(condition, stage, name)
                | {
                    "dev": self._identified(self.reads.dev_split(condition, stage, name)),
                    "selected_by": self._selected_by(condition, stage, name),
                    "head_from": self.reads.head_from(stage),
                }
                for name in tasks
            ],
            "multi": self.study.multi.model_dump(exclude={"tasks"}) if len(tasks) > 1 else None,
            "mlm": (
                self.study.mlm.model_dump(exclude={"text", "languages"})
                | {"examples": self._identified(self.reads.mlm_text())}
                if mixes_mlm
                else None
            ),
            "compute": self.study.compute.model_dump(),
        } | self._control_of(condition, stage)

    def _trained_on(self, condition: str, stage: str, task: str) -> dict[str, Any]:
        """What decides the instances of a task in a training, and the steps that they take."""
        return {
            "task": task,
            "task_type": self.cards.task(task).task_type,
            "labels": self.cards.task(task).labels,
            "examples": self._identified(self.reads.train_split(condition, stage, task)),
            "hyperparameters": self.reads.training_hyperparameters(
                condition, stage, task
            ).model_dump(),
        }

    def _control_of(self, condition: str, stage: str) -> dict[str, Any]:
        """The keys that only the spec of a control has."""
        if self.reads.is_shuffled(condition, stage):
            return {"shuffled": True}
        other = self.reads.more_steps_of(condition, stage)
        if other is None:
            return {}
        tasks = self.reads.training_tasks(other, INTERMEDIATE)
        steps: dict[str, Any] = {
            "tasks": [self._trained_on(other, INTERMEDIATE, task) for task in tasks],
            "multi": self.study.multi.model_dump(exclude={"tasks"}) if len(tasks) > 1 else None,
        }
        with_mlm = self.reads.mixes_mlm(other, INTERMEDIATE)
        return {"more_steps": steps | ({"mlm_rate": self.study.mlm.rate} if with_mlm else {})}

    def _selected_by(self, condition: str, stage: str, task: str) -> list[str] | None:
        card = self.cards.task(task)
        selects = self.reads.dev_split(condition, stage, task)
        return [card.scorer, card.primary] if selects else None

    def _identified(self, examples: Iterable[ExamplesKey]) -> list[list[str]]:
        """Examples by what decides them: the digest of their artefact, and their language."""
        return [[self.examples(key.task, key.split).digest, key.language] for key in examples]

    # -- results ----------------------------------------------------------------------------------

    def _evaluation(self, key: EvaluationKey) -> Artefact:
        """Scoring a checkpoint on a target, in one score a language; the path is the score file."""
        modules = [
            "xstilts.evaluation.evaluate",
            self._network(key.encoder),
            *self._model_modules([key.target]),
        ]
        spec = self._spec(
            "evaluation",
            {
                "checkpoint": self.evaluated(key).digest,
                "retrieval_layer": self.reads.retrieval_layer(key.encoder, key.target),
            }
            | self._scoring(key.target),
            modules,
        )
        return Artefact(self.paths.scores(key), spec, tuple(modules), digests.digest(spec))

    def evaluated(self, key: EvaluationKey) -> Artefact:
        """What a target is scored on: a checkpoint, or the encoder itself."""
        training = self.reads.evaluated_training(key)
        return self.encoder(key.encoder) if training is None else self.training(training)

    def _scoring_of(self, target: str) -> dict[str, Any]:
        """The part of an evaluation's spec that every checkpoint shares."""
        return {
            "target": self.task_spec(target),
            "examples": [
                self.examples(target, split).digest for split in self.reads.splits_read(target)
            ],
            "labels": self.cards.task(self.reads.read_as(target)).labels,
            "limits": self.reads.limits(target).model_dump(
                include={"max_length", "doc_stride", "max_query_length"}
            ),
            "layer_sweep": self.reads.layer_sweep(target),
            "max_examples": self.study.evaluation.limit(target),
            "batch_tokens": self.study.evaluation.batch_tokens,
            "compute": self.study.compute.model_dump(include={"precision", "threads"}),
        }

    @cached_property
    def table(self) -> Artefact:
        """The tidy table of all scores."""
        return self._result("table", {"scores": self._evaluations()}, ["xstilts.analysis.table"])

    @cached_property
    def report(self) -> Artefact:
        """The report."""
        templates = LIBRARY / "analysis" / "report" / "templates"
        return self._result(
            "report",
            {
                "study": self._study_without_folders(),
                "cards": self.cards_as_json(),
                "claims": self.claims_as_json(),
                "scores": self._evaluations(),
                "templates": {
                    path.name: digests.file_sha256(path)
                    for path in sorted(templates.iterdir())
                    if path.suffix in (".html", ".css", ".js")
                },
            },
            ["xstilts.analysis.report.page", *self._all_item_modules()],
        )

    @cached_property
    def claims(self) -> Artefact:
        """The verdicts on the claims."""
        return self._result(
            "claims",
            {
                "study": self._study_without_folders(),
                "cards": self.cards_as_json(),
                "claims": self.claims_as_json(),
                "scores": self._evaluations(),
            },
            ["xstilts.analysis.claims.files", *self._all_item_modules()],
        )

    @cached_property
    def submission(self) -> Artefact:
        """The predictions in the layout of XTREME's submissions."""
        return self._result(
            "submission",
            {"scores": self._evaluations()},
            ["xstilts.analysis.submission"],
            self.paths.submission,
        )

    @cached_property
    def contamination(self) -> Artefact:
        """The search for test items in the training data."""
        compared = [*self.reads.examples_of_split("train"), *self.reads.examples_of_split("test")]
        types = {schema_module(self.cards.task(key.task).task_type) for key in compared}
        return self._result(
            "contamination",
            {
                "training": self._identified(self.reads.examples_of_split("train")),
                "targets": self._identified(self.reads.examples_of_split("test")),
                "own": {t: sorted(self.resolved.benchmark_tasks(t)) for t in self.resolved.targets},
                "apart": {t: self.study.tasks_apart_from(t) for t in self.resolved.targets},
            },
            ["xstilts.data.contamination", *sorted(types)],
            self.paths.contamination,
        )

    def _result(
        self, kind: str, spec: dict[str, Any], modules: list[str], stamp: Path | None = None
    ) -> Artefact:
        whole = self._spec(kind, spec, modules)
        path = self.paths.stamp_of_result(kind) if stamp is None else stamp
        return Artefact(path, whole, tuple(modules), digests.digest(whole))

    def _evaluations(self) -> list[list[Any]]:
        return [
            [*key, self.evaluation(key).digest, self.resolved.languages[key.target]]
            for key in self.reads.evaluations()
        ]

    def item_modules(self, target: str) -> list[str]:
        """The code by which the statistics read the items of a target's predictions."""
        return item_modules(self.cards.task(target).task_type)

    # -- parts of specs ---------------------------------------------------------------------------

    def task_spec(self, task: str) -> dict[str, Any]:
        """The keys of a card that decide how a task is scored."""
        card: TaskCard = self.cards.task(task)
        return card.model_dump(include={"task", "task_type", "labels", "scorer", "primary"})

    def study_as_json(self) -> dict[str, Any]:
        """The study as JSON, its choice of languages spelt out by target."""
        return self.study.model_dump(exclude_unset=True) | {
            "languages": dict(self.resolved.languages)
        }

    def _study_without_folders(self) -> dict[str, Any]:
        """The study as JSON without the folders of a machine, which decide nothing."""
        return {key: value for key, value in self.study_as_json().items() if key not in FOLDERS}

    def claims_as_json(self) -> dict[str, Any]:
        """The claims that the study is judged by, as JSON."""
        return self.resolved.claims.model_dump(exclude_unset=True)

    def cards_as_json(self) -> dict[str, Any]:
        """The cards of all that the study names, with their prose, as JSON."""
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
        # a recipe that the study replaces still says which training data are a benchmark's own
        tasks.update(*(self.resolved.benchmark_tasks(target) for target in self.resolved.targets))
        codes = {code for chosen in self.resolved.languages.values() for code in chosen}
        return {
            "tasks": {name: _as_json(self.cards.task(name)) for name in sorted(tasks)},
            "encoders": {name: _as_json(self.cards.encoder(name)) for name in self.study.encoders},
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
        types = {self.cards.task(task).task_type for task in tasks}
        return sorted(module for name in types for module in model_modules(name))

    def _all_item_modules(self) -> list[str]:
        return sorted({name for t in self.resolved.targets for name in self.item_modules(t)})

    def _spec(self, kind: str, spec: dict[str, Any], modules: Iterable[str]) -> dict[str, Any]:
        code = self.code_digest(modules)
        return {"kind": kind, "code": code, "environment": self.environment} | spec

    def code_digest(self, modules: Iterable[str]) -> str:
        """Digest of the library code that a stage runs."""
        entries = tuple(sorted(modules))
        if entries not in self._code:
            self._code[entries] = digests.digest(code_of(entries))
        return self._code[entries]

    def all_code(self) -> dict[tuple[str, ...], str]:
        """Digests of all code that a job of the grid runs, by the modules that it enters by."""
        _ = self.table, self.report, self.claims, self.submission, self.contamination
        return dict(self._code)

    def artefacts(self) -> list[Artefact]:
        """Every shared artefact of the grid: encoders, examples and checkpoints."""
        return [
            *(self.encoder(name) for name in self.study.encoders),
            *(self.examples(task, split) for task, split, _ in self.reads.needed_examples()),
            *(self.training(key) for key in self.reads.trainings()),
        ]


_WHERE_FROM: Any = {"__all__": {"mirror", "hub", "url", "member", "order", "max_bytes"}}
_NOT_THE_WEIGHTS = {"title", "summary", "licence", "citation", "retrieval_layer", "pretraining"}


def _as_json(card: TaskCard | EncoderCard) -> dict[str, Any]:
    return card.model_dump(exclude_unset=True)
