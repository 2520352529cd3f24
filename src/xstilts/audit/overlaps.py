"""The search for test items in the training data, done again on the examples that are on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xstilts.audit.verdict import altered
from xstilts.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xstilts.audit.verdict import Finding
    from xstilts.data.contamination import Part, Target


@dataclass(frozen=True)
class OverlapsCheck:
    """The table of overlaps against examples: plain values, to be checked in any process.

    ``searches``: whether the code on disk is the code that searched.
    """

    table: Path
    training: Sequence[Part]
    targets: Sequence[Target]
    searches: bool

    def run(self) -> list[Finding]:
        """What is wrong with the table. Files that are missing are left to their own checks."""
        from xstilts.data.contamination import as_table, find

        if not self.searches or not self.table.is_file():
            return []
        try:
            overlaps = find(self.training, self.targets)
        except DataError:
            return []
        refused = [str(overlap) for overlap in overlaps if overlap.refused]
        if refused:
            return [altered(self.table, f"does not say that {refused[0]}")]
        if self.table.read_bytes() != as_table(overlaps).encode():
            return [altered(self.table, "does not hold the overlaps that the examples have")]
        return []
