"""Claims about the design of a grid: its languages, conditions, cells and what scores come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xstilts.analysis.claims import sentences
from xstilts.analysis.claims.evidence import GUESSES
from xstilts.analysis.report.numbers import count
from xstilts.config.claims import Cells, Covers, HasConditions

if TYPE_CHECKING:
    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.analysis.claims.result import ClaimResult
    from xstilts.config.claims import Claim


def judge_not_testable(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """A claim that no grid can test."""
    published = sentences.published_sizes(result)
    return result.judged("not testable", f"{claim.not_testable}{published}")


def judge_covers(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """Whether targets have as many languages as a claim says."""
    measure = claim.measure
    assert isinstance(measure, Covers)
    targets = evidence.targets(measure.targets)
    if absent := evidence.absent([], targets):
        return evidence.without(result, claim, absent)
    found = {name: evidence.resolved.languages[name] for name in targets}
    together = {code for codes in found.values() for code in codes}
    wrong = [
        f"{name} has {len(found[name])}, not {claimed}"
        for name, claimed in measure.by_target.items()
        if len(found[name]) != claimed
    ]
    if len(together) != measure.languages:
        wrong.insert(0, f"together they have {len(together)}, not {measure.languages}")
    number = count(len(targets), "target")
    if wrong:
        return result.judged("contradicted", f"Languages of {number}: {'; '.join(wrong)}.")
    sentence = f"{number} have {count(len(together), 'language')} together, as claimed."
    return result.judged("supported", sentence)


def judge_has_conditions(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """Whether the grid has all conditions that a claim names."""
    measure = claim.measure
    assert isinstance(measure, HasConditions)
    wanted = evidence.conditions(measure.conditions)
    absent = [name for name in wanted if name not in evidence.resolved.conditions]
    if not absent:
        return result.judged("supported", f"The grid has all {len(wanted)} conditions.")
    lacking = evidence.without(result, claim, {"condition": absent})
    has = f"The grid has {len(wanted) - len(absent)} of {len(wanted)} conditions."
    return replace(lacking, sentence=f"{has} {lacking.sentence}")


def judge_cells(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """Whether the languages of targets are scored, with a baseline that is better than guessing."""
    measure = claim.measure
    assert isinstance(measure, Cells)
    absent = evidence.absent([], measure.cells)
    absent["language"] = evidence.absent_languages(measure.cells)
    if any(absent.values()):
        return evidence.without(result, claim, absent)
    conditions = list(evidence.resolved.conditions)
    missing = [
        key
        for key in evidence.missing(result.encoder, conditions, measure.cells)
        if key.language in measure.cells[key.target]
    ]
    if missing:
        return evidence.unfinished(result, missing)
    return _judge_floor(measure, result, evidence)


def _judge_floor(measure: Cells, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    floor = evidence.analysis.floor(encoder=result.encoder, targets=list(measure.cells))
    cells = {
        f"{unit.language} in {unit.target}": found
        for unit, found in floor.items()
        if unit.language in measure.cells[unit.target]
    }
    low = [name for name, found in cells.items() if found in GUESSES]
    unknown = sum(found == "unknown" for found in cells.values())
    known = f" Of {unknown} the score of guessing is not known." if unknown else ""
    if low:
        sentence = f"{len(low)} of {len(cells)} baselines only guess: {', '.join(low)}.{known}"
        return result.judged("contradicted", sentence)
    sentence = f"All {len(cells)} are scored, and no baseline is found to guess.{known}"
    return result.judged("supported", sentence)
