"""Remarks: what a reader did not take from a file as it stands there.

A reader yields a remark in the place of an example that it leaves out, or before one that it
changes. `xstilts.data.prepare` counts them by their words; the stamp of the examples holds the
counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.data.examples import Example

    Rows = Iterator[Example | "Remark"]
    """What a reader yields."""


class Remark(NamedTuple):
    """One row, answer or token that was left out or changed; ``words`` say what and why."""

    words: str
