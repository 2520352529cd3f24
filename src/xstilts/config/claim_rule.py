"""Rules of claims: when a set of comparisons supports a claim, contradicts it or shows no effect.

A rule is a text such as ``all > 0`` or ``mean < 0 or at least 3 < margin``::

    rule        alternative or alternative ...
    alternative criterion and criterion ...
    criterion   QUANTIFIER SIGN VALUE
    QUANTIFIER  all, any, at least N, more than half, mean
    SIGN        > or <: the comparison lies above or below the value, by its interval or its p
                =: the 90 % interval lies within VALUE +- margin (equivalence)
                !=: the 95 % interval excludes the value
    VALUE       a number in points, margin, -margin, or published (the size of the publication)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

Quantifier = Literal["all", "any", "at least", "more than half", "mean"]
Sign = Literal[">", "<", "=", "!="]
Value = float | Literal["margin", "-margin", "published"]

_CRITERION = re.compile(
    r"(?P<quantifier>all|any|mean|more than half|at least (?P<count>[1-9][0-9]{0,3}))"
    r" (?P<sign>>|<|=|!=) "
    r"(?P<value>margin|-margin|published|[-+]?[0-9]{1,6}(\.[0-9]{1,6})?)"
)
_SHAPE = (
    "write criteria such as 'all > 0', joined by 'and' and 'or'. Allowed: all, any, mean, "
    "at least N, more than half; then >, <, = or !=; then a number, margin, -margin or published"
)


@dataclass(frozen=True)
class Criterion:
    """How many comparisons must lie where. ``count``: the N of ``at least N``, else 0."""

    quantifier: Quantifier
    sign: Sign
    value: Value
    count: int = 0

    def __str__(self) -> str:
        """As in the file: ``at least 7 > 0``."""
        count = f" {self.count}" if self.quantifier == "at least" else ""
        value = self.value if isinstance(self.value, str) else f"{self.value:.6f}".rstrip("0")
        return f"{self.quantifier}{count} {self.sign} {value.rstrip('.')}"


Rule = tuple[tuple[Criterion, ...], ...]
"""Alternatives; one holds if all of its criteria hold."""


def parse_rule(text: str) -> Rule:
    """Read a rule; raises `ValueError` with the part that is not one, and what is allowed.

    >>> [str(c) for alternative in parse_rule("mean < 0 or all = 0") for c in alternative]
    ['mean < 0', 'all = 0']
    """
    return tuple(
        tuple(_criterion(part) for part in alternative.split(" and "))
        for alternative in " ".join(text.split()).split(" or ")
    )


def _criterion(text: str) -> Criterion:
    found = _CRITERION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a criterion; {_SHAPE}")
    value, count = found["value"], found["count"]
    return Criterion(
        cast("Quantifier", "at least" if count else found["quantifier"]),
        cast("Sign", found["sign"]),
        cast("Value", value) if value.lstrip("-") in ("margin", "published") else float(value),
        int(count or 0),
    )
