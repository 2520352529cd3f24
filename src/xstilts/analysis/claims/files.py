"""The files of claim results: ``claims.json`` with every number, ``claims.tsv`` with a row each."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xstilts.analysis.claims.evaluate import evaluate_claims
from xstilts.analysis.claims.show import Row, rows_of
from xstilts.provenance.files import write_json, write_text
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import scores_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from xstilts.analysis.claims.result import ClaimResult, Comparison
    from xstilts.analysis.statistics.contrast import Uncertainty
    from xstilts.config.resolve import ScoreKey
    from xstilts.grid.artefacts import Grid


def write(grid: Grid, table: pd.DataFrame) -> None:
    """Judge the claims of a study by its complete table of scores; write both files and a stamp."""
    scores_read = scores_digest(grid)
    results = evaluate_claims(grid, table)
    write_json(grid.paths.claims, as_json(results))
    write_text(grid.paths.claims_table, as_tsv(results))
    artefact = grid.claims
    write_stamp(
        artefact.stamp,
        spec=artefact.digest,
        inputs={"scores": scores_read},
        files=[grid.paths.claims, grid.paths.claims_table],
    )


def as_tsv(results: Sequence[ClaimResult]) -> str:
    """A row for each result."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows_of(results))
    return stream.getvalue()


def as_json(results: Sequence[ClaimResult]) -> list[dict[str, Any]]:
    """All that the results hold, for programs; undefined numbers are null."""
    return [
        {
            **row._asdict(),
            "evidence": result.evidence,
            "note": result.note,
            "unit": result.unit,
            "estimand": result.estimand,
            "development": asdict(result.development) if result.development else None,
            "comparisons": [_comparison(comparison) for comparison in result.contrasts],
            "mean": _comparison(result.mean) if result.mean else None,
            "adjusted": [
                {"held": [*one.held], "verdict": one.verdict} | _comparison(one.comparison)
                for one in result.adjusted
            ],
            "published": dict(result.published),
            "missing": _missing(result.missing),
        }
        for result, row in zip(results, rows_of(results), strict=True)
    ]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    contrast = comparison.contrast
    return {
        "condition": comparison.condition,
        "against": comparison.against,
        "targets": list(comparison.targets),
        "estimate": None if math.isnan(contrast.estimate) else contrast.estimate,
        "languages_like_these": _uncertainty(contrast.like_these),
        "these_languages": _uncertainty(contrast.these),
        "reason": contrast.reason,
        "seeds": contrast.seeds,
        "baseline_seeds": contrast.baseline_seeds,
        "languages": contrast.languages,
        "families": contrast.families,
        "items": contrast.items,
        "item_noise": contrast.has_item_noise,
        "published": comparison.published,
    }


def _uncertainty(uncertainty: Uncertainty | None) -> dict[str, float | None] | None:
    if uncertainty is None:
        return None
    low, high = uncertainty.interval
    return {
        "low": low,
        "high": high,
        "p": uncertainty.p,
        "standard_error": uncertainty.standard_error,
        "df": uncertainty.df if math.isfinite(uncertainty.df) else None,
    }


def _missing(keys: Sequence[ScoreKey]) -> list[dict[str, Any]]:
    """The missing scores, an entry for each evaluation with its languages."""
    found: dict[tuple[str, str, int, str], list[str]] = {}
    for key in keys:
        place = (key.encoder, key.condition, key.seed, key.target)
        found.setdefault(place, []).append(key.language)
    names = ("encoder", "condition", "seed", "target")
    return [
        dict(zip(names, place, strict=True)) | {"languages": codes}
        for place, codes in found.items()
    ]
