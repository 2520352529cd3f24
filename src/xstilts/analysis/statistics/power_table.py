"""The output of ``xstilts power``: what numbers of seeds can show, as lines of text or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from xstilts.analysis.statistics import power

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.analysis.statistics.power import Estimand, Plan, Spreads


@dataclass(frozen=True)
class Line:
    """What one number of seeds can show under one estimand."""

    estimand: Estimand
    seeds: int
    baseline_seeds: int
    half_width: float
    """Half the expected 95 % interval, in points."""
    power: float
    """Probability that the gain is found."""
    equivalence: float
    """Probability that a gain of zero is shown to be negligible."""


@dataclass(frozen=True)
class PowerTable:
    """The lines for a plan, and the fewest seeds and items that are enough."""

    spreads: Spreads
    plan: Plan
    gain: float
    margin: float
    lines: tuple[Line, ...]
    needed_seeds: dict[Estimand, int | None]
    """For a power of 80 %; None if no number of seeds is enough."""
    needed_items: dict[Estimand, int | None]
    """Test items of a language, with the plan's seeds; empty if item noise is left out."""


def power_table(
    spreads: Spreads, plan: Plan, seeds: Sequence[int], gain: float, margin: float
) -> PowerTable:
    """What ``seeds`` can show; the baseline's seeds keep their ratio to those of the conditions."""
    ratio = plan.baseline_seeds / plan.seeds
    lines = []
    for estimand in power.ESTIMANDS:
        for number in seeds:
            planned = replace(plan, seeds=number, baseline_seeds=max(2, round(number * ratio)))
            error = power.expected_error(spreads, planned, estimand)
            lines.append(
                Line(
                    estimand,
                    number,
                    planned.baseline_seeds,
                    power.half_width(error),
                    power.power(error, gain),
                    power.power_of_equivalence(error, margin),
                )
            )
    return PowerTable(
        spreads,
        plan,
        gain,
        margin,
        tuple(lines),
        {e: power.needed_seeds(spreads, plan, gain, e) for e in power.ESTIMANDS},
        {e: power.needed_items(spreads, plan, gain, e) for e in power.ESTIMANDS}
        if spreads.item
        else {},
    )


def as_text(table: PowerTable, name: str) -> str:
    """The table as lines of text under a name."""
    s, plan = table.spreads, table.plan
    lines = [
        f"{name}: SD of runs {s.run:.2f}, languages {s.language:.2f}, runs in single languages "
        f"{s.interaction:.2f} points; {plan.languages} languages, {plan.targets} "
        f"{'target' if plan.targets == 1 else 'targets'}",
        f"  {'':<22} seeds  baseline  95 % interval  finds {table.gain:g}  shows |gain| < "
        f"{table.margin:g}",
    ]
    for line in table.lines:
        lines.append(
            f"  {line.estimand:<22} {line.seeds:>5}  {line.baseline_seeds:>8}  "
            f"{f'± {line.half_width:.1f}':>13}  {line.power:>{len(f'finds {table.gain:g}')}.0%}  "
            f"{line.equivalence:>15.0%}"
        )
    lines += [
        f"  {estimand}: {_count(seeds, 'seeds')} for a power of {power.POWER:.0%}"
        for estimand, seeds in table.needed_seeds.items()
    ]
    lines += [
        f"  {estimand}: {_count(items, 'test items of a language')} with {plan.seeds} seeds"
        for estimand, items in table.needed_items.items()
    ]
    return "\n".join(lines)


def as_json(table: PowerTable) -> dict[str, object]:
    """The table as a JSON object."""
    return asdict(table)


def _count(number: int | None, what: str) -> str:
    return f"no number of {what} is enough" if number is None else f"{number:,} {what}"
