"""The tidy table of all scores: a row for each score.

The table on disk is complete or not written: a score that is missing, damaged or of another grid is
an error, because a mean over the scores that happen to exist is not the mean of the study. A
half-finished study has a `PartialTable`, which names the scores that it lacks.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance import files
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import States, is_of, scores_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.evaluation.score_line import Score
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
    "digest",
    "other_version",
)
METRIC_PREFIX = "metric_"


@dataclass(frozen=True)
class MissingScores:
    """The scores of an evaluation that a partial table lacks."""

    key: EvaluationKey
    languages: tuple[str, ...]
    stale: int
    """How many of them are on disk, but not as the study asks for them now, or damaged."""


@dataclass(frozen=True)
class PartialTable:
    """The scores of a study that are done, and those that are not."""

    rows: pd.DataFrame
    missing: tuple[MissingScores, ...]


def collect(grid: Grid) -> pd.DataFrame:
    """Read every score of the grid, in reading order, into a row each.

    ``score`` is the primary metric in per cent, and ``metric`` is its name; every other metric has
    a column ``metric_<name>``, which is empty if a score does not have it; ``digest`` is that of
    the score's line (`xstilts.evaluation.score_line.grid_digest` takes the column).
    ``other_version`` names the version of the code that computed a kept score
    (`xstilts.grid.versions`), and is empty for the present one. Raises `LineageError`, which names
    the file, for a score that is missing, unreadable, changed or not computed for this grid. The
    predictions are read, byte by byte.
    """
    states = States(grid)
    return _as_table([row for key in grid.reads.evaluations() for row in _rows_of(states, key)])


def collect_done(grid: Grid) -> PartialTable:
    """Read the scores that are done, as `collect` does, and name those that are not.

    A score is done if `States` says so, its line is whole and its predictions are those that were
    scored.
    """
    states = States(grid)
    rows: list[dict[str, Any]] = []
    missing: list[MissingScores] = []
    for key in grid.reads.evaluations():
        done, lacking = _done_rows(states, key)
        rows += done
        if lacking.languages:
            missing.append(lacking)
    return PartialTable(_as_table(rows), tuple(missing))


def _done_rows(states: States, key: EvaluationKey) -> tuple[list[dict[str, Any]], MissingScores]:
    found, path = states.scores(key), states.grid.paths.scores(key)
    lines = scores.load(path).scores if "done" in found.values() else {}
    done = [lines[language] for language, state in found.items() if state == "done"]
    verified = scores.verified_languages(path, done) if done else set()
    rows: dict[str, dict[str, Any]] = {}
    for score in done:
        if score["language"] in verified:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                version = states.versions(key).get(score["language"], "")
                rows[score["language"]] = _row(score, version)
    lacking = [language for language in found if language not in rows]
    stale = sum(found[language] != "missing" for language in lacking)
    return list(rows.values()), MissingScores(key, tuple(lacking), stale)


def _as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    metrics = sorted({key for row in rows for key in row} - set(COLUMNS))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *metrics])
    return table.astype({"score": "float64"} | dict.fromkeys(metrics, "float64"))


def write(grid: Grid, path: Path) -> None:
    """Write the table as parquet, atomically; the same scores give the same bytes."""
    table = collect(grid)
    scores_read = scores_digest(grid)
    with files.write_atomically(path) as temporary:
        table.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    artefact = grid.table
    inputs = {"scores": scores_read}
    write_stamp(artefact.stamp, spec=artefact.digest, inputs=inputs, files=[path])


def scores_of(states: States, key: EvaluationKey) -> dict[str, Score]:
    """The scores of an evaluation by language, in the order of the study.

    Raises `LineageError` for a score that is missing, was changed after it was written, was not
    computed as this grid asks, or was computed from other inputs than those on disk.
    """
    grid, inputs = states.grid, states.score_inputs(key)
    path, spec = grid.paths.scores(key), grid.evaluation(key).digest
    content, languages = scores.load(path), grid.resolved.languages[key.target]
    by_language = content.scores
    for language in languages:
        if language in content.faults:
            raise scores.changed(path, language, content.faults[language])
        if language not in by_language:
            raise scores.missing(path, language)
        where, score = f"{path}: {language}", by_language[language]
        if language in states.versions(key):
            continue
        _check_belongs(where, score, key, spec)
        if not is_of(score, inputs[language]):
            raise LineageError(
                f"{where}: was computed from another checkpoint or other examples than those on "
                "disk; run snakemake to compute it again"
            )
    return {language: by_language[language] for language in languages}


def _rows_of(states: States, key: EvaluationKey) -> Iterator[dict[str, Any]]:
    path, found = states.grid.paths.scores(key), scores_of(states, key)
    versions = states.versions(key)
    for language in found.keys() - scores.verified_languages(path, found.values()):
        raise scores.changed(path, language, scores.OTHER_PREDICTIONS)
    for language, score in found.items():
        try:
            yield _row(score, versions.get(language, ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise LineageError(
                f"{path}: {language}: not a complete score: {problem}; delete the file and run "
                "snakemake"
            ) from error


def _check_belongs(where: str, score: Score, key: EvaluationKey, spec: str) -> None:
    for name, expected in zip(("encoder", "condition", "seed", "target"), key, strict=True):
        if score.get(name) != expected:
            raise LineageError(
                f"{where}: is in the wrong file: its {name} is {score.get(name)!r}, "
                f"not {expected!r}; delete the file and run snakemake"
            )
    if score.get("spec") != spec:
        raise LineageError(
            f"{where}: was not computed as this study asks: its spec is "
            f"{str(score.get('spec'))[:12]}, not {spec[:12]}; run snakemake to compute it again"
        )


def _row(content: Score, other_version: str) -> dict[str, Any]:
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
        "digest": content["digest"],
        "other_version": other_version,
        **{METRIC_PREFIX + name: value for name, value in metrics.items()},
    }


def _number(name: str, value: Any) -> float | None:
    """A finite number, or None for an undefined metric."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"metric {name!r} is {value!r}, not a number")
    return float(value)
