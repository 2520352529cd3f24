"""How fast an encoder is trained and read on a device.

Measured in earlier trainings; else those of another encoder, by the ratio of the sizes; else
floating-point operations (6 a parameter and token in training, 2 in reading; Kaplan et al. 2020,
section 2.1) over a device's stated peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from xstilts.config.tables import read_table_if_present
from xstilts.errors import StudyError, unknown
from xstilts.provenance import files
from xstilts.training.log import last_line

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid

START_UP = 20.0
"""Seconds of a job before it computes, where no run has told: a guess."""


@dataclass(frozen=True)
class Shape:
    """What of an encoder costs: its layers' parameters, and its embedding matrix."""

    body: float
    hidden: int
    vocabulary: int
    basis: str


def shape_of(grid: Grid, encoder: str, costs: Path) -> Shape:
    """From the fetched encoder's ``config.json``, else from config/costs/encoders.tsv."""
    config = files.read_json_object(grid.encoder(encoder).stamp.parent / "config.json")
    try:
        h, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        body = layers * (4.0 * h * h + 2.0 * h * int(config["intermediate_size"]))
        return Shape(body, h, int(config["vocab_size"]), "counted")
    except (KeyError, TypeError, ValueError):
        pass
    for row in read_table_if_present(costs / "encoders.tsv"):
        if row["encoder"] == encoder:
            body = float(row["body"]) * 1e6
            return Shape(body, int(row["hidden"]), int(row["vocabulary"]), "declared")
    return Shape(85e6, 768, 250_002, "guessed")


@dataclass(frozen=True)
class Rate:
    """Tokens a second in training and in reading, and a job's start-up; how they are known.

    Of one process: several that share a training are taken to be as many times as fast.
    """

    train: float
    read: float
    start_up: float
    basis: str


class Rates:
    """How fast the encoders of a grid are trained on a device."""

    def __init__(self, grid: Grid, costs: Path, device: str | None) -> None:
        """``device``: a row of config/costs/devices.tsv; None: that of earlier runs, else a100."""
        self._grid, self._device = grid, device
        self.shape = cache(lambda encoder: shape_of(grid, encoder, costs))
        self._devices = {row["device"]: row for row in read_table_if_present(costs / "devices.tsv")}
        if device is not None and device not in self._devices:
            raise StudyError(f"--device: {unknown('device', device, self._devices)}")
        self.of = cache(self._of)

    def _of(self, encoder: str) -> Rate:
        """The rate of an encoder."""
        if measured := self._measured(encoder):
            train, start_up, runs = measured
            return Rate(train, 3 * train, start_up, f"measured in {runs} trainings")
        size = self.shape(encoder).body
        for other in self._grid.study.encoders:
            if measured := self._measured(other):
                ratio = self.shape(other).body / size
                train = measured[0] * ratio
                return Rate(train, 3 * train, measured[1], f"scaled from {other} by its size")
        name = self._device or "a100"
        row = self._devices.get(name, {"peak": "312", "share": "0.35"})
        speed = float(row["peak"]) * 1e12 * float(row["share"])
        basis = f"estimated: {float(row['share']):.0%} of the peak of one {name}"
        return Rate(speed / (6 * size), speed / (2 * size), START_UP, basis)

    @cache  # noqa: B019 - an object of one command
    def _measured(self, encoder: str) -> tuple[float, float, int] | None:
        """Tokens a second, start-up and number of the latest trainings of any study."""
        root = self._grid.paths.resources
        curves = sorted(root.glob(f"checkpoints/{encoder}/*/log.jsonl"), key=_time)[-50:]
        tokens = seconds = start_up = runs = 0.0
        for curve in curves:
            last, run = last_line(curve) or {}, files.read_json_object(curve.with_name("run.json"))
            named = f"{run.get('device_name', '')} {run.get('device', '')}".lower()
            if "tokens" not in last or (self._device and self._device not in named):
                continue
            tokens += last["tokens"]
            seconds += last["seconds"]
            start_up += max(0.0, run.get("seconds", 0.0) - last["seconds"])
            runs += 1
        return (tokens / seconds, start_up / runs, int(runs)) if seconds else None


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
