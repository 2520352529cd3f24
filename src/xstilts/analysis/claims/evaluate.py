"""All claims of a study, judged by the scores that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.claims.design import (
    judge_cells,
    judge_covers,
    judge_has_conditions,
    judge_not_testable,
)
from xstilts.analysis.claims.evidence import Evidence
from xstilts.analysis.claims.lineage import judge_lineage
from xstilts.analysis.claims.result import ClaimResult
from xstilts.analysis.claims.scores import judge_scores
from xstilts.config.claims import WITH_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from xstilts.config.claims import Claim
    from xstilts.grid.artefacts import Grid

    Judge = Callable[[Claim, ClaimResult, Evidence], ClaimResult]

_OF_DESIGN: dict[str, Judge] = {
    "covers": judge_covers,
    "has_conditions": judge_has_conditions,
    "not_testable": judge_not_testable,
}
"""Judges of claims that are not about an encoder."""
_OF_ENCODER: dict[str, Judge] = {
    **dict.fromkeys(WITH_RULES, judge_scores),
    "lineage": judge_lineage,
    "cells": judge_cells,
}


def evaluate_claims(
    grid: Grid, table: pd.DataFrame, study_files: Sequence[str] = ()
) -> list[ClaimResult]:
    """The result of every claim of a study, in the order of its file, for each encoder.

    ``table``: rows of `xstilts.analysis.table.collect`; scores may be missing. ``study_files``: the
    files of the study, for the commands that compute what is missing.
    """
    evidence = Evidence(grid, table, study_files)
    return [
        result
        for claim in evidence.claims.claims
        for result in judge(claim, evidence, grid.study.encoders)
    ]


def judge(claim: Claim, evidence: Evidence, encoders: Sequence[str]) -> list[ClaimResult]:
    """The results of one claim: one for each encoder that it is about."""
    if claim.kind in _OF_DESIGN:
        return [_OF_DESIGN[claim.kind](claim, _blank(claim, ""), evidence)]
    of_encoder = _OF_ENCODER[claim.kind]
    return [of_encoder(claim, _blank(claim, encoder), evidence) for encoder in encoders]


def _blank(claim: Claim, encoder: str) -> ClaimResult:
    return ClaimResult(
        id=claim.id,
        text=claim.text,
        verdict="inconclusive",
        sentence="",
        source=claim.source,
        encoder=encoder,
        evidence=claim.evidence,
        note=claim.note or "",
        published=tuple(claim.published.items()),
    )
