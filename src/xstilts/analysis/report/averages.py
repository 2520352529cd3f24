"""Mean scores over targets: of the study's own targets, and the official benchmark averages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from xstilts.analysis.gains import scores_by_language
from xstilts.analysis.language_groups import ENGLISH
from xstilts.analysis.report.data_table import Column, DataTable
from xstilts.analysis.report.tables import CONDITION
from xstilts.metrics.averages import LANGUAGES, xtreme_mean, xtreme_r_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.analysis.report.results import Results

RETRIEVAL = "retrieval"
OFFICIAL: dict[str, Callable[[dict[str, float]], float]] = {
    "xtreme": xtreme_mean,
    "xtreme-r": xtreme_r_mean,
}
COLUMNS = (
    CONDITION,
    Column("all targets", "score", "all"),
    Column("without retrieval", "score", "without_retrieval"),
    Column("all, without English", "score", "all_zero_shot"),
    Column("without retrieval, without English", "score", "without_retrieval_zero_shot"),
    Column("XTREME", "score", "xtreme"),
    Column("XTREME-R", "score", "xtreme-r"),
)


def averages(results: Results) -> DataTable:
    """Mean over targets of the mean score over their languages, a row for each condition.

    A benchmark's average is there where the study has all its tasks in all their languages.
    """
    table, types = results.analysis.scores.table, results.analysis.scores.task_types
    means = scores_by_language(table[table["encoder"] == results.encoder])
    rows = []
    for condition, scores in means.groupby("condition", sort=False):
        kept = scores[[types[target] != RETRIEVAL for target in scores["target"]]]
        row: dict[str, object] = {"encoder": results.encoder, "condition": condition}
        for name, part in (("all", scores), ("without_retrieval", kept)):
            row[name] = _over_targets(part)
            row[f"{name}_zero_shot"] = _over_targets(part[part["language"] != ENGLISH])
        rows.append(row | {name: _official(scores, name) for name in OFFICIAL})
    names = ["encoder", *(column.name for column in COLUMNS)]
    return DataTable(
        f"{results.encoder}/averages",
        "Mean score over targets, per cent; the official averages where all their tasks are there",
        COLUMNS,
        pd.DataFrame(rows, columns=names),
    )


def _over_targets(scores: pd.DataFrame) -> float:
    return float(scores.groupby("target")["score"].mean().mean()) if len(scores) else math.nan


def _official(scores: pd.DataFrame, benchmark: str) -> float:
    """A benchmark's average; NaN if a task or a language of it is missing."""
    tasks = {}
    for target, rows in scores.groupby("target"):
        by_language = dict(zip(rows["language"], rows["score"], strict=True))
        official = LANGUAGES[benchmark].get(target, tuple(by_language))
        if set(official) <= set(by_language):
            tasks[target] = math.fsum(by_language[code] for code in official) / len(official)
    try:
        return OFFICIAL[benchmark](tasks)
    except ValueError:
        return math.nan
