"""The stamps that are there, for whoever looks at a whole grid."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Stamp:
    """A stamp as it was found; nothing of what it lists was looked at."""

    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the stamp itself, by which others name it."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def says(self) -> dict[str, Any]:
        """What it says; nothing if it is no JSON object."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def spec(self) -> str | None:
        """Digest of the spec that it is of."""
        return self.says.get("spec")


class Stamps:
    """Reads each stamp once: a look at a grid sees one and the same state."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._found: dict[Path, Stamp | None] = {}

    def of(self, path: Path) -> Stamp | None:
        """The stamp at a path; None where there is none that can be read."""
        if path not in self._found:
            try:
                self._found[path] = Stamp(path.read_bytes())
            except OSError:
                self._found[path] = None
        return self._found[path]

    def sha256(self, path: Path) -> str | None:
        """The sha256 of a stamp; None where there is none."""
        found = self.of(path)
        return found.sha256 if found else None

    def spec(self, path: Path) -> str | None:
        """The spec of a stamp; None where there is none."""
        found = self.of(path)
        return found.spec if found else None
