"""A small study that was really computed, by the jobs of the workflow, without Snakemake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support import tiny
from support.audited import STUDY, write_tasks
from support.world import ENCODER
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.data.checksums import LOCK, record
from xstilts.evaluation import evaluate
from xstilts.grid.snapshot import save_snapshot
from xstilts.models import encoder
from xstilts.training import train
from xstilts.workflow.jobs import evaluation_job, prepare_examples, training_job

if TYPE_CHECKING:
    from support.world import World
    from xstilts.grid.artefacts import Grid


def computed_grid(world: World) -> Grid:
    """Compute all scores of a study of two conditions and three targets; a second or two."""
    _download_encoder(world)
    write_tasks(world)
    world.study = STUDY | {
        "resources": str(world.folder / "resources"),
        "training": {"all": {"epochs": 2, "batch_size": 4, "max_length": 64}},
    }
    grid = world.grid()
    artefact = grid.encoder("tiny")
    encoder.fetch(grid.cards.encoder("tiny"), artefact.stamp, artefact.digest, grid.paths.resources)
    for task, split, _ in grid.reads.needed_examples():
        prepare_examples(grid, grid.examples(task, split), task, split)
    for training in grid.reads.trainings():
        train.run(training_job(grid, training))
    for evaluation in grid.reads.evaluations():
        evaluate.run(evaluation_job(grid, evaluation))
    save_snapshot(grid)
    return grid


def _download_encoder(world: World) -> None:
    """Leave what a download from the Hub leaves: raw files, and their checksums."""
    revision, raw = "0" * 40, world.folder / "resources/raw"
    folder = raw / f"encoders/tiny@{revision[:12]}"
    tiny.encoder(folder).unlink()
    for name in ENCODER_FILES:
        file = folder / name
        source = f"hub some/encoder@{revision}/{name}"
        record(raw / LOCK, str(file.relative_to(raw)), file, source)
    hub = {"hub": "some/encoder", "revision": revision}
    world.write("encoders", {k: v for k, v in ENCODER.items() if k != "folder"} | hub)
