"""The whole audit of a results folder."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from xstilts.audit.lineage import Lineage, Options
from xstilts.audit.overlaps import OverlapsCheck
from xstilts.audit.rescoring import Checked, Input, ScoreFileCheck
from xstilts.audit.results import ResultsCheck
from xstilts.audit.stamps import check_stamp
from xstilts.audit.verdict import AuditReport, ScoreVerdict
from xstilts.config.resolve import ScoreKey
from xstilts.data.checksums import read_checksums
from xstilts.data.contamination import TABLE
from xstilts.errors import LineageError
from xstilts.evaluation.score_line import grid_digest
from xstilts.grid.contamination import searched
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import latest_snapshot, load_snapshot
from xstilts.provenance.digests import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xstilts.audit.verdict import Finding
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey

    Progress = Callable[[int, int], None]
    """Called with the checks that are done, and how many there are."""


class _Check(Protocol):
    """One part of an audit: plain values that any process can check."""

    def run(self) -> Any:
        """What was found."""


def audit(
    results: Path,
    *,
    resources: Path | None = None,
    cards: Path | None = None,
    weights: bool = False,
    processes: int = 1,
    progress: Progress = lambda done, of: None,
) -> AuditReport:
    """Check every score of a results folder back to the raw files, and all that is made of scores.

    ``results``: the folder of a study, ``<results>/<study>``. ``resources``: the folder with raw
    files, examples, encoders and checkpoints (default: the study's). ``cards``: the folder with
    ``downloads.tsv`` (default: the study's), beside which ``envs/lock.txt`` lies. ``weights``: hash
    weights as well, which may take long.

    Raises `LineageError` if the folder holds no snapshot of a study, or an edited one.
    """
    snapshot, grid = open_results(results, resources)
    paths = grid.paths
    folder = cards or grid.cards.folder
    lineage = Lineage(grid, _options(folder, weights=weights))
    raw, score_files = (
        lineage.raw_checks(),
        {key: score_file_check(lineage, key) for key in _by_target(grid)},
    )
    checks: list[_Check] = [
        ResultsCheck(snapshot, paths.results, paths.resources),
        _overlaps_check(lineage),
        *raw.values(),
        *score_files.values(),
    ]  # the longest first
    found = []
    for outcome in _run(checks, processes):
        found.append(outcome)
        progress(len(found), len(checks))
    for key, findings in zip(raw, found[2 : 2 + len(raw)], strict=True):
        lineage.add_raw(key, findings)
    of_scores: dict[EvaluationKey, Checked] = dict(
        zip(score_files, found[2 + len(raw) :], strict=True)
    )
    return AuditReport(
        study=grid.study.study,
        grid=grid_digest(grid.table.digest, (d for c in of_scores.values() for d in c.digests)),
        scores=[
            ScoreVerdict(
                ScoreKey(*key, language),
                (*of_scores[key].findings[language], *lineage.of_score(key, language)),
            )
            for key in grid.reads.evaluations()
            for language in grid.resolved.languages[key.target]
        ],
        results=[*found[0], *(_contamination(lineage) or found[1])],
        limits=_limits(lineage, folder),
    )


def open_results(results: Path, resources: Path | None = None) -> tuple[Path, Grid]:
    """The latest snapshot of a results folder, and its grid with the paths of this folder.

    Raises `LineageError` if the folder holds no snapshot of a study, or an edited one.
    """
    snapshot = latest_snapshot(results)
    if snapshot is None:
        raise LineageError(
            f"{results}: holds no snapshot of a study (.snapshots/latest); give the folder of a "
            "study, results/<study>"
        )
    paths = Paths(results, resources or _resources(load_snapshot(snapshot), results))
    return snapshot, load_snapshot(snapshot, paths)


def score_file_check(lineage: Lineage, key: EvaluationKey) -> ScoreFileCheck:
    """The check of an evaluation's scores, with all that it compares them with."""
    grid, target = lineage.grid, key.target
    card, reads, stamps = grid.cards.task(target), grid.reads, lineage.stamps
    inputs: dict[str, dict[str, Input]] = {}
    gold: dict[str, Path] = {}
    for language in grid.resolved.languages[target]:
        read = {"checkpoint": grid.evaluated(key).stamp} | {
            role: grid.examples_stamp(examples)
            for role, examples in reads.score_inputs(target, language).items()
        }
        inputs[language] = {role: Input(path, stamps.sha256(path)) for role, path in read.items()}
        gold[language] = read["examples"].with_suffix(".parquet")
    artefact = grid.evaluation(key)
    return ScoreFileCheck(
        key=key,
        path=grid.paths.scores(key),
        spec=artefact.digest,
        task_type=card.task_type,
        scorer=card.scorer,
        primary=card.primary,
        tuned_on=card.tuned_on or "test",
        sweep=reads.layer_sweep(target),
        limit=grid.study.evaluation.limit(target),
        other_versions=lineage.kept_versions(key),
        inputs=inputs,
        gold=gold,
    )


def _by_target(grid: Grid) -> list[EvaluationKey]:
    """The evaluations, those of a target together: they share their examples."""
    return sorted(grid.reads.evaluations(), key=lambda key: key.target)


def _run(checks: Sequence[_Check], processes: int) -> Iterator[Any]:
    """The outcomes of checks, in their order."""
    if processes == 1:
        yield from (check.run() for check in checks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(_outcome, checks, chunksize=4)


def _outcome(check: _Check) -> Any:
    return check.run()


def _overlaps_check(lineage: Lineage) -> OverlapsCheck:
    artefact = lineage.grid.contamination
    searches = not lineage.code(artefact.modules)
    return OverlapsCheck(artefact.stamp.with_name(TABLE), *searched(lineage.grid), searches)


def _contamination(lineage: Lineage) -> list[Finding]:
    artefact = lineage.grid.contamination
    return list(check_stamp(lineage.stamps, artefact.stamp, artefact.digest, [TABLE], weights=True))


def _options(cards: Path, *, weights: bool) -> Options:
    downloads, lock = cards / "downloads.tsv", cards.parent / "envs" / "lock.txt"
    return Options(
        weights,
        read_checksums(downloads) if downloads.is_file() else {},
        file_sha256(lock) if lock.is_file() else None,
    )


def _resources(grid: Grid, results: Path) -> Path:
    """The study's resources; beside the folder of results if the project was moved."""
    named = grid.paths.resources
    beside = results.absolute().parent.parent / named
    return named if named.is_dir() else beside


def _limits(lineage: Lineage, cards: Path) -> list[str]:
    """What this audit did not check, a sentence each."""
    options = lineage.options
    found = []
    if not options.weights:
        found.append("Weights were not hashed; --weights hashes them.")
    if not options.checksums:
        found.append(f"Raw files were compared with stamps only: {cards}/downloads.tsv is missing.")
    if options.environment is None:
        found.append(f"The environment was not compared: {cards.parent}/envs/lock.txt is missing.")
    if any(map(lineage.grid.reads.layer_sweep, lineage.grid.resolved.targets)):
        found.append(
            "Metrics of single layers cannot be computed again: their predictions are not kept."
        )
    found.append(
        "A consistent forgery of everything is found by re-execution (--reexecute) or by a "
        "published hash of the grid only."
    )
    return found
