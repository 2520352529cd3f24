"""What an audit finds: verdicts, findings and the report of a whole audit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xstilts.audit.reexecution import Reexecution
    from xstilts.config.resolve import ScoreKey


class Verdict(StrEnum):
    """What an audit says of a score or a file."""

    VERIFIED = "verified"
    UNVERIFIABLE = "unverifiable"
    """Something that the check needs is missing; nothing that exists contradicts the records."""
    ALTERED = "altered"
    """Two things that must agree do not."""


_RANK = {verdict: number for number, verdict in enumerate(Verdict)}


class Finding(NamedTuple):
    """One thing that is not as it must be: where, and what is wrong."""

    verdict: Verdict
    place: str
    """A file, or a file and a language."""
    problem: str

    def __str__(self) -> str:
        """As a line for people."""
        return f"{self.verdict}: {self.place}: {self.problem}"


def altered(place: object, problem: str) -> Finding:
    """A finding that contradicts the records."""
    return Finding(Verdict.ALTERED, str(place), problem)


def unverifiable(place: object, problem: str) -> Finding:
    """A finding that keeps something from being checked."""
    return Finding(Verdict.UNVERIFIABLE, str(place), problem)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict on what all findings are about; verified if there are none."""
    return max((f.verdict for f in findings), key=_RANK.__getitem__, default=Verdict.VERIFIED)


class ScoreVerdict(NamedTuple):
    """The verdict on a score, and the findings about it and about all that it was computed from."""

    key: ScoreKey
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings'."""
        return worst(self.findings)


@dataclass(frozen=True)
class AuditReport:
    """All that an audit found.

    ``grid``: the hash of the whole grid as the scores on disk give it. ``results``: findings about
    table, gains, claims and report. ``limits``: what this audit did not check, a sentence each.
    ``reexecution``: the scores that were computed again, if any were asked for.
    """

    study: str
    grid: str
    scores: Sequence[ScoreVerdict]
    results: Sequence[Finding]
    limits: Sequence[str] = field(default_factory=tuple)
    reexecution: Reexecution | None = None

    @property
    def counts(self) -> Counter[Verdict]:
        """How many scores have each verdict."""
        return Counter(score.verdict for score in self.scores)

    @property
    def findings(self) -> dict[Finding, int]:
        """Every finding once, with the number of scores that it touches."""
        found: Counter[Finding] = Counter(dict.fromkeys(self.results, 0))
        for score in self.scores:
            found.update(score.findings)
        return dict(sorted(found.items(), key=lambda item: (-_RANK[item[0].verdict], item[0])))

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole folder."""
        return worst(self.findings)
