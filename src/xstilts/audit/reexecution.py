"""Scores that were computed again from the raw files, against those of the study.

On the same kind of machine every bit must agree. On another kind sums are rounded in another order:
predictions near a tie change, and metrics with them, within a tolerance.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.audit.verdict import Verdict, altered, unverifiable
from xstilts.config.resolve import ScoreKey
from xstilts.errors import LineageError
from xstilts.evaluation import scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xstilts.audit.verdict import AuditReport, Finding
    from xstilts.evaluation.score_line import Score
    from xstilts.grid.artefacts import Grid
    from xstilts.tasks.scoring import PredictionRow

RunRecord = dict[str, Any]
"""The JSON object of a run record (`xstilts.provenance.run_record`); empty if there is none."""
DEVIATIONS = 3
"""Standard deviations of chance that a metric may differ by on another kind of machine."""
_MACHINE = (
    "device",
    "device_name",
    "precision",
    "processor",
    "machine",
    "python",
    "gpu_driver",
    "cuda",
)
_PACKAGES = ("numpy", "pyarrow", "safetensors", "tokenizers", "torch", "transformers", "triton")
"""The packages that compute; those of CUDA (nvidia-...) count as well."""


class Outcome(StrEnum):
    """How a score that was computed again compares with that of the study."""

    IDENTICAL = "identical"
    TOLERATED = "within the tolerance"
    DIFFERENT = "different"
    NOT_COMPUTED = "not computed"


class MetricDifference(NamedTuple):
    """A metric that was computed again with another value, both in per cent.

    ``allowed``: how far apart the two may be; 0 on the same kind of machine.
    """

    name: str
    stored: float | None
    again: float | None
    allowed: float

    @property
    def is_allowed(self) -> bool:
        """Whether the tolerance holds."""
        if self.stored is None or self.again is None:
            return False
        return abs(self.stored - self.again) <= self.allowed

    def __str__(self) -> str:
        """As a part of a sentence."""
        return f"{self.name} is {self.stored}, not {self.again}"


@dataclass(frozen=True)
class ReexecutedScore:
    """What came of computing one score again.

    ``machine``: where its machine or its packages are not those of the study; empty on the same
    kind of machine. ``differing``: the test items whose predictions differ, of ``n``. ``other``:
    what else differs, by name. ``problem``: why it could not be computed or compared.
    """

    key: ScoreKey
    place: str
    outcome: Outcome
    machine: tuple[str, ...] = ()
    n: int = 0
    differing: int = 0
    metrics: tuple[MetricDifference, ...] = ()
    other: tuple[str, ...] = ()
    problem: str = ""

    @property
    def finding(self) -> Finding | None:
        """The finding that the audit reports; None where the score was confirmed."""
        if self.outcome == Outcome.NOT_COMPUTED:
            return unverifiable(self.place, f"computing it again gave nothing: {self.problem}")
        if self.outcome != Outcome.DIFFERENT:
            return None
        where = "on the same kind of machine it gives other results"
        if self.machine:
            where = f"it differs by more than another machine explains ({'; '.join(self.machine)})"
        return altered(self.place, f"computed again, {where}: {self.difference}")

    @property
    def verdict(self) -> Verdict:
        """The verdict that computing the score again gives."""
        return self.finding.verdict if self.finding else Verdict.VERIFIED

    @property
    def difference(self) -> str:
        """The difference as a sentence for people; empty if there is none."""
        parts = [*map(str, self.metrics), *self.other]
        if self.differing:
            parts.insert(0, f"{self.differing:,} of {self.n:,} predictions differ")
        return self.problem or "; ".join(parts)


@dataclass(frozen=True)
class Reexecution:
    """Scores that were drawn by ``draw_seed`` out of ``drawn_from``, and computed again."""

    draw_seed: int
    drawn_from: int
    scores: Sequence[ReexecutedScore]


def draw(grid: Grid, count: int, draw_seed: int) -> tuple[list[ScoreKey], int]:
    """Draw scores of a study at random, each with the same chance; give them and of how many.

    Scores that are missing, that were edited, or that another version of the code computed cannot
    be drawn: the audit reports each of them.
    """
    present = [
        ScoreKey(*key, language)
        for key in grid.reads.evaluations()
        for language, score in sorted(_scores_of(grid.paths.scores(key)).items())
        if language in grid.resolved.languages[key.target]
        and score.get("spec") == grid.evaluation(key).digest
    ]
    drawn = random.Random(draw_seed).sample(range(len(present)), min(count, len(present)))
    return [present[number] for number in sorted(drawn)], len(present)


def _scores_of(path: Path) -> dict[str, Score]:
    try:
        return scores.read(path)
    except LineageError:
        return {}


# --- the kind of machine -------------------------------------------------------------------------


def machine_differences(stored: RunRecord, again: RunRecord) -> Iterator[str]:
    """Where two jobs ran on other kinds of machines, or with other packages.

    The number of threads that a job computes with is a part of its spec, so it always agrees.
    """
    if not stored:
        yield "no record of its run"
        return
    for name in _MACHINE:
        if stored.get(name) != again.get(name):
            yield f"{name} {_shown(stored.get(name))}, here {_shown(again.get(name))}"
    old, new = _packages(stored), _packages(again)
    for name in sorted(old.keys() | new):
        if old.get(name) != new.get(name):
            yield f"{name} {_shown(old.get(name))}, here {_shown(new.get(name))}"


def _packages(record: RunRecord) -> dict[str, object]:
    packages = record.get("packages")
    if not isinstance(packages, dict):
        return {}
    return {k: v for k, v in packages.items() if k in _PACKAGES or k.startswith("nvidia-")}


def _shown(value: object) -> str:
    return "unknown" if value is None else f"{value!s:.60}"


# --- the comparison ------------------------------------------------------------------------------


def compare(key: ScoreKey, stored: Path, again: Path, machine: Sequence[str]) -> ReexecutedScore:
    """Compare the score of a language in two score files.

    ``machine``: the differences between the machines; none on the same kind of machine.
    """
    place = f"{stored}: {key.language}"
    try:
        return _compare(key, stored, again, machine)
    except (LineageError, LookupError, TypeError, ValueError, AttributeError) as error:
        problem = str(error) if isinstance(error, LineageError) else f"its line says {error!r:.100}"
        return ReexecutedScore(key, place, Outcome.NOT_COMPUTED, tuple(machine), problem=problem)


def _compare(key: ScoreKey, stored: Path, again: Path, machine: Sequence[str]) -> ReexecutedScore:
    old, new = _score(stored, key.language), _score(again, key.language)
    differing = _differing(
        scores.predictions(stored, old).to_pylist(), scores.predictions(again, new).to_pylist()
    )
    metrics = tuple(_metric_differences(old, new, differing, same_kind=not machine))
    other = tuple(_other_differences(old, new, same_kind=not machine))
    same_bytes = old["predictions"]["sha256"] == new["predictions"]["sha256"]
    if same_bytes and not (differing or metrics or other):
        outcome = Outcome.IDENTICAL
    elif machine and not other and all(metric.is_allowed for metric in metrics):
        outcome = Outcome.TOLERATED
    else:
        outcome = Outcome.DIFFERENT
    if not (same_bytes or differing):
        other = (*other, "its predictions have the same answers and other bytes")
    place = f"{stored}: {key.language}"
    return ReexecutedScore(
        key, place, outcome, tuple(machine), int(new["n"]), differing, metrics, other
    )


def _score(path: Path, language: str) -> Score:
    found = scores.read(path).get(language)
    if found is None:
        raise scores.missing(path, language)
    return found


def _metric_differences(
    old: Score, new: Score, differing: int, *, same_kind: bool
) -> Iterator[MetricDifference]:
    allowed = 0.0 if same_kind else tolerance(differing, int(new["n"]))
    for name in sorted(old["metrics"].keys() | new["metrics"]):
        values = old["metrics"].get(name), new["metrics"].get(name)
        if values[0] != values[1]:
            yield MetricDifference(name, *values, allowed)


def tolerance(differing: int, n: int) -> float:
    """How far apart a metric in per cent may be if ``differing`` of ``n`` predictions differ.

    Rounding changes predictions that are near a tie, as often to a better as to a worse one. One
    changed prediction moves a mean over n items by at most 100/n. So under chance alone the
    difference has a standard deviation of at most ``100 * sqrt(differing) / n``, as in the test of
    McNemar (1947) for two classifiers on the same items. One item more counts, because a metric of
    a single layer may differ where the predictions that are kept do not.
    """
    return 100.0 * DEVIATIONS * math.sqrt(differing + 1) / max(n, 1)


def _other_differences(old: Score, new: Score, *, same_kind: bool) -> Iterator[str]:
    """What must agree beside metrics and predictions: on another kind of machine only n."""
    names = ("n", "counts", "warnings", "threshold") if same_kind else ("n",)
    for name in names:
        if old.get(name) != new.get(name):
            yield f"{name} is {old.get(name)}, not {new.get(name)}"
    if same_kind and old["inputs"].get("checkpoint") != new["inputs"]["checkpoint"]:
        yield "its checkpoint is not the one that the raw files give"


def _differing(old: Sequence[PredictionRow], new: Sequence[PredictionRow]) -> int:
    """The number of test items whose predictions differ; confidences are not compared."""
    sides = _by_item(old), _by_item(new)
    return sum(sides[0].get(name) != sides[1].get(name) for name in sides[0].keys() | sides[1])


def _by_item(rows: Sequence[PredictionRow]) -> Mapping[object, list[PredictionRow]]:
    found: dict[object, list[PredictionRow]] = {}
    for row in rows:
        kept = {name: value for name, value in row.items() if not isinstance(value, float)}
        found.setdefault(row.get("id"), []).append(kept)
    return found


# --- the report ----------------------------------------------------------------------------------


def with_reexecution(report: AuditReport, found: Reexecution) -> AuditReport:
    """The report of an audit with what computing scores again has found about them."""
    findings = {score.key: score.finding for score in found.scores}
    limit = (
        f"{len(found.scores):,} of {found.drawn_from:,} scores were computed again, drawn by the "
        f"seed {found.draw_seed}; the others may still be a consistent forgery."
    )
    return replace(
        report,
        scores=[
            score._replace(findings=(*score.findings, finding))
            if (finding := findings.get(score.key))
            else score
            for score in report.scores
        ],
        limits=[*report.limits, limit],
        reexecution=found,
    )
