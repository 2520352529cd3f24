"""Jobs: from a stage of the grid to what the code that makes it needs to know.

The scripts of the workflow call these with their wildcards. Every job first imports the code of its
stage and checks that it is the code that its spec names.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.config.task_card import FROM_DATA
from xstilts.errors import LineageError
from xstilts.grid.keys import kind_of
from xstilts.provenance import code, files

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.config.task_schema import TaskSchema
    from xstilts.evaluation.job import EvaluationJob
    from xstilts.grid.artefacts import Grid, Stage
    from xstilts.training.job import TrainingJob


def checked(grid: Grid, stage: Stage, promised: str) -> Stage:
    """The stage, once the code on disk and its digest are what the workflow promised.

    Raises `LineageError` when the study or the library was edited after the run had started.
    """
    for module in stage.modules:
        import_module(module)
    code.check_code(stage.modules, grid.code_digest(stage.modules))
    if stage.digest != promised:
        raise LineageError(
            f"{stage.stamp}: this job would make {stage.digest[:12]}, the workflow asked for "
            f"{promised[:12]}; the study was edited after the run had started: start it again"
        )
    return stage


def training_job(grid: Grid, encoder: str, condition: str, seed: int, stage: str) -> TrainingJob:
    """Everything that one training needs."""
    from xstilts.training.job import MlmJob, TaskJob, TrainingJob

    def stamps(examples: list[tuple[str, str, str]]) -> tuple[Path, ...]:
        return tuple(grid.examples_stamp(*of) for of in examples)

    plan = grid.training(encoder, condition, seed, stage)
    start = grid.start_of(encoder, condition, seed, stage)
    pretrained = grid.encoder_stamp(encoder)
    tasks = tuple(
        TaskJob(
            name,
            grid.cards.task(name).task_type,
            labels_of(grid, name, condition, stage),
            stamps(grid.train_split(condition, stage, name)),
            grid.hyperparameters(name, kind_of(stage)),
            grid.cards.task(name).scorer,
            grid.cards.task(name).primary,
            dev=stamps(grid.dev_split(name, stage)),
            head_from=grid.head_from(stage),
        )
        for name in grid.training_tasks(condition, stage)
    )
    with_mlm = grid.mixes_mlm(condition, stage)
    return TrainingJob(
        stamp=plan.stamp,
        spec=plan.digest,
        encoder=pretrained,
        start=start if start != pretrained else None,
        tasks=tasks,
        multi=grid.study.multi,
        compute=grid.study.compute,
        seed=seed,
        mlm=MlmJob(stamps(grid.mlm_text()), grid.study.mlm) if with_mlm else None,
    )


def evaluation_job(
    grid: Grid, encoder: str, condition: str, seed: int, target: str
) -> EvaluationJob:
    """Everything that one evaluation needs, in all languages of the target."""
    from xstilts.evaluation.job import EvaluationJob

    plan = grid.evaluation(encoder, condition, seed, target)
    card = grid.cards.task(target)
    schema = grid.cards.schema(target)
    learnt = grid.cards.task(grid.read_as(target))
    languages = grid.resolved.languages[target]
    return EvaluationJob(
        spec=plan.digest,
        identity={"encoder": encoder, "condition": condition, "seed": seed, "target": target},
        task_type=card.task_type,
        labels=labels_of(grid, learnt.task, condition, grid.resolved.stage_of(target)),
        scorer=card.scorer,
        primary=card.primary,
        encoder=grid.encoder_stamp(encoder),
        checkpoint=grid.evaluated(encoder, condition, seed, target),
        head=learnt.task if schema.trained_by_recipe else None,
        layer=grid.retrieval_layer(encoder, target),
        limits=grid.limits(target),
        evaluation=grid.study.evaluation,
        compute=grid.study.compute,
        cells=plan.stamp,
        examples={lang: grid.examples_stamp(target, "test", lang) for lang in languages},
        work=Path(grid.results) / "work" / plan.digest,
        tuning={
            lang: grid.examples_stamp(target, split, lang)
            for split in grid.read_of(target)[1:]
            for lang in languages
        },
        tuned_on=card.tuned_on,
        sweep=grid.layer_sweep(target),
    )


def labels_of(grid: Grid, task: str, condition: str, stage: str) -> tuple[str, ...]:
    """The labels that a training stage learns for a task: its card's, or those of its examples.

    The latter stand in the stamps of the training examples, so that a training and an evaluation
    take them from data that both name. Raises `LineageError` where such a stamp is missing.
    """
    card = grid.cards.task(task)
    if card.labels != FROM_DATA:
        return tuple(card.label_list)
    stamps = (grid.examples_stamp(*of) for of in grid.train_split(condition, stage, task))
    outcomes = [files.read_json(path)["outcomes"] for path in stamps]
    return tuple(sorted({label for outcome in outcomes for label in outcome["labels"]}))


def find_overlaps(grid: Grid, stage: Stage, say: Callable[[str], None] = print) -> None:
    """Look for test items in the training data; refuse a study whose scores would tell nothing."""
    from xstilts.data.contamination import Part, Target, check

    def known(of: tuple[str, str, str]) -> tuple[str, TaskSchema, str, Path]:
        return of[0], grid.cards.schema(of[0]), of[2], grid.examples_stamp(*of)

    training = [Part(*known(of)) for of in grid.examples_of("train")]
    targets = [
        Target(*known(of), frozenset(grid.resolved.benchmark_tasks(of[0])))
        for of in grid.examples_of("test")
    ]
    for found in check(training, targets, stage.stamp, stage.digest):
        say(str(found))


def refuse_overlaps(grid: Grid) -> None:
    """Before a training: raise `DataError` if rule ``overlaps`` has refused this study's data."""
    from xstilts.data.contamination import refuse_if_found

    stage = grid.overlaps()
    refuse_if_found(stage.stamp, stage.digest)


def prepare_examples(
    grid: Grid, stage: Stage, task: str, split: str, say: Callable[[str], None] = print
) -> None:
    """Prepare the examples of every language whose stamp is missing or stale."""
    from xstilts.data.checksums import read_checksums
    from xstilts.data.download_report import ProgressPrinter
    from xstilts.data.prepare import is_current, prepare

    card = grid.cards.task(task)
    mirror = Path(grid.study.mirror) if grid.study.mirror else None
    known = grid.cards.folder / "downloads.tsv"  # a folder of one's own cards may have none
    checksums = read_checksums(known) if known.is_file() else {}
    (languages,) = (ls for t, s, ls in grid.needed_examples() if (t, s) == (task, split))
    printer = ProgressPrinter()
    for language in languages:
        stamp = grid.examples_stamp(task, split, language)
        if is_current(stamp, stage.digest):
            say(f"{language}: up to date")
            continue
        prepare(
            card,
            grid.cards.schema(task),
            split,
            language,
            resources=grid.resources,
            mirror=mirror,
            checksums=checksums,
            stamp=stamp,
            spec=stage.digest,
            progress=printer.report,
        )
        say(f"{language}: prepared")
