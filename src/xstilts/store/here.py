"""What of a grid's trainings, and of what they are made of, is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Stage


class Here:
    """The checkpoints of a grid, and their inputs, that are of its specs."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._stamps = StampReader()
        self._put: dict[tuple[str, Path], str] = {}  # by spec and stamp

    def sha256(self, stage: Stage) -> str | None:
        """The sha256 of a stage's stamp; None where there is none, or it is of another spec."""
        if (known := self._put.get((stage.digest, stage.stamp))) is not None:
            return known
        found = self._stamps.of(stage.stamp)
        return found.sha256 if found and found.spec == stage.digest else None

    def is_current(self, training: Stage, inputs: list[Stage]) -> bool:
        """Whether a checkpoint is there, of this spec and of the inputs that are here."""
        found = self._stamps.of(training.stamp)
        if found is None or found.spec != training.digest:
            return False
        return self.known(inputs) <= set(found.record.get("inputs", {}).values())

    def known(self, inputs: list[Stage]) -> set[str]:
        """The sha256 of the inputs that are here."""
        return {sha for stage in inputs if (sha := self.sha256(stage)) is not None}

    def put(self, stage: Stage, sha256: str) -> None:
        """Take it as known that a stage's stamp is there, with this sha256."""
        self._put[stage.digest, stage.stamp] = sha256
