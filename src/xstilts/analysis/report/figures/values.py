"""What figures show, as values: marks, strips, cells of a heat map, points, lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from xstilts.analysis.report.data_table import DataTable
    from xstilts.analysis.statistics.contrast import Contrast, Interval, Verdict


@dataclass(frozen=True)
class Mark:
    """An effect in points with its two intervals."""

    value: float
    inner: Interval | None = None
    """About these languages."""
    outer: Interval | None = None
    """About languages like these."""
    firm: bool = False
    """Whether the verdict is a gain or a loss."""

    @classmethod
    def of(cls, contrast: Contrast) -> Mark | None:
        """The mark of a contrast; None if it is undefined."""
        if contrast.estimate != contrast.estimate:
            return None
        return cls(
            contrast.estimate,
            inner=contrast.these.interval if contrast.these else None,
            outer=contrast.like_these.interval if contrast.like_these else None,
            firm=contrast.verdict() in ("gain", "loss"),
        )


@dataclass(frozen=True)
class Strip:
    """The marks of a condition, one for each category; None where there is no value."""

    name: str
    marks: Sequence[Mark | None]


class HeatCell(NamedTuple):
    """A cell of a heat map; its value is NaN if it is undefined."""

    value: float
    verdict: Verdict


@dataclass(frozen=True)
class HeatMap:
    """Conditions by targets. Each column has a scale of its own."""

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[HeatCell]]


@dataclass(frozen=True)
class Slope:
    """Gains of a condition against the size of pretraining data, with the line and its band."""

    name: str
    sizes: Sequence[float]
    """log10 of GiB."""
    gains: Sequence[float]
    """In points, each without the mean of its target; the overall mean is added back."""
    slope: float
    """Points per tenfold size."""
    interval: Interval | None
    """Of the slope."""


@dataclass(frozen=True)
class Profile:
    """How often a condition gains at least so many points."""

    name: str
    gains: Sequence[float]
    """Of each target and language, in points, in ascending order."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure with its finding, its table and what it shows in words."""

    table: DataTable
    """Its name is also that of the figure's files."""
    title: str
    """The finding."""
    description: str
    drawing: Figure | None
    """None where there is nothing to draw: the title says why."""

    @property
    def identifier(self) -> str:
        """The id of the figure on the page."""
        return f"figure-{self.table.name.replace('/', '-')}"
