"""Which labels a scorer of tagging can tell apart, and which it would never score.

The scorers read a chunk's tag and type from the letters of a label (`xstilts.metrics.chunk_f1`).
Labels of another form than they expect would be scored as something else, in silence.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAGS = {"span_f1": "BIES", "seqeval": "BIES", "seqeval_strict": "BI"}
"""The tags that the scorers of spans know; ``O`` is a label of its own."""
_OUTSIDE = ("O", ".")
"""First letters that seqeval takes for "in no chunk", whatever follows."""


def label_faults(labels: Sequence[str], scorer: str) -> Iterator[str]:
    """Why a scorer cannot score these labels, a line for each fault; none if it can.

    >>> list(label_faults(["O", "B-per", "B-deriv-per"], "span_f1"))
    ["span_f1 has one type 'per' for 'B-per' and 'B-deriv-per'; seqeval tells them apart"]
    """
    if scorer in _TAGS:
        yield from _malformed(labels, scorer)
    if scorer in ("span_f1", "chunk_f1_upos"):
        yield from _of_one_type(labels, scorer)
    if scorer == "chunk_f1_upos":
        yield from (
            f"chunk_f1_upos never scores {label!r}: a label in {label[0]!r} is in no chunk; use "
            "token_accuracy"
            for label in labels
            if label.startswith(_OUTSIDE) and label not in _OUTSIDE
        )


def _malformed(labels: Sequence[str], scorer: str) -> Iterator[str]:
    tags = _TAGS[scorer]
    for label in labels:
        tag, _, chunk_type = label.partition("-")
        if label != "O" and not (len(tag) == 1 and tag in tags and chunk_type):
            forms = ["O", *(f"{letter}-<type>" for letter in tags)]
            yield f"{scorer}: {unknown('form of label', label, forms)}"


def _of_one_type(labels: Sequence[str], scorer: str) -> Iterator[str]:
    """Labels of several types that the scorer, which looks after the last hyphen, takes for one."""
    named: dict[str, dict[str, str]] = defaultdict(dict)
    for label in labels:
        has_tag = scorer in _TAGS and "-" in label
        chunk_type = label.partition("-")[2] if has_tag else label
        named[label.rpartition("-")[2]].setdefault(chunk_type, label)
    for last, by_type in named.items():
        if len(by_type) > 1:
            listed = " and ".join(map(repr, by_type.values()))
            other = "seqeval tells them apart" if scorer in _TAGS else "use token_accuracy"
            yield f"{scorer} has one type {last!r} for {listed}; {other}"
