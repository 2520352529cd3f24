"""What the examples of a study are not: rows that readers left out or changed, as values.

The stamp of prepared examples counts these rows by what was done and why. The page shows them with
the other two decisions of people about data: training sets that the study declares to hold no test
item, and files that a card allows to be larger than usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from xstilts.analysis.report.data_table import Column, DataTable
from xstilts.analysis.report.files import LEFT_OUT
from xstilts.config.raw_file import RawFile
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.grid.artefacts import Grid

USUAL_BYTES = int(RawFile.model_fields["max_bytes"].default)


class LeftOut(NamedTuple):
    """How many rows of a file were left out, moved or kept although empty, and why."""

    task: str
    split: str
    language: str
    number: int
    reason: str


class DeclaredApart(NamedTuple):
    """A training task that the study declares to hold no item of a target."""

    training: str
    target: str


class LargeFile(NamedTuple):
    """A raw file of a task that may be larger than a file usually may."""

    task: str
    file: str
    max_bytes: int


@dataclass(frozen=True)
class DataNotes:
    """Everything of the part "What was left out of the data"."""

    left_out: list[LeftOut]
    without_stamp: int
    """Tasks, splits and languages whose stamp is not there: what was left out is not known."""
    apart: list[DeclaredApart]
    large_files: list[LargeFile]

    @property
    def table(self) -> DataTable:
        """The rows that were left out or changed."""
        columns = (
            Column("task", "name", "task"),
            Column("split", "text", "split"),
            Column("language", "name", "language"),
            Column("rows", "count", "number"),
            Column("what was done, and why", "text", "reason"),
        )
        frame = pd.DataFrame(self.left_out, columns=list(LeftOut._fields))
        caption = "Rows that were left out, changed or kept although empty, by task and language"
        return DataTable(LEFT_OUT, caption, columns, frame)


def data_notes(grid: Grid) -> DataNotes:
    """The notes on the data of a grid, from the stamps of its examples, its study and its cards."""
    needed = [
        ExamplesKey(task, split, language)
        for task, split, languages in grid.reads.needed_examples()
        for language in languages
    ]
    stamps = StampReader()
    known = [
        key
        for key in needed
        if stamps.spec(grid.examples_stamp(key)) == grid.examples(key.task, key.split).digest
    ]
    return DataNotes(
        left_out=[row for key in known for row in _left_out(grid, stamps, key)],
        without_stamp=len(needed) - len(known),
        apart=[
            DeclaredApart(training, target)
            for training, targets in grid.study.known_apart.items()
            for target in targets
        ],
        large_files=sorted({file for key in needed for file in _large_files(grid, key)}),
    )


def _left_out(grid: Grid, stamps: StampReader, key: ExamplesKey) -> Iterator[LeftOut]:
    remarks = stamps.outcomes(grid.examples_stamp(key)).get("remarks")
    for reason, number in remarks.items() if isinstance(remarks, dict) else ():
        if isinstance(number, int):  # a stamp may come from a stranger's archive
            yield LeftOut(key.task, key.split, key.language, number, reason)


def _large_files(grid: Grid, key: ExamplesKey) -> Iterator[LargeFile]:
    split = grid.cards.task(key.task).splits[key.split]  # type: ignore[index]
    for source in split.sources:
        for file in source.files.values():
            if file.max_bytes > USUAL_BYTES:
                yield LargeFile(key.task, file.path, file.max_bytes)
