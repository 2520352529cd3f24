"""From a key of the grid to the job that computes its artefact.

The scripts of the workflow call these. Every job first imports the code of its artefact and checks
that it is the code that the run started with.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.config.task_card import FROM_DATA
from xstilts.grid.contamination import searched
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, ExamplesKey, TrainingKey
from xstilts.provenance import code, files
from xstilts.provenance.stamp import StampReader
from xstilts.seeds import derive
from xstilts.status.states import States

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from xstilts.evaluation.job import EvaluationJob
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.training.job import StageSteps, TaskJob, TrainingJob


def verified(grid: Grid, artefact: Artefact) -> Artefact:
    """The artefact, once the code on disk is the code that its spec names.

    Raises `LineageError` if the library was edited after the run had started.
    """
    for module in artefact.modules:
        import_module(module)
    code.check_code(artefact.modules, grid.code_digest(artefact.modules))
    return artefact


def training_job(grid: Grid, key: TrainingKey, redo_before: float | None = None) -> TrainingJob:
    """Everything that one training needs."""
    from xstilts.training.job import MlmJob, TrainingJob

    reads, (_, condition, seed, stage) = grid.reads, key
    artefact, start, encoder = grid.training(key), grid.start_of(key), grid.encoder(key.encoder)
    tasks = (_task_job(grid, key, name) for name in reads.training_tasks(condition, stage))
    with_mlm = reads.mixes_mlm(condition, stage)
    return TrainingJob(
        stamp=artefact.stamp,
        spec=artefact.digest,
        encoder=encoder.stamp,
        start=start.stamp if start is not encoder else None,
        tasks=tuple(tasks),
        multi=grid.study.multi,
        compute=grid.study.compute,
        seed=seed,
        mlm=MlmJob(_stamps(grid, reads.mlm_text()), grid.study.mlm) if with_mlm else None,
        more_steps=_more_steps(grid, key),
        specs=_specs(grid, [encoder, start], reads.examples_of_training(condition, stage)),
        redo_before=redo_before,
    )


def _task_job(grid: Grid, key: TrainingKey, name: str) -> TaskJob:
    """One task of a training."""
    from xstilts.training.job import TaskJob

    reads, card, (_, condition, seed, stage) = grid.reads, grid.cards.task(name), key
    return TaskJob(
        name,
        card.task_type,
        labels_of(grid, name, condition, stage),
        _stamps(grid, reads.train_split(condition, stage, name)),
        reads.training_hyperparameters(condition, stage, name),
        card.scorer,
        card.primary,
        dev=_stamps(grid, reads.dev_split(condition, stage, name)),
        head_from=reads.head_from(stage),
        shuffle_seed=derive(seed, "shuffled", name)
        if reads.is_shuffled(condition, stage)
        else None,
    )


def _more_steps(grid: Grid, key: TrainingKey) -> StageSteps | None:
    """The intermediate stage whose steps a training takes beside its own."""
    from xstilts.training.job import StageSteps

    other = grid.reads.more_steps_of(key.condition, key.stage)
    if other is None:
        return None
    counted = key._replace(condition=other, stage=INTERMEDIATE)
    tasks = grid.reads.training_tasks(other, INTERMEDIATE)
    with_mlm = grid.reads.mixes_mlm(other, INTERMEDIATE)
    return StageSteps(
        tuple(_task_job(grid, counted, name) for name in tasks),
        grid.study.mlm if with_mlm else None,
    )


def evaluation_job(
    grid: Grid,
    key: EvaluationKey,
    redo_before: float | None = None,
    languages: Collection[str] | None = None,
) -> EvaluationJob:
    """Everything that one evaluation needs, in all languages of the target or in some of them."""
    from xstilts.evaluation.job import EvaluationJob

    reads, target = grid.reads, key.target
    artefact, checkpoint, encoder = (
        grid.evaluation(key),
        grid.evaluated(key),
        grid.encoder(key.encoder),
    )
    card, read_as = grid.cards.task(target), grid.cards.task(reads.read_as(target))
    languages, splits = languages or grid.resolved.languages[target], reads.splits_read(target)
    examples = [ExamplesKey(target, split, code) for split in splits for code in languages]
    return EvaluationJob(
        spec=artefact.digest,
        identity=key._asdict(),
        task_type=card.task_type,
        labels=labels_of(grid, read_as.task, key.condition, grid.resolved.stage_of(target)),
        scorer=card.scorer,
        primary=card.primary,
        encoder=encoder.stamp,
        checkpoint=checkpoint.stamp,
        head=read_as.task if grid.cards.schema(target).trained_by_recipe else None,
        layer=reads.retrieval_layer(key.encoder, target),
        limits=reads.limits(target),
        evaluation=grid.study.evaluation,
        compute=grid.study.compute,
        score_file=artefact.stamp,
        examples={
            code: grid.examples_stamp(ExamplesKey(target, "test", code)) for code in languages
        },
        work=grid.paths.results / "work" / artefact.digest,
        tuning={
            code: grid.examples_stamp(ExamplesKey(target, split, code))
            for split in splits[1:]
            for code in languages
        },
        tuned_on=card.tuned_on,
        sweep=reads.layer_sweep(target),
        kept=frozenset(States(grid).versions(key)),
        specs=_specs(grid, [encoder, checkpoint], examples),
        redo_before=redo_before,
    )


def _stamps(grid: Grid, examples: Iterable[ExamplesKey]) -> tuple[Path, ...]:
    return tuple(map(grid.examples_stamp, examples))


def _specs(
    grid: Grid, artefacts: Iterable[Artefact], examples: Iterable[ExamplesKey]
) -> dict[Path, str]:
    """The digest that each stamp must have, which a job reads."""
    specs = {artefact.stamp: artefact.digest for artefact in artefacts}
    for key in examples:
        specs[grid.examples_stamp(key)] = grid.examples(key.task, key.split).digest
    return specs


def labels_of(grid: Grid, task: str, condition: str, stage: str) -> tuple[str, ...]:
    """The labels that a training stage learns for a task: its card's, or those of its examples.

    The latter stand in the stamps of the training examples, so that a training and an evaluation
    read them from data that both name. Raises `LineageError` if such a stamp is missing.
    """
    card = grid.cards.task(task)
    if card.labels != FROM_DATA:
        return tuple(card.label_list)
    stamps = _stamps(grid, grid.reads.train_split(condition, stage, task))
    outcomes = [files.read_json(path)["outcomes"] for path in stamps]
    return tuple(sorted({label for outcome in outcomes for label in outcome["labels"]}))


def link_checkpoint(grid: Grid, key: TrainingKey) -> None:
    """Leave the link by which people find a checkpoint: ``checkpoints/<encoder>/...``."""
    link, folder = grid.paths.checkpoint_link(key), grid.training(key).folder
    target = os.path.relpath(folder, link.parent)
    if link.is_symlink() and str(link.readlink()) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def check_contamination(grid: Grid, artefact: Artefact, log: Callable[[str], None] = print) -> None:
    """Look for test items in the training data; refuse a study whose scores would mean nothing."""
    from xstilts.data.contamination import check

    training, targets = searched(grid)
    for overlap in check(training, targets, artefact.stamp, artefact.digest):
        log(str(overlap))


def refuse_contaminated(grid: Grid) -> None:
    """Before a training: raise `DataError` if ``check_contamination`` has refused these data."""
    from xstilts.data.contamination import refuse_if_found

    refuse_if_found(grid.contamination.stamp, grid.contamination.digest)


def prepare_examples(
    grid: Grid,
    artefact: Artefact,
    task: str,
    split: str,
    redo_before: float | None = None,
    log: Callable[[str], None] = print,
    languages: Collection[str] | None = None,
    checksums: Mapping[str, str] | None = None,
) -> None:
    """Prepare the examples of every language whose stamp is missing or stale.

    ``redo_before``: examples that are older than this (seconds since 1970) are prepared again.
    ``languages``: only these. ``checksums``: of raw files, in place of those of the study's cards.
    """
    from xstilts.data.download_report import ProgressPrinter
    from xstilts.data.prepare import is_current, prepare

    card = grid.cards.task(task)
    mirror = Path(grid.study.mirror) if grid.study.mirror else None
    if checksums is None:
        checksums = known_checksums(grid.cards.folder)
    (needed,) = (
        languages
        for name, part, languages in grid.reads.needed_examples()
        if (name, part) == (task, split)
    )
    printer = ProgressPrinter()
    for language in languages or needed:
        stamp = grid.examples_stamp(ExamplesKey(task, split, language))
        old = redo_before is not None and stamp.exists() and stamp.stat().st_mtime < redo_before
        if not old and is_current(stamp, artefact.digest):
            log(f"{language}: up to date")
            continue
        prepare(
            card,
            grid.cards.schema(task),
            split,
            language,
            resources=grid.paths.resources,
            mirror=mirror,
            checksums=checksums,
            stamp=stamp,
            spec=artefact.digest,
            progress=printer.report,
        )
        for line in prepared_lines(stamp):
            log(f"{language}: {line}")


def known_checksums(cards: Path) -> dict[str, str]:
    """The sha256 of raw files that a folder of cards lists; a user's own folder may have none."""
    from xstilts.data.checksums import read_checksums

    known = cards / "downloads.tsv"
    return read_checksums(known) if known.is_file() else {}


def prepared_lines(stamp: Path) -> Iterator[str]:
    """Lines about prepared examples: how many there are, and each remark with its count."""
    outcomes = StampReader().outcomes(stamp)
    yield f"prepared, {outcomes.get('rows', 0):,} examples"
    for remark, count in outcomes.get("remarks", {}).items():
        yield f"{count:,} x {remark}"
