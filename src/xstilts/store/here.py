"""What of a grid's trainings, and of what they are made of, is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts import lineage
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.stages import Stage


class Here:
    """The stamps of a grid's trainings and of their inputs, each read once."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._read: dict[Path, tuple[str, dict[str, Any]] | None] = {}

    def sha256(self, stage: Stage) -> str | None:
        """The sha256 of a stage's stamp; None where there is none, or it is of another spec."""
        found = self._stamp(stage.stamp)
        return found[0] if found and found[1].get("spec") == stage.digest else None

    def is_current(self, training: Stage, inputs: list[Stage]) -> bool:
        """Whether a checkpoint is there, of this spec and of the inputs that are here."""
        found = self._stamp(training.stamp)
        if found is None or found[1].get("spec") != training.digest:
            return False
        return self.known(inputs) <= set(found[1].get("inputs", {}).values())

    def known(self, inputs: list[Stage]) -> set[str]:
        """The sha256 of the inputs that are here."""
        return {sha for stage in inputs if (sha := self.sha256(stage)) is not None}

    def put(self, stage: Stage, sha256: str) -> None:
        """Take it as known that a stage's stamp is there, with this sha256."""
        self._read[stage.stamp] = (sha256, {"spec": stage.digest})

    def _stamp(self, path: Path) -> tuple[str, dict[str, Any]] | None:
        if path not in self._read:
            found = None
            if path.is_file():
                try:
                    stamp = lineage.read_json(path)
                    found = (lineage.file_sha256(path), stamp) if isinstance(stamp, dict) else None
                except LineageError:
                    pass
            self._read[path] = found
        return self._read[path]
