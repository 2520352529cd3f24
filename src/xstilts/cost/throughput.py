"""How many tokens a second an encoder trains on and reads, on a device.

The throughput is measured in earlier trainings of the encoder. Without any, that of another encoder
is scaled by the ratio of their sizes. Else it is estimated: floating-point operations (6 a
parameter and token in training, 2 in reading; Kaplan et al. 2020, section 2.1) over a share of the
device's stated peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from xstilts.config.tables import read_table_if_present
from xstilts.errors import StudyError, unknown
from xstilts.provenance import files
from xstilts.provenance.run_record import recorded_seconds
from xstilts.training.log import last_progress

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid

START_UP_SECONDS = 20.0
"""Seconds before a job computes: a guess, for grids without a run."""


@dataclass(frozen=True)
class EncoderSize:
    """The parameters of an encoder that cost time and space, and how they are known."""

    body: float
    """Parameters of its layers."""
    hidden: int
    vocabulary: int
    basis: str


def encoder_size(grid: Grid, encoder: str, costs: Path) -> EncoderSize:
    """The size by the fetched encoder's ``config.json``, or by config/costs/encoders.tsv."""
    config = files.read_json_object(grid.encoder(encoder).stamp.parent / "config.json")
    try:
        h, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        body = layers * (4.0 * h * h + 2.0 * h * int(config["intermediate_size"]))
        return EncoderSize(body, h, int(config["vocab_size"]), "counted")
    except (KeyError, TypeError, ValueError):
        pass
    for row in read_table_if_present(costs / "encoders.tsv"):
        if row["encoder"] == encoder:
            body = float(row["body"]) * 1e6
            return EncoderSize(body, int(row["hidden"]), int(row["vocabulary"]), "declared")
    return EncoderSize(85e6, 768, 250_002, "guessed")


@dataclass(frozen=True)
class Throughput:
    """How fast jobs of an encoder are, and how that is known."""

    training: float
    """Tokens a second in training."""
    reading: float
    """Tokens a second without a backward pass."""
    start_up_seconds: float
    basis: str


class Throughputs:
    """The throughput of the encoders of a grid on a device."""

    def __init__(self, grid: Grid, costs: Path, device: str | None) -> None:
        """``device``: a row of config/costs/devices.tsv; None: that of earlier runs, or a100."""
        self._grid, self._device = grid, device
        self.encoder_size = cache(lambda encoder: encoder_size(grid, encoder, costs))
        self._devices = {row["device"]: row for row in read_table_if_present(costs / "devices.tsv")}
        if device is not None and device not in self._devices:
            raise StudyError(f"--device: {unknown('device', device, self._devices)}")
        self.of = cache(self._of)

    def _of(self, encoder: str) -> Throughput:
        """The throughput of an encoder."""
        if measured := self._measured(encoder):
            train, start_up, runs = measured
            return Throughput(train, 3 * train, start_up, f"measured in {runs} trainings")
        size = self.encoder_size(encoder).body
        for other in self._grid.study.encoders:
            if measured := self._measured(other):
                ratio = self.encoder_size(other).body / size
                train = measured[0] * ratio
                return Throughput(train, 3 * train, measured[1], f"scaled from {other} by its size")
        name = self._device or "a100"
        row = self._devices.get(name, {"peak": "312", "share": "0.35"})
        speed = float(row["peak"]) * 1e12 * float(row["share"])
        basis = f"estimated: {float(row['share']):.0%} of the peak of one {name}"
        return Throughput(speed / (6 * size), speed / (2 * size), START_UP_SECONDS, basis)

    @cache  # noqa: B019 - the object lives for one command
    def _measured(self, encoder: str) -> tuple[float, float, int] | None:
        """Tokens a second, start-up seconds and number of the latest trainings of any study."""
        root = self._grid.paths.resources
        logs = sorted(root.glob(f"checkpoints/{encoder}/*/log.jsonl"), key=_time)[-50:]
        tokens = seconds = start_up = runs = 0.0
        for log in logs:
            last, run = last_progress(log), files.read_json_object(log.with_name("run.json"))
            device_name = f"{run.get('device_name', '')} {run.get('device', '')}".lower()
            if last is None or (self._device and self._device not in device_name):
                continue
            tokens += last.tokens
            seconds += last.seconds
            start_up += max(0.0, (recorded_seconds(run) or 0.0) - last.seconds)
            runs += 1
        return (tokens / seconds, start_up / runs, int(runs)) if seconds else None


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
