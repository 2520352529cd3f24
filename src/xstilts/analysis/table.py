"""The tidy table of all cells: one row a cell, one file for whoever analyses the grid.

Nothing is skipped and nothing is guessed: a cell that is missing, damaged or not of this grid stops
the table, because a mean over the cells that happen to exist is not the mean of the study.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance import files
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import scores_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.evaluation.scores import Score
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey


COLUMNS = (
    "encoder",
    "condition",
    "seed",
    "target",
    "language",
    "task_type",
    "metric",
    "score",
    "n",
    "warnings",
    "spec",
)
METRIC_PREFIX = "metric_"


def collect(grid: Grid) -> pd.DataFrame:
    """Read every cell of the grid, in reading order, into a row each.

    ``score`` is the primary metric, whose name is in ``metric``; every other metric has a column
    ``metric_<name>``, empty where a cell does not have it. Raises `LineageError`, which names the
    file, for a cell that is missing, cannot be read, or was not computed for this grid.
    """
    rows = [row for key in grid.reads.evaluations() for row in _rows_of(grid, key)]
    metrics = sorted({key for row in rows for key in row} - set(COLUMNS))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *metrics])
    return table.astype({"score": "float64"} | dict.fromkeys(metrics, "float64"))


def write(grid: Grid, path: Path) -> None:
    """Write the table as parquet, then its stamp; the same scores give the same bytes."""
    table = collect(grid)
    scores_read = scores_digest(grid)
    with files.write_atomically(path) as temporary:
        table.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    artefact = grid.table
    inputs = {"scores": scores_read}
    write_stamp(artefact.stamp, spec=artefact.digest, inputs=inputs, files=[path])


def scores_of(grid: Grid, key: EvaluationKey) -> dict[str, Score]:
    """The scores of an evaluation by language, in the order of the study.

    Raises `LineageError` for a score that is missing or was not computed as this grid asks.
    """
    path, spec = grid.paths.scores(key), grid.evaluation(key).digest
    found, wanted = scores.read(path), grid.resolved.languages[key.target]
    for language in wanted:
        if language not in found:
            raise scores.missing(path, language)
        _check_belongs(f"{path}: {language}", found[language], key, spec)
    return {language: found[language] for language in wanted}


def _rows_of(grid: Grid, key: EvaluationKey) -> Iterator[dict[str, Any]]:
    for language, cell in scores_of(grid, key).items():
        try:
            yield _row(cell)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            where = f"{grid.paths.scores(key)}: {language}"
            raise LineageError(f"{where}: not a whole cell: {problem}") from error


def _check_belongs(where: str, cell: Score, key: EvaluationKey, spec: str) -> None:
    for name, expected in zip(("encoder", "condition", "seed", "target"), key, strict=True):
        if cell.get(name) != expected:
            raise LineageError(
                f"{where}: is another cell: its {name} is {cell.get(name)!r}, not {expected!r}"
            )
    if cell.get("spec") != spec:
        raise LineageError(
            f"{where}: was not computed as this study says: its spec is "
            f"{str(cell.get('spec'))[:12]}, not {spec[:12]}; run snakemake to compute it anew"
        )


def _row(content: Score) -> dict[str, Any]:
    metrics = {name: _number(name, value) for name, value in content["metrics"].items()}
    score = metrics.pop(content["primary"])
    n = content["n"]
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"n is {n!r}, not a number of test items")
    return {
        "encoder": content["encoder"],
        "condition": content["condition"],
        "seed": content["seed"],
        "target": content["target"],
        "language": content["language"],
        "task_type": content["task_type"],
        "metric": content["primary"],
        "score": score,
        "n": n,
        "warnings": ";".join(content["warnings"]),
        "spec": content["spec"],
        **{METRIC_PREFIX + name: value for name, value in metrics.items()},
    }


def _number(name: str, value: Any) -> float | None:
    """A finite number, or None for a metric that is undefined here."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"metric {name!r} is {value!r}, not a number")
    return float(value)
