"""What each rule waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.status.score_states import Gaps


def training_inputs(
    grid: Grid, encoder: str, condition: str, seed: int, stage: str
) -> dict[str, Any]:
    """The inputs of a training, by name."""
    start = grid.start_of(encoder, condition, seed, stage)
    return {
        "start": start,
        "encoder": grid.encoder_for(encoder, start),
        "examples": grid.training_examples(condition, stage),
    }


def evaluation_inputs(workflow: Any, gaps: Gaps, key: tuple[str, str, int, str]) -> dict[str, Any]:
    """The inputs of an evaluation, by name; it is forced to run if its cells have gaps.

    Snakemake asks for the inputs of every job of its DAG before it decides which ones must run. It
    sees that a file is missing; that a cell is missing in a file it is told here, as by
    ``--forcerun``.
    """
    grid = gaps.grid
    if gaps.has(*key):
        workflow.dag.forcefiles.add(str(grid.cells(*key)))
    checkpoint = grid.evaluated(*key)
    return {
        "checkpoint": checkpoint,
        "encoder": grid.encoder_for(key[0], checkpoint),
        "examples": grid.evaluation_examples(key[3]),
    }


def missing_behind_the_table(grid: Grid) -> list[Path]:
    """Files of cells that are missing although the table is there.

    Snakemake looks for a missing file only among the inputs of jobs that it runs anyway, so these
    must be asked for by name.
    """
    if not grid.table().stamp.exists():
        return []
    return [path for key in grid.evaluations() if not (path := grid.cells(*key)).exists()]
