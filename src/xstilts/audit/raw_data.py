"""Examples against the raw files that they were read from, and these against their checksums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xstilts.audit.verdict import altered, unverifiable
from xstilts.config.task_card import FROM_DATA
from xstilts.errors import XstiltsError
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.audit.verdict import Finding
    from xstilts.config.task_card import SplitSource, TaskCard


@dataclass(frozen=True)
class ExamplesCheck:
    """The examples of one task, split and language: plain values, to be checked in any process.

    ``checksums``: of ``downloads.tsv``, by the path of a raw file. ``reads``: whether the raw files
    are read again, which only the code that read them can repeat.
    """

    card: TaskCard
    split: str
    language: str
    stamp: Path
    raw: Path
    checksums: Mapping[str, str]
    reads: bool

    def run(self) -> list[Finding]:
        """What is wrong with the raw files, and with the examples that were made from them."""
        try:
            stamp = Stamp(self.stamp.read_bytes())
        except OSError:
            return []  # the check of stamps says so
        try:
            found = list(self._check_raw_files(stamp))
            return found or (list(self._check_examples(stamp)) if self.reads else [])
        except (XstiltsError, KeyError, IndexError, TypeError, ValueError) as error:
            return [altered(self.stamp, f"cannot be made from its raw files again: {error!s:.300}")]

    def _source(self, stamp: Stamp) -> SplitSource:
        entry = self.card.splits[self.split]  # type: ignore[index]
        number = int(stamp.mapping("outcomes").get("source", 0))
        return entry.sources[number]

    def _files(self, stamp: Stamp) -> dict[str, tuple[str, Path, bool]]:
        """Of each part: the path that names its raw file, the file, and if a package builds it."""
        files = self.card.raw_files(self.split, self.language, self._source(stamp))
        return {
            part: (file.path, self.raw / file.path, file.package is not None)
            for part, file in files.items()
        }

    def _check_raw_files(self, stamp: Stamp) -> Iterator[Finding]:
        recorded, files = stamp.mapping("inputs"), self._files(stamp)
        if set(recorded) != set(files):
            yield altered(self.stamp, "names other raw files than the card")
            return
        for part, (name, path, built) in files.items():
            listed = None if built else self.checksums.get(name)
            if listed is not None and listed != recorded[part]:
                yield altered(self.stamp, f"was made from another {name} than downloads.tsv lists")
            elif not path.is_file():
                yield unverifiable(path, "this raw file is missing")
            elif file_sha256(path) != recorded[part]:
                yield altered(path, f"this raw file is not the one that {self.stamp} records")

    def _check_examples(self, stamp: Stamp) -> Iterator[Finding]:
        import pyarrow as pa

        from xstilts.data import parquet
        from xstilts.data.checks import labels_in
        from xstilts.data.prepare import read_split
        from xstilts.tasks.registry import SCHEMAS

        schema, source = SCHEMAS[self.card.task_type], self._source(stamp)
        files = {part: path for part, (_, path, _) in self._files(stamp).items()}
        reading = read_split(self.card, schema, self.split, self.language, files, source)
        table = pa.Table.from_pylist(reading.rows, schema=schema.columns())
        file = self.stamp.with_suffix(".parquet")
        try:
            stored = parquet.read(file)
        except FileNotFoundError:
            return  # the check of stamps says so
        except (OSError, pa.ArrowException):
            stored = None
        if stored is None or not stored.equals(table):
            yield altered(file, "holds other examples than its raw files")
        outcomes: dict[str, Any] = {"rows": len(reading.rows)}
        if reading.remarks:
            outcomes["remarks"] = dict(reading.remarks)
        if self.card.labels == FROM_DATA:
            outcomes["labels"] = labels_in(schema, reading.rows)
        if stamp.mapping("outcomes") != outcomes | _source_in(stamp):
            yield altered(self.stamp, "records other outcomes than its raw files give")


def _source_in(stamp: Stamp) -> dict[str, Any]:
    outcomes = stamp.mapping("outcomes")
    return {"source": outcomes["source"]} if "source" in outcomes else {}
