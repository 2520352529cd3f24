"""What the tests of grids share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid


def identities(grid: Grid) -> dict[str, str]:
    """The digest of every artefact of a grid, by its kind and key."""
    reads = grid.reads
    found = {f"encoder/{name}": grid.encoder(name) for name in grid.study.encoders}
    for task, split, _ in reads.needed_examples():
        found[f"examples/{task}/{split}"] = grid.examples(task, split)
    found |= {f"training/{key}": grid.training(key) for key in reads.trainings()}
    found |= {f"evaluation/{key}": grid.evaluation(key) for key in reads.evaluations()}
    found |= {"table": grid.table, "report": grid.report, "claims": grid.claims}
    found |= {"submission": grid.submission, "contamination": grid.contamination}
    return {name: artefact.digest for name, artefact in found.items()}
