"""A study's predictions in the layout of XTREME's submissions, one for each trained system.

::

    results/<study>/submission/labels/<task>/test-<language>.*
    results/<study>/submission/<encoder>/<condition>/seed<k>/<task>/test-<language>.*

``xstilts score`` gives the cells' numbers for them: labels are what the cells were scored against,
in the same layout. Only targets that bear the name of a benchmark task are in it: a stand-in such
as ``mlqa_dev`` must not pass for the task itself.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from xstilts.analysis import score_submission
from xstilts.analysis.table import scores_of
from xstilts.data import examples
from xstilts.errors import StudyError
from xstilts.evaluation import scores
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.files import write_text
from xstilts.provenance.stamp import verify, write_stamp
from xstilts.status.states import scores_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.grid.artefacts import Grid

    Row = dict[str, Any]
    Texts = tuple[str, str]  # of the prediction file and of the label file

LABELS = {"pawsx": {"different": "0", "paraphrase": "1"}}
"""The benchmark's labels where a card has others."""


def write(grid: Grid) -> None:
    """Write all submissions of a study anew, and the stamp that lists their files last.

    Raises `StudyError` where the study has no target of the benchmarks, `LineageError` where a cell
    is missing or not of this study.
    """
    tasks = [target for target in grid.resolved.targets if target in score_submission.TASKS]
    if not tasks:
        raise StudyError(
            f"study {grid.study.study!r}: no target is a task of XTREME or XTREME-R; "
            f"they are {', '.join(score_submission.TASKS)}"
        )
    stamp = grid.submission.stamp
    home = stamp.parent
    shutil.rmtree(home, ignore_errors=True)
    files: dict[Path, str] = {}
    for key in grid.reads.evaluations():
        target = key.target
        if target not in tasks:
            continue
        system = home / key.encoder / key.condition / f"seed{key.seed}"
        for language, score in scores_of(grid, key).items():
            name = f"{target}/test-{language}.{score_submission.TASKS[target].suffix}"
            rows = scores.predictions(grid.paths.scores(key), score).to_pylist()
            files[system / name], files[home / "labels" / name] = texts(
                grid, target, language, rows
            )
    for path, text in files.items():
        write_text(path, text)
    write_stamp(
        stamp,
        spec=grid.submission.digest,
        inputs={"scores": scores_digest(grid)},
        files=sorted(files),
        outcomes={"tasks": tasks},
    )


def texts(grid: Grid, target: str, language: str, rows: Sequence[Row]) -> Texts:
    """A cell's prediction file and label file, from its predictions."""
    if target in _RETRIEVAL:
        stamp = grid.examples_stamp(ExamplesKey(target, "test", language))
        verify(stamp)
        read = examples.read(stamp.with_suffix(".parquet"))
        given = examples.first(read, grid.study.evaluation.limit(target))
        return _RETRIEVAL[target](rows, given)
    return _LAYOUTS[target](target, rows)


# --- layouts: one function a kind of task --------------------------------------------------------


def labels(task: str, rows: Sequence[Row]) -> Texts:
    """One label a line."""
    known = LABELS.get(task, {})
    return tuple(  # type: ignore[return-value]
        _lines(str(known.get(row[side], row[side])) for row in rows)
        for side in ("prediction", "gold")
    )


def choices(task: str, rows: Sequence[Row]) -> Texts:
    """JSON lines with a ``label``, the number of the choice."""
    return tuple(  # type: ignore[return-value]
        _lines(json.dumps({"label": row[side]}) for row in rows) for side in ("prediction", "gold")
    )


def tags(task: str, rows: Sequence[Row]) -> Texts:
    """One tag a line, a blank line after each sentence."""
    return tuple(  # type: ignore[return-value]
        _lines(line for row in rows for line in (*row[side], "")) for side in ("prediction", "gold")
    )


def answers(task: str, rows: Sequence[Row]) -> Texts:
    """``{id: text}``; the labels as a SQuAD file without its texts."""
    questions = [
        {"id": row["id"], "answers": [{"text": text} for text in row["gold"]]} for row in rows
    ]
    gold = {"data": [{"paragraphs": [{"context": "", "qas": questions}]}]}
    return _json({row["id"]: row["prediction"] for row in rows}), _json(gold)


def nearest(rows: Sequence[Row], given: Sequence[Example]) -> Texts:
    """Tatoeba: for each English sentence the place of a foreign one, from 0."""
    candidates = [row["id"] for row in given if row["side"] == "candidate"]
    place = {name: str(number) for number, name in enumerate(candidates)}
    return (
        _lines(place[row["prediction"]] for row in rows),
        _lines(place[row["gold"][0]] for row in rows),
    )


def pairs(rows: Sequence[Row], given: Sequence[Example]) -> Texts:
    """BUCC: the ids of a pair a line."""
    return (
        _lines(f"{row['id']}\t{row['prediction']}" for row in rows if row["kept"]),
        _lines(f"{row['id']}\t{name}" for row in given for name in row["relevant"]),
    )


def rankings(rows: Sequence[Row], given: Sequence[Example]) -> Texts:
    """Mewsli-X: ``{mention: [entities, best first]}``."""
    return (
        _json({row["id"]: row["prediction"] for row in rows}),
        _json({row["id"]: row["gold"] for row in rows}),
    )


_LAYOUTS: dict[str, Callable[[str, Sequence[Row]], Texts]] = {
    "xnli": labels,
    "pawsx": labels,
    "xcopa": choices,
    "panx": tags,
    "udpos": tags,
    "xquad": answers,
    "mlqa": answers,
    "tydiqa": answers,
}
_RETRIEVAL: dict[str, Callable[[Sequence[Row], Sequence[Example]], Texts]] = {
    "tatoeba": nearest,
    "bucc2018": pairs,
    "mewslix": rankings,
}


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
