"""One invocation of Snakemake: the study it works on, and the folder that its jobs leave marks in.

Snakemake decides by files that exist. It may delete a rule's outputs, and it loses its records
of them when ``.snakemake/`` is deleted. So nothing of value is an output of a rule: checkpoints,
examples and scores are undeclared, `xstilts.status.states` alone decides which of them are done,
and each rule's output is a *mark* in the folder of this run. A mark never exists before its job
has run, so Snakemake runs exactly the jobs whose marks its rules ask for.

The process that a user starts reads the study and writes the run file, from which every other
process (a script, a job on a cluster that parses the Snakefile again) works.
"""

from __future__ import annotations

import atexit
import gc
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xstilts.cost import planned_vs_actual
from xstilts.errors import LineageError, StudyError, XstiltsError
from xstilts.grid.opening import open_grid
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.provenance.code import LIBRARY
from xstilts.provenance.files import read_json, write_json
from xstilts.status.states import States
from xstilts.workflow import slurm
from xstilts.workflow.study_config import study_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.grid.artefacts import Grid

T = TypeVar("T")

RUN = "xstilts_run"
"""The key of Snakemake's configuration by which a job learns its run file."""
RUNS, RUN_FILE = ".runs", "run.json"
KEPT = 14 * 86400.0
"""Seconds after which the folder of a run that was killed is removed."""
ORDER = (
    "fetch_encoder",
    "prepare_examples",
    "check_contamination",
    "train",
    "evaluate",
    "collect_scores",
    "write_report",
)
"""The rules in the order of the flow: forcing one forces those after it."""


@dataclass
class Run:
    """A run: its grid, the states of its artefacts, and its folder of marks.

    ``forced``: the rules whose jobs run although their artefacts are done.
    """

    grid: Grid
    folder: Path
    home: Path
    workflow: Any
    main: bool
    states: States = field(init=False)
    _forced: frozenset[str] | None = None
    _started: bool = False

    def __post_init__(self) -> None:
        """Read nothing yet."""
        self.states = States(self.grid)

    # -- marks ------------------------------------------------------------------------------------

    def mark(self, rule: str, place: object) -> str:
        """The mark of a job, which makes the job a part of the plan."""
        self.start_if_real()
        return f"{self.folder}/{rule}/{place}.json"

    @property
    def changed(self) -> str:
        """A mark that is newer than every table and report."""
        self.start_if_real()
        return str(self.folder / "changed")

    def is_forced(self, rule: str) -> bool:
        """Whether the jobs of a rule run although their artefacts are done (-R, --forceall)."""
        return rule in self.forced

    @property
    def forced(self) -> frozenset[str]:
        """The forced rules and all rules after them."""
        if self._forced is None:
            settings = self.workflow.dag_settings
            named = {str(rule).rpartition(".")[2] for rule in (settings.forcerun or ())}
            first = [i for i, rule in enumerate(ORDER) if settings.forceall or rule in named]
            self._forced = frozenset(ORDER[min(first) :]) if first else frozenset()
        return self._forced

    def is_target(self, rule: str) -> bool:
        """Whether the user asks for a rule by its name."""
        return rule in self.workflow.dag_settings.targets

    @property
    def only_shows(self) -> bool:
        """Whether Snakemake was started to show, list or clean, not to run or plan jobs."""
        return self.main and self.workflow.executor_plugin is None

    # -- start ------------------------------------------------------------------------------------

    def start_if_real(self) -> None:
        """Write what the jobs of this run work from, once, if jobs will really be run.

        Snakemake sets its executor before it asks rules for their inputs, so it says itself
        whether this is a run, a dry run or a listing. Ends the process with one clear line for
        each problem that would stop the jobs.
        """
        workflow = self.workflow
        if self._started or not self.main or workflow.executor_plugin is None:
            return
        if workflow.dryrun or workflow.touch:
            return
        self._started = True
        exit_on_error(self._start)

    def _start(self) -> None:
        grid = self.grid
        _check_writable("results", grid.paths.results)
        _remove_old_runs(self.folder.parent)
        snapshot = save_snapshot(grid)
        write_json(
            self.folder / RUN_FILE,
            {"snapshot": str(snapshot), "forced": sorted(self.forced), "started": time.time()},
        )
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._remove_stale_targets()
        try:
            planned_vs_actual.save_plan(grid, self.home / "config" / "costs")
        except (XstiltsError, OSError, ValueError, KeyError) as error:  # a forecast stops no run
            print(f"xstilts: the plan of this run could not be kept: {error}", file=sys.stderr)

    def _remove_stale_targets(self) -> None:
        """Remove a stale table or report that the user asks for by its path.

        Snakemake takes a file that exists for finished; ``all`` asks for marks as well.
        """
        targets = set(map(str, self.workflow.dag_settings.targets))
        paths, states = self.grid.paths, self.states
        for path, state in ((paths.table, states.table), (paths.report, states.report)):
            if str(path) in targets and state == "stale":
                path.unlink(missing_ok=True)


def open_run(workflow: Any, config: dict[str, Any], home: Path) -> Run:
    """The run that a process belongs to; ``home`` is the folder of the project's Snakefile.

    Ends the process with one clear line for each problem if the study cannot be run.
    """
    _let_jobs_find_the_library()
    _look_for_garbage_seldom(workflow)
    slurm.mend_plugin()
    return exit_on_error(lambda: _open(workflow, config, home))


def _open(workflow: Any, config: dict[str, Any], home: Path) -> Run:
    if not workflow.is_main_process:
        folder = Path(workflow.config_settings.config[RUN])
        grid, forced, _ = read_run(folder)
        return Run(grid, folder, home, workflow, main=False, _forced=forced)
    _check_storage(workflow.storage_settings.default_storage_provider)
    loaded = study_config(workflow, config)
    where = loaded.where
    lock = home / "envs" / "lock.txt"
    _check_environment(lock)
    grid = open_grid(loaded.config, where, home / "config", lock)
    _check_mirror(grid, where)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    folder = grid.paths.results / RUNS / name
    workflow.config_settings.config_args.append(f"{RUN}={folder}")
    if _deletes_all_output(sys.argv[1:]):
        atexit.register(print, _what_stays(grid), file=sys.stderr)
    return Run(grid, folder, home, workflow, main=True)


def read_run(folder: Path) -> tuple[Grid, frozenset[str], float]:
    """The grid of a run, its forced rules, and when it started (seconds since 1970)."""
    run = read_json(folder / RUN_FILE)
    try:
        snapshot, forced = Path(run["snapshot"]), frozenset(run["forced"])
        started = float(run["started"])
    except (KeyError, TypeError, ValueError) as error:
        raise LineageError(
            f"{folder / RUN_FILE}: is not the record of a run ({error!r:.100}); start snakemake "
            "again"
        ) from error
    return load_snapshot(snapshot), forced, started


def folder_of_run(paths: list[str]) -> Path:
    """The folder of the run that one of a job's paths lies in."""
    for path in map(Path, paths):
        for parent in path.parents:
            if parent.parent.name == RUNS:
                return parent
    raise StudyError(f"no path of this job lies in a folder of {RUNS}/: {', '.join(paths)}")


def exit_on_error(function: Callable[[], T]) -> T:
    """Call a function; an expected error ends the process with a line for each problem."""
    try:
        return function()
    except XstiltsError as error:
        lines = "\n".join(f"xstilts: {line}" for line in str(error).splitlines())
        raise SystemExit(lines) from None


def _let_jobs_find_the_library() -> None:
    """Jobs in an environment of their own (conda) import this very library."""
    source = str(LIBRARY.parent)
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def _look_for_garbage_seldom(workflow: Any) -> None:
    """Keep Python from searching a large DAG for garbage: a fifth of planning 90,000 scores."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    if workflow.output_settings.dryrun:
        atexit.register(gc.freeze)


def _remove_old_runs(runs: Path) -> None:
    """Remove the folders of runs that were killed long ago."""
    for folder in runs.glob("*"):
        if time.time() - folder.stat().st_mtime > KEPT:
            shutil.rmtree(folder, ignore_errors=True)


def _check_writable(key: str, folder: Path) -> None:
    """Refuse before hours of work what could not be written after them."""
    present = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not (present.is_dir() and os.access(present, os.W_OK)):
        raise StudyError(
            f"{key}: {present} cannot be written; choose another folder with the key {key!r}"
        )


def _check_storage(provider: str | None) -> None:
    """Refuse a storage provider for all paths: it would copy marks, and no score or checkpoint."""
    if provider is not None:
        raise StudyError(
            f"--default-storage-provider {provider} cannot be used: Snakemake would copy the marks "
            "of jobs to the storage, but not the scores and checkpoints, which no rule declares. "
            "Leave it out and set 'results:' and 'resources:' to shared folders, or copy both with "
            "'aws s3 sync' or rclone (docs/cluster.md, 'Sharing checkpoints')"
        )


def _deletes_all_output(arguments: list[str]) -> bool:
    """Whether Snakemake was started to delete outputs; it tells a Snakefile so nowhere else."""
    if not any(argument.startswith("--delete") for argument in arguments):
        return False
    from snakemake.cli import get_argument_parser  # not above: it would double a job's start

    parsed, _ = get_argument_parser().parse_known_args(arguments)
    return bool(parsed.delete_all_output)


def _what_stays(grid: Grid) -> str:
    """What `--delete-all-output` leaves, and how to remove it."""
    results, resources = grid.paths.results, grid.paths.resources
    return (
        f"xstilts: scores and predictions stay in {results}, encoders, examples and checkpoints in "
        f"{resources}: no rule declares them. Delete {results} to remove the scores, then run "
        f"'xstilts gc {results.parent}' to remove what no other study needs"
    )


def _check_mirror(grid: Grid, where: str) -> None:
    mirror = grid.study.mirror
    if mirror is not None and not Path(mirror).is_dir():
        raise StudyError(f"{where}: mirror: {mirror!r} is not a folder")


_DECISIVE = ("numpy", "pyarrow", "safetensors", "tokenizers", "torch")


def _check_environment(lock: Path) -> None:
    """Refuse an environment that is not the locked one: stamps would be wrong."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    for name in _DECISIVE:
        installed = version(name).partition("+")[0]
        if installed != pinned[name]:
            raise StudyError(
                f"{lock.name} pins {name} {pinned[name]}, but {installed} is installed; "
                "`make env` installs what is pinned"
            )
