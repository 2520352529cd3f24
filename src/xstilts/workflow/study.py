"""What the Snakefile and its scripts need from Snakemake's side: the study in, errors out.

The process that builds the DAG reads the study and freezes it when the run starts. Every other
process (a script, a job on a cluster that reads the Snakefile anew) works from the frozen copy,
whose path travels in Snakemake's configuration.
"""

from __future__ import annotations

import os
import sys
from base64 import urlsafe_b64encode
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from xstilts.cost import planned_vs_actual
from xstilts.errors import StudyError, XstiltsError
from xstilts.grid.artefacts import Grid, open_grid
from xstilts.grid.snapshot import freeze, frozen_path, thaw
from xstilts.provenance.code import LIBRARY
from xstilts.store.run import resolve_hits
from xstilts.workflow import dag, slurm

FROZEN = "frozen"


def open_workflow_grid(workflow: Any, config: dict[str, Any]) -> Grid:
    """The grid of this run; ends with one clear line a problem where the study cannot be run."""
    _let_jobs_find_the_library()
    dag.make_haste(workflow.output_settings)
    slurm.mend_plugin()
    try:
        grid = thaw(Path(config[FROZEN])) if FROZEN in config else _open(workflow, config)
    except XstiltsError as error:
        raise SystemExit(f"xstilts: {str(error).replace(chr(10), chr(10) + 'xstilts: ')}") from None
    rules = (f"evaluate_{target}" for target in grid.resolved.targets)
    slurm.spread_resources(workflow.resource_settings, "evaluate", rules)
    return grid


def _let_jobs_find_the_library() -> None:
    """Jobs in an environment of their own (conda) import this very library."""
    source = str(LIBRARY.parent)
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def _open(workflow: Any, config: dict[str, Any]) -> Grid:
    from snakemake.utils import update_config

    home = Path(workflow.basedir)
    files = [*workflow.configfiles[:1], *workflow.overwrite_configfiles]
    where = " + ".join(os.path.relpath(file) for file in dict.fromkeys(map(str, files)))
    if workflow.config_settings.config:
        where = f"{where} + --config"
    said = deepcopy(dict(config))
    update_config(said, _typed(workflow.config_settings.config))
    grid = open_grid(said, where, home / "config", home / "envs" / "lock.txt")
    _check_folders(grid, where)
    _check_environment(home / "envs" / "lock.txt")
    _take_from_store(workflow, grid)
    config[FROZEN] = str(frozen_path(grid).absolute())
    workflow.config_settings.config_args.append(f"{FROZEN}={config[FROZEN]}")
    return grid


_RUNS_NOTHING = """
    --unlock --lint --list --list-rules -l --list-target-rules --lt --summary -S --detailed-summary
    -D --dag --rulegraph --filegraph --d3dag --report --touch -t --archive --containerize
    --cleanup-metadata --cm --cleanup-shadow --delete-all-output --delete-temp-output
    --list-untracked --lu --print-compilation --conda-create-envs-only --conda-cleanup-envs
    --list-conda-envs --generate-unit-tests
"""


def _take_from_store(workflow: Any, grid: Grid) -> None:
    """Resolve the hits of the shared store before Snakemake looks for what is missing.

    Not in a dry run, which only counts them, nor where Snakemake was called for something else
    than a run (which its Snakefile cannot ask it yet), nor beside another run in this folder.
    """
    if {word.partition("=")[0] for word in sys.argv[1:]}.intersection(_RUNS_NOTHING.split()):
        return
    dry = bool(workflow.output_settings.dryrun) or any(Path(".snakemake/locks").glob("*"))
    taken = resolve_hits(grid, dry, lambda text: print(text, file=sys.stderr))
    for stamp in taken:
        _snakemakes_record(stamp).unlink(missing_ok=True)


def _snakemakes_record(output: Path) -> Path:
    """What Snakemake 9.27 remembers of an output: of an earlier one, where another was taken."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    *folders, last = (name[i : i + 254] for i in range(0, len(name), 254))
    return Path(".snakemake/metadata", *(f"@{folder}" for folder in folders), last)


def _typed(value: Any) -> Any:
    """What ``--config`` said; Snakemake gives the numbers inside a list or mapping as texts."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    try:
        meant = yaml.safe_load(value) if isinstance(value, str) and value else value
    except yaml.YAMLError:
        return value
    return meant if type(meant) in (int, float, type(None)) else value


def _check_folders(grid: Grid, where: str) -> None:
    """Refuse before hours of work what could not be written after them."""
    for key, folder in (("results", grid.results), ("resources", grid.resources)):
        present = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        if not (present.is_dir() and os.access(present, os.W_OK)):
            raise StudyError(f"{where}: {key}: {present} cannot be written")
    mirror = grid.study.mirror
    if mirror is not None and not Path(mirror).is_dir():
        raise StudyError(f"{where}: mirror: {mirror!r} is not a folder")


_DECISIVE = ("babel", "django", "numpy", "pyarrow", "safetensors", "tokenizers", "torch")


def _check_environment(lock: Path) -> None:
    """Refuse an environment that is not the locked one: stamps would tell an untruth."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    for name in _DECISIVE:
        here = version(name).partition("+")[0]
        if here != pinned[name]:
            raise StudyError(
                f"{lock.name} pins {name} {pinned[name]}, but {here} is installed; "
                "`make env` installs what is pinned"
            )


def begin(grid: Grid, costs: Path) -> None:
    """When a run starts: freeze what its jobs work from, and what is planned."""
    freeze(grid)
    try:
        planned_vs_actual.freeze(grid, costs)
    except (XstiltsError, OSError, ValueError, KeyError) as error:  # a forecast stops no run
        print(f"xstilts: no plan is kept: {error}", file=sys.stderr)


def answer(grid: Grid, files_before: int) -> str:
    """What a finished run ends with: what came from where, the gains, and where the report is."""
    from xstilts.data import download_report

    downloaded = download_report.summary(grid.resources, files_before)
    report_path = grid.report().stamp
    if not (report_path.is_file() and grid.table().stamp.is_file()):
        return downloaded
    import pandas as pd

    from xstilts.analysis.report import terminal

    table = pd.read_parquet(grid.table().stamp)
    summary = terminal.text_summary(table, grid.cards.languages())
    compared = planned_vs_actual.comparison(planned_vs_actual.compare(grid))
    return "\n\n".join(filter(None, [downloaded, summary, compared, f"Report: {report_path}"]))
