"""An audit for people and programs: a summary in a terminal, JSON, and one HTML page."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xstilts.audit.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from xstilts.audit.reexecution import ReexecutedScore, Reexecution
    from xstilts.audit.verdict import AuditReport

_STYLES = {Verdict.VERIFIED: "green", Verdict.UNVERIFIABLE: "yellow", Verdict.ALTERED: "bold red"}
_SHOWN = 20
_LISTED = 2_000
"""Scores that a page lists, at most; JSON lists all."""


def as_json(report: AuditReport) -> dict[str, Any]:
    """For programs: counts, every finding with the number of scores that it touches, every score.

    A score's findings are numbers into the list of findings.
    """
    numbers = {finding: number for number, finding in enumerate(report.findings)}
    return {
        "study": report.study,
        "grid": report.grid,
        "verdict": report.verdict,
        "counts": {verdict: report.counts[verdict] for verdict in Verdict},
        "findings": [
            {**finding._asdict(), "scores": count} for finding, count in report.findings.items()
        ],
        "limits": list(report.limits),
        "scores": [
            {
                **asdict(score.key),
                "verdict": score.verdict,
                "findings": [numbers[finding] for finding in score.findings],
            }
            for score in report.scores
        ],
        "reexecution": _reexecution_as_json(report.reexecution) if report.reexecution else None,
    }


def _reexecution_as_json(found: Reexecution) -> dict[str, Any]:
    """The scores that were computed again, each with its machine and its differences."""
    return {
        "draw_seed": found.draw_seed,
        "drawn_from": found.drawn_from,
        "scores": [
            {
                **asdict(score.key),
                "outcome": score.outcome,
                "other_machine": list(score.machine),
                "n": score.n,
                "differing_predictions": score.differing,
                "metrics": [metric._asdict() for metric in score.metrics],
                "other_differences": list(score.other),
                "problem": score.problem,
            }
            for score in found.scores
        ],
    }


def render(report: AuditReport) -> RenderableType:
    """The summary for a terminal: counts, the hash of the grid, the findings, the limits."""
    from rich.console import Group
    from rich.text import Text

    counts = report.counts
    total = Text(f"{report.study}: {counts[Verdict.VERIFIED]:,} of {len(report.scores):,} scores ")
    total.append("verified", _STYLES[Verdict.VERIFIED])
    for verdict in (Verdict.UNVERIFIABLE, Verdict.ALTERED):
        if counts[verdict]:
            total.append(f", {counts[verdict]:,} {verdict}", _STYLES[verdict])
    lines: list[RenderableType] = [total, f"hash of the grid: {report.grid}"]
    findings = list(report.findings.items())
    for finding, count in findings[:_SHOWN]:
        touched = f" ({count:,} scores)" if count else ""
        text = f"{finding.verdict}{touched}: {finding.place}: {finding.problem}"
        lines.append(Text(text, _STYLES[finding.verdict]))
    if len(findings) > _SHOWN:
        lines.append(f"... and {len(findings) - _SHOWN:,} more; --json and --html list all")
    if report.reexecution:
        lines += map(_reexecuted, report.reexecution.scores)
    lines += [Text(limit, "dim") for limit in report.limits]
    return Group(*lines)


def _reexecuted(score: ReexecutedScore) -> Text:
    from rich.text import Text

    found = f"computed again: {score.place}: {score.outcome}"
    details = [score.difference, *score.machine]
    more = "; ".join(filter(None, details))
    return Text(f"{found} ({more})" if more else found, _STYLES[score.verdict])


def as_html(report: AuditReport) -> str:
    """One page without scripts; above 2,000 scores it lists those alone that are not verified."""
    from xstilts.runtime import templates

    numbers = {finding: number for number, finding in enumerate(report.findings, 1)}
    failed = [score for score in report.scores if score.verdict != Verdict.VERIFIED]
    listed = report.scores if len(report.scores) <= _LISTED else failed
    return (
        templates.environment("audit", html=True)
        .get_template("audit.html")
        .render(report=report, verdicts=list(Verdict), numbers=numbers, listed=listed[:_LISTED])
    )
