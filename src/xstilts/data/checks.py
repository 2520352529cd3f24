"""Check examples against their card and their task type, before they are written."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xstilts.config.task_card import FROM_DATA
from xstilts.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xstilts.config.task_card import TaskCard
    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example

PLACEHOLDER_LABELS = 100
"""If at least so many labels are all the same, they count as placeholders."""


def check_rows(schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` if there are no rows, for wrong columns, and for two rows with one id."""
    if not rows:
        raise DataError(f"{where}: holds no examples")
    columns = set(schema.columns().names)
    for number, row in enumerate(rows, start=1):
        if set(row) != columns:
            raise DataError(
                f"{where}: row {number}: expected the columns {sorted(columns)}, "
                f"found {sorted(row)}"
            )
    counts = Counter(map(schema.identity, rows))
    if twice := next((identity for identity, count in counts.items() if count > 1), None):
        raise DataError(f"{where}: two examples have the id {twice[0]!r}")


def check_labels(card: TaskCard, schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` for the first fault of an example, and for placeholder labels.

    XTREME's downloader overwrites most test labels by one constant; scored against, that gives a
    third on XNLI and nothing on TyDiQA (google-research/xtreme issues 24 and 66).
    """
    labels = labels_in(schema, rows) if card.labels == FROM_DATA else card.label_list
    for row in rows:
        for fault in schema.faults(row, labels):
            raise DataError(f"{where}: example {row['id']!r}: {fault}")
    for fault in schema.label_faults(labels, card.scorer):
        raise DataError(f"{where}: {fault}")
    for fault in schema.faults_of_all(rows):
        raise DataError(f"{where}: {fault}")
    counts = Counter(label for row in rows for label in schema.labels_of(row))
    if len(counts) == 1 and counts.total() >= PLACEHOLDER_LABELS:
        raise DataError(
            f"{where}: all {counts.total()} labels are {next(iter(counts))!r}: "
            "this copy has placeholder labels; give a source with the true ones"
        )


def check_gold(card: TaskCard, schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` for a test example without a right answer.

    Exceptions: in SQuAD 2.0 "no answer" is a right answer, and most BUCC sentences have no
    translation.
    """
    for fault in schema.gold_faults(rows, card.scorer):
        raise DataError(f"{where}: {fault}")


def labels_in(schema: TaskSchema, rows: Iterable[Example]) -> list[str]:
    """The labels that occur in some examples, sorted."""
    return sorted({str(label) for row in rows for label in schema.labels_of(row)})
