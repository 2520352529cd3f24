"""Runs of a workflow without Snakemake: what a `xstilts.workflow.run.Run` asks Snakemake for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from support.places import ROOT
from xstilts.workflow.run import RUNS, Run

if TYPE_CHECKING:
    from collections.abc import Collection

    from xstilts.grid.artefacts import Grid


def run_of(
    grid: Grid,
    *,
    forcerun: Collection[str] = (),
    forceall: bool = False,
    executor: object | None = None,
    dryrun: bool = False,
    touch: bool = False,
    main: bool = True,
    targets: Collection[str] = (),
) -> Run:
    """A run of the grid as Snakemake would give it; no ``executor``: it lists or plans."""
    settings = SimpleNamespace(forcerun=set(forcerun), forceall=forceall, targets=set(targets))
    workflow = SimpleNamespace(
        dag_settings=settings, executor_plugin=executor, dryrun=dryrun, touch=touch
    )
    return Run(grid, grid.paths.results / RUNS / "now", ROOT, workflow, main=main)
