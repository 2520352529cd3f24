"""A study's predictions in the layout of XTREME's submissions, a folder for each trained system.

::

    results/<study>/submission/labels/<task>/test-<language>.*
    results/<study>/submission/<encoder>/<condition>/seed<k>/<task>/test-<language>.*

The labels are those that the study was scored with, in the same layout: ``xstilts score`` on these
folders gives the study's scores. A submission holds only targets with the name of a benchmark task,
so that a stand-in such as ``mlqa_dev`` is not mistaken for the task itself.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.analysis import score_submission
from xstilts.analysis.table import scores_of
from xstilts.data import examples
from xstilts.errors import StudyError
from xstilts.evaluation import scores
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.files import write_text
from xstilts.provenance.stamp import verify, write_stamp
from xstilts.status.states import States, scores_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.grid.artefacts import Grid

    Row = dict[str, Any]

LABELS = {"pawsx": {"different": "0", "paraphrase": "1"}}
"""The labels of the benchmark, for cards with other labels."""


class FileTexts(NamedTuple):
    """The texts of a prediction file and of its label file."""

    predictions: str
    labels: str


def write(grid: Grid) -> None:
    """Replace all submissions of a study; the stamp that lists their files is written last.

    Raises `StudyError` if the study has no target of the benchmarks, `LineageError` if a score is
    missing or does not belong to this study.
    """
    tasks = [target for target in grid.resolved.targets if target in score_submission.TASKS]
    if not tasks:
        raise StudyError(
            f"study {grid.study.study!r}: no target is a task of XTREME or XTREME-R; add one of "
            f"{', '.join(score_submission.TASKS)}"
        )
    stamp = grid.submission.stamp
    home = stamp.parent
    shutil.rmtree(home, ignore_errors=True)
    files: dict[Path, str] = {}
    states = States(grid)
    for key in grid.reads.evaluations():
        target = key.target
        if target not in tasks:
            continue
        system = home / key.encoder / key.condition / f"seed{key.seed}"
        for language, score in scores_of(states, key).items():
            name = f"{target}/test-{language}.{score_submission.TASKS[target].suffix}"
            rows = scores.predictions(grid.paths.scores(key), score).to_pylist()
            pair = texts(grid, target, language, rows)
            files[system / name], files[home / "labels" / name] = pair
    for path, text in files.items():
        write_text(path, text)
    write_stamp(
        stamp,
        spec=grid.submission.digest,
        inputs={"scores": scores_digest(grid)},
        files=sorted(files),
        outcomes={"tasks": tasks},
    )


def texts(grid: Grid, target: str, language: str, rows: Sequence[Row]) -> FileTexts:
    """The two files of a target and language; ``rows`` are its predictions."""
    if target in _RETRIEVAL:
        stamp = grid.examples_stamp(ExamplesKey(target, "test", language))
        verify(stamp)
        all_items = examples.read(stamp.with_suffix(".parquet"))
        limit = grid.study.evaluation.limit(target)
        items = examples.first(grid.cards.schema(target), all_items, limit)
        return _RETRIEVAL[target](rows, items)
    return _LAYOUTS[target](target, rows)


# --- layouts: a function for each layout ---------------------------------------------------------


def labels(task: str, rows: Sequence[Row]) -> FileTexts:
    """One label a line."""
    known = LABELS.get(task, {})
    return _both_sides(lambda side: (str(known.get(row[side], row[side])) for row in rows))


def choices(task: str, rows: Sequence[Row]) -> FileTexts:
    """JSON lines with a ``label``, the number of the choice."""
    return _both_sides(lambda side: (json.dumps({"label": row[side]}) for row in rows))


def tags(task: str, rows: Sequence[Row]) -> FileTexts:
    """One tag a line, a blank line after each sentence."""
    return _both_sides(lambda side: (line for row in rows for line in (*row[side], "")))


def answers(task: str, rows: Sequence[Row]) -> FileTexts:
    """``{id: text}``; the labels are a SQuAD file without contexts."""
    questions = [
        {"id": row["id"], "answers": [{"text": text} for text in row["gold"]]} for row in rows
    ]
    gold = {"data": [{"paragraphs": [{"context": "", "qas": questions}]}]}
    return FileTexts(_json({row["id"]: row["prediction"] for row in rows}), _json(gold))


def nearest(rows: Sequence[Row], items: Sequence[Example]) -> FileTexts:
    """Tatoeba: for each English sentence the number of a foreign one, from 0."""
    candidates = [item["id"] for item in items if item["side"] == "candidate"]
    numbers = {name: str(number) for number, name in enumerate(candidates)}
    return FileTexts(
        _lines(numbers[row["prediction"]] for row in rows),
        _lines(numbers[row["gold"][0]] for row in rows),
    )


def pairs(rows: Sequence[Row], items: Sequence[Example]) -> FileTexts:
    """BUCC: the ids of a pair a line."""
    return FileTexts(
        _lines(f"{row['id']}\t{row['prediction']}" for row in rows if row["kept"]),
        _lines(f"{item['id']}\t{name}" for item in items for name in item["relevant"]),
    )


def rankings(rows: Sequence[Row], items: Sequence[Example]) -> FileTexts:
    """Mewsli-X: ``{mention: [entities, best first]}``."""
    return FileTexts(
        _json({row["id"]: row["prediction"] for row in rows}),
        _json({row["id"]: row["gold"] for row in rows}),
    )


_LAYOUTS: dict[str, Callable[[str, Sequence[Row]], FileTexts]] = {
    "xnli": labels,
    "pawsx": labels,
    "xcopa": choices,
    "panx": tags,
    "udpos": tags,
    "xquad": answers,
    "mlqa": answers,
    "tydiqa": answers,
}
_RETRIEVAL: dict[str, Callable[[Sequence[Row], Sequence[Example]], FileTexts]] = {
    "tatoeba": nearest,
    "bucc2018": pairs,
    "mewslix": rankings,
}


def _both_sides(lines: Callable[[str], Iterable[str]]) -> FileTexts:
    return FileTexts(_lines(lines("prediction")), _lines(lines("gold")))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
