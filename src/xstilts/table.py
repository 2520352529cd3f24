"""The tidy table of all cells: one row a cell, one file for whoever analyses the grid.

Nothing is skipped and nothing is guessed: a cell that is missing, damaged or not of this grid stops
the table, because a mean over the cells that happen to exist is not the mean of the study.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from xstilts import lineage
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid import Grid
    from xstilts.study import Cell

CELL_VERSION = 1
COLUMNS = (
    "encoder",
    "condition",
    "seed",
    "target",
    "language",
    "format",
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
    rows = [_row_of(grid, cell) for cell in grid.resolved.cells()]
    metrics = sorted({key for row in rows for key in row} - set(COLUMNS))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *metrics])
    return table.astype({"score": "float64"} | dict.fromkeys(metrics, "float64"))


def write(grid: Grid, path: Path) -> None:
    """Write the table as parquet, atomically; the same cells give the same bytes."""
    table = collect(grid)
    with lineage.write_atomically(path) as temporary:
        table.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)


def content_of(grid: Grid, cell: Cell) -> tuple[Path, dict[str, Any]]:
    """A cell's file and what it says; raises `LineageError` where it is not of this grid."""
    path = grid.cell(cell.encoder, cell.condition, cell.seed, cell.target, cell.language)
    spec = grid.evaluation(cell.encoder, cell.condition, cell.seed, cell.target).digest
    content = _read(path)
    _check_belongs(path, content, cell, spec)
    return path, content


def _row_of(grid: Grid, cell: Cell) -> dict[str, Any]:
    path, content = content_of(grid, cell)
    try:
        return _row(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise LineageError(f"{path}: not a whole cell: {problem}") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LineageError(f"{path}: missing; run snakemake to compute it") from None
    except (OSError, ValueError) as error:
        raise LineageError(
            f"{path}: cannot be read as JSON ({error}); delete it to have it made again"
        ) from error


def _check_belongs(path: Path, content: Any, cell: Cell, spec: str) -> None:
    if not isinstance(content, dict) or content.get("cell") != CELL_VERSION:
        raise LineageError(f"{path}: not a cell file of version {CELL_VERSION}")
    for key in ("encoder", "condition", "seed", "target", "language"):
        expected = getattr(cell, key)
        if content.get(key) != expected:
            raise LineageError(
                f"{path}: holds another cell: its {key} is {content.get(key)!r}, not {expected!r}"
            )
    if content.get("spec") != spec:
        raise LineageError(
            f"{path}: was not computed as this study says: its spec is "
            f"{str(content.get('spec'))[:12]}, not {spec[:12]}; run snakemake to compute it anew"
        )


def _row(content: dict[str, Any]) -> dict[str, Any]:
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
        "format": content["format"],
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
