"""How many tokens a second an encoder trains on and reads, on a device.

The throughput is measured in earlier trainings of the encoder. Without any, that of another encoder
is scaled by the ratio of their sizes. Else it is estimated: floating-point operations (6 a
parameter and token in training, 2 in reading; Kaplan et al. 2020, section 2.1) over a share of the
device's stated peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from xstilts.config.tables import read_table_if_present
from xstilts.cost.devices import read_devices, row_of
from xstilts.errors import StudyError, unknown
from xstilts.models.network.conversion import conversion_of
from xstilts.provenance import files
from xstilts.provenance.run_record import recorded_seconds
from xstilts.training.log import last_progress

if TYPE_CHECKING:
    from collections.abc import Mapping

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


AUTOMODEL_SHARE = 0.6
"""Of the speed of our own networks, what transformers' AutoModel reaches: between 0.56 and 0.76 in
four trainings of e5-small-4 on MNLI's lengths, two busy CPU cores (docs/encoders.md)."""


def encoder_size(grid: Grid, encoder: str, costs: Path) -> EncoderSize:
    """The size by the encoder's files, fetched or in the folder that its card names.

    Else by config/costs/encoders.tsv; else that of XLM-R Base.
    """
    card, fetched = grid.cards.encoder(encoder), grid.encoder(encoder).stamp.parent
    folders = [fetched, *([Path(card.folder).expanduser()] if card.folder else [])]
    for folder in folders:
        is_cut = folder == fetched or not card.layers
        if is_cut and (counted := _counted_tensors(folder / "model.safetensors")):
            return counted
        config = files.read_json_object(folder / "config.json")
        try:
            h, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
            layers = min(layers, card.layers or layers)
            body = layers * (4.0 * h * h + 2.0 * h * int(config["intermediate_size"]))
            return EncoderSize(body, h, int(config["vocab_size"]), "counted")
        except (KeyError, TypeError, ValueError):
            continue
    for row in read_table_if_present(costs / "encoders.tsv"):
        if row["encoder"] == encoder:
            body = float(row["body"]) * 1e6
            return EncoderSize(body, int(row["hidden"]), int(row["vocabulary"]), "declared")
    return EncoderSize(85e6, 768, 250_002, "guessed")


def _counted_tensors(path: Path) -> EncoderSize | None:
    """The size of an encoder of architecture automodel, whose sizes have names of their own."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            record = conversion_of(file.metadata())
            names = file.keys() if record else ()
            shapes = {name: file.get_slice(name).get_shape() for name in names}
    except SafetensorError:
        return None
    if record is None:
        return None
    vocabulary, width = shapes.pop(record.word_embeddings)
    return EncoderSize(float(sum(map(math.prod, shapes.values()))), width, vocabulary, "counted")


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
        self._devices = read_devices(costs)
        if device is not None and device not in self._devices:
            raise StudyError(f"--device: {unknown('device', device, self._devices)}")
        self.of = cache(self._of)

    def _of(self, encoder: str) -> Throughput:
        """The throughput of an encoder."""
        if measured := self._measured(encoder):
            train, start_up, runs = measured
            return Throughput(train, 3 * train, start_up, f"measured in {runs} trainings")
        padded = self._grid.resolved.cards.encoder(encoder).architecture == "automodel"
        size = self.encoder_size(encoder).body / (AUTOMODEL_SHARE if padded else 1.0)
        for other in self._grid.study.encoders:
            if measured := self._measured(other):
                ratio = self.encoder_size(other).body / size
                train = measured[0] * ratio
                return Throughput(train, 3 * train, measured[1], f"scaled from {other} by its size")
        name = self._device or "a100"
        row = self._devices.get(name, {"peak": "312", "share": "0.26"})
        speed = float(row["peak"]) * 1e12 * float(row["share"])
        basis = f"estimated: {float(row['share']):.0%} of the peak of one {name}"
        if padded:
            basis += f", times {AUTOMODEL_SHARE} (AutoModel, with padding)"
        return Throughput(speed / (6 * size), speed / (2 * size), START_UP_SECONDS, basis)

    def _ran_on_device(self, run: Mapping[str, Any]) -> bool:
        """Whether an earlier training ran on the device that is asked for; any will do for None."""
        if self._device is None or run.get("device") == self._device:
            return True
        row = row_of(str(run.get("device_name", "")), self._devices.values())
        return row is not None and row["device"] == self._device

    @cache  # noqa: B019 - the object lives for one command
    def _measured(self, encoder: str) -> tuple[float, float, int] | None:
        """Tokens a second, start-up seconds and number of the latest trainings of any study."""
        root = self._grid.paths.resources
        logs = sorted(root.glob(f"checkpoints/{encoder}/*/log.jsonl"), key=_time)[-50:]
        tokens = seconds = start_up = runs = 0.0
        for log in logs:
            last, run = last_progress(log), files.read_json_object(log.with_name("run.json"))
            if last is None or not self._ran_on_device(run):
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
