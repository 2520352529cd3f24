"""What every maker of rows shares: the type of a row, and collecting different ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xstilts_demo.cldr import Vocabulary, currency_of, language_of

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, object]
"""One example without its id."""

REGION_NAMES = {
    "africa": "Africa",
    "america": "the Americas",
    "asia": "Asia",
    "europe": "Europe",
    "oceania": "Oceania",
}


def distinct(make: Callable[[int], Row | None], count: int) -> list[Row]:
    """`count` different rows. `make` is given the number of rows so far, and may answer None to be
    asked again."""
    rows: dict[str, Row] = {}
    for _ in range(200 * count):
        row = make(len(rows))
        if row is not None:
            rows.setdefault(json.dumps(row, sort_keys=True), row)
        if len(rows) == count:
            return list(rows.values())
    raise RuntimeError(f"only {len(rows)} of {count} different rows could be made")


def related(words: Vocabulary, kind: str, territory: str) -> str | None:
    """The name that a territory gives to a kind: itself, its currency or its language, where this
    half has it."""
    keys = {
        "territory": territory,
        "currency": currency_of().get(territory),
        "language": language_of().get(territory),
    }
    key = keys.get(kind)
    return None if key is None else words.names[kind].get(key)
