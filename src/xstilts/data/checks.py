"""Check examples against their card and their task type, before they are written."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xstilts.config.task_card import FROM_DATA
from xstilts.data.readers.text import shown
from xstilts.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from xstilts.config.task_card import TaskCard
    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example
    from xstilts.data.reading import Reading

PLACEHOLDER_LABELS = 100
"""If at least so many labels are all the same, they count as placeholders."""
_LONGEST = 500
"""Characters of a fault in a message: it may quote names of any length."""
EMPTY_TOLERATED = 0.01
"""Share of examples that may have an empty text: benchmarks have some, a wrong column has many."""


def check_examples(
    card: TaskCard, schema: TaskSchema, reading: Reading, where: str, *, scored: bool
) -> Counter[str]:
    """Raise `DataError` for the first fault; return remarks on the examples with an empty text.

    ``scored``: the examples are those of a test split, which needs right answers.
    """
    rows = reading.rows
    if not rows:
        why = "; ".join(f"{count:,} x {words}" for words, count in reading.remarks.items())
        raise DataError(f"{where}: holds no examples{f' ({why})' if why else ''}")
    check_rows(schema, rows, where)
    check_labels(card, schema, rows, where)
    if scored:
        check_gold(card, schema, rows, where)
    return check_texts(schema, rows, where)


def check_rows(schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` for wrong columns or values, and for two rows with one id."""
    columns = schema.columns()
    names = set(columns.names)
    for number, row in enumerate(rows, start=1):
        if set(row) != names:
            raise DataError(
                f"{where}: row {number}: expected the columns {sorted(names)}, "
                f"found {shown(sorted(row))}"
            )
        for column in columns:
            value = row[column.name]
            if value is None and column.nullable:
                continue
            if problem := value_fault(value, column.type):
                raise DataError(
                    f"{where}: row {number}, id {shown(row['id'])}: {column.name}: {problem}"
                )
    counts = Counter(map(schema.identity, rows))
    if twice := next((identity for identity, count in counts.items() if count > 1), None):
        raise DataError(f"{where}: two examples have the id {twice[0]!r:.80}")


def value_fault(value: Any, kind: pa.DataType) -> str | None:
    """What keeps a value from being of a type of parquet; None if it is. No value may be null."""
    import pyarrow.types as types

    if types.is_string(kind):
        return _text_fault(value)
    if types.is_list(kind):
        if not isinstance(value, list):
            return f"expected a list, found {shown(value)}"
        faults = (value_fault(item, kind.value_type) for item in value)
        return next((fault for fault in faults if fault), None)
    if types.is_struct(kind):
        if not isinstance(value, dict) or set(value) != {field.name for field in kind}:
            keys = ", ".join(field.name for field in kind)
            return f"expected an object of {keys}, found {shown(value)}"
        faults = (value_fault(value[field.name], field.type) for field in kind)
        return next((fault for fault in faults if fault), None)
    return _number_fault(value, kind)


def _number_fault(value: Any, kind: pa.DataType) -> str | None:
    import pyarrow as pa

    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"expected a number, found {shown(value)}"
    try:
        pa.scalar(value, kind)
    except (pa.ArrowException, OverflowError):
        return f"{shown(value)} is no number of type {kind}"
    return None


def _text_fault(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"expected a text, found {shown(value)}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"half of a surrogate pair, which is no character, in {shown(value)}"
    return None


def check_texts(schema: TaskSchema, rows: Sequence[Example], where: str) -> Counter[str]:
    """Count examples with an empty text, by remark; raise `DataError` if there are many."""
    remarks: Counter[str] = Counter()
    for name in schema.texts:
        empty = [row for row in rows if _has_empty(row[name])]
        if len(empty) > EMPTY_TOLERATED * len(rows):
            raise DataError(
                f"{where}: {name}: {len(empty):,} of {len(rows):,} examples have an empty text, "
                f"such as {empty[0]['id']!r:.80}: the card names another column or file than meant"
            )
        if empty:
            remarks[f"example kept: its {name} is empty"] = len(empty)
    return remarks


def _has_empty(value: str | list[str] | None) -> bool:
    if value is None:
        return False
    return any(not text.strip() for text in ([value] if isinstance(value, str) else value))


def check_labels(card: TaskCard, schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` for the first fault of an example, and for placeholder labels.

    XTREME's downloader overwrites most test labels by one constant; scored against, that gives a
    third on XNLI and nothing on TyDiQA (google-research/xtreme issues 24 and 66).
    """
    labels = labels_in(schema, rows) if card.labels == FROM_DATA else card.label_list
    for row in rows:
        for fault in schema.faults(row, labels):
            raise DataError(f"{where}: example {row['id']!r:.80}: {fault:.{_LONGEST}}")
    for fault in schema.label_faults(labels, card.scorer):
        raise DataError(f"{where}: {fault:.{_LONGEST}}")
    for fault in schema.faults_of_all(rows):
        raise DataError(f"{where}: {fault:.{_LONGEST}}")
    counts = Counter(label for row in rows for label in schema.labels_of(row))
    if len(counts) == 1 and counts.total() >= PLACEHOLDER_LABELS:
        raise DataError(
            f"{where}: all {counts.total()} labels are {next(iter(counts))!r:.80}: "
            "this copy has placeholder labels; give a source with the true ones"
        )


def check_gold(card: TaskCard, schema: TaskSchema, rows: Sequence[Example], where: str) -> None:
    """Raise `DataError` for a test example without a right answer.

    Exceptions: in SQuAD 2.0 "no answer" is a right answer, and most BUCC sentences have no
    translation.
    """
    for fault in schema.gold_faults(rows, card.scorer):
        raise DataError(f"{where}: {fault:.{_LONGEST}}")


def labels_in(schema: TaskSchema, rows: Iterable[Example]) -> list[str]:
    """The labels that occur in some examples, sorted."""
    return sorted({str(label) for row in rows for label in schema.labels_of(row)})
