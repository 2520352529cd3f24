"""The problems of a claims file with the cards that it names: one line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.config.claims import (
    EVERY,
    OWN,
    BestCondition,
    Cells,
    Comparisons,
    Covers,
    Gain,
    HasConditions,
    Lineage,
)
from xstilts.config.conditions import MULTI, NONE, base_of, parse_condition
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from xstilts.config.catalogue import Catalogue
    from xstilts.config.claims import Claim, Claims


def problems(claims: Claims, cards: Catalogue) -> list[str]:
    """Every problem of a claims file, in the order of its keys; an empty list if it can be judged.

    Raises `StudyError` where a card that decides about a claim cannot be read.
    """
    ids = [claim.id for claim in claims.claims]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    return [
        *(f"claim {name}: two claims have this id; change one" for name in twice),
        *_group_problems(claims, cards),
        *(
            f"claim {claim.id}: {claim.kind}.{problem}"
            for claim in claims.claims
            for problem in _problems_of(claim, claims, cards)
        ),
    ]


def _group_problems(claims: Claims, cards: Catalogue) -> Iterator[str]:
    taken = {*cards.tasks, NONE, MULTI, EVERY}
    for name, members in claims.groups.items():
        if name in taken:
            yield f"groups.{name}: is the name of a task or condition; choose another"
        yield from _unknown_conditions(f"groups.{name}", members, cards)


def _problems_of(claim: Claim, claims: Claims, cards: Catalogue) -> Iterator[str]:
    measure = claim.measure
    allows_every = not isinstance(measure, Covers | HasConditions)
    if isinstance(measure, Comparisons | HasConditions | Lineage):
        names = _named(measure.conditions, claims, EVERY if allows_every else None)
        yield from _unknown_conditions("conditions", names, cards, claims.groups)
    if isinstance(measure, Comparisons):
        against = _named(measure.against, claims, None)
        yield from _unknown_conditions("against", against, cards, claims.groups)
        pairs = [name for pair in measure.pairs.items() for name in pair]
        yield from _unknown_conditions("pairs", pairs, cards)
    if isinstance(measure, Comparisons | BestCondition | Covers | Lineage):
        targets = _named(measure.targets, claims, EVERY if allows_every else None)
        yield from _unknown_targets("targets", targets, cards, claims.groups)
    if isinstance(measure, Covers):
        yield from _outside("by_target", measure.by_target, claims.expand(measure.targets))
    if isinstance(measure, Lineage):
        yield from _outside("without_recipe", measure.without_recipe, cards.tasks)
    if isinstance(measure, Gain):
        yield from _gain_problems(measure, claims, cards)
    if isinstance(measure, Cells):
        yield from _cell_problems(measure, cards)


def _named(names: str | list[str], claims: Claims, word: str | None) -> list[str]:
    return [name for name in claims.expand(names) if name != word]


def _unknown_conditions(
    key: str, names: Collection[str], cards: Catalogue, groups: Collection[str] = ()
) -> list[str]:
    allowed = {*cards.tasks, NONE, MULTI}
    return [
        f"{key}: {unknown('condition', name, {*allowed, *groups})}"
        for name in names
        if base_of(parse_condition(name).steps_of or name) not in allowed
    ]


def _unknown_targets(
    key: str, names: Collection[str], cards: Catalogue, groups: Collection[str] = ()
) -> Iterator[str]:
    for name in names:
        if name not in cards.tasks:
            yield f"{key}: {unknown('target', name, {*cards.tasks, *groups})}"
        elif "test" not in cards.task(name).splits:
            yield f"{key}: {name!r} has no test split to score"


def _outside(key: str, names: Collection[str], allowed: Collection[str]) -> list[str]:
    return [f"{key}: {unknown('target', name, allowed)}" for name in names if name not in allowed]


def _gain_problems(gain: Gain, claims: Claims, cards: Catalogue) -> Iterator[str]:
    targets = [name for name in claims.expand(gain.targets) if name in cards.tasks]
    if gain.languages == OWN:
        names = [*claims.expand(gain.conditions), *gain.pairs]
        without = [name for name in names if not parse_condition(name).languages]
        yield from (f"languages: own: {name!r} names no language" for name in without)
    elif isinstance(gain.languages, list):
        offered = {code for name in targets for code in cards.task(name).split_languages("test")}
        for code in gain.languages:
            if offered and code not in offered:
                yield f"languages: {unknown('language', code, offered)}"
    if gain.metric:
        for name in targets:
            card = cards.task(name)
            allowed = cards.schema(name).scorers[card.scorer]
            layer = gain.metric.startswith(f"{card.primary}_layer_")
            if gain.metric not in allowed and not layer:
                yield f"metric: {name!r}: {unknown('metric', gain.metric, allowed)}"


def _cell_problems(cells: Cells, cards: Catalogue) -> Iterator[str]:
    yield from _unknown_targets("cells", cells.cells, cards)
    for name, codes in cells.cells.items():
        if name in cards.tasks and "test" in cards.task(name).splits:
            offered = cards.task(name).split_languages("test")
            for code in codes:
                if code not in offered:
                    yield f"cells.{name}: {unknown('language', code, offered)}"
