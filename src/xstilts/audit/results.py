"""Table, gains, claims and report against the scores: all are written again, and compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.analysis.report.data_notes import data_notes
from xstilts.audit.stamps import check_stamp
from xstilts.audit.verdict import altered, unverifiable
from xstilts.errors import XstiltsError
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import load_snapshot
from xstilts.provenance.stamp import Stamp, StampReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from xstilts.audit.verdict import Finding
    from xstilts.grid.artefacts import Grid

_READ = ("scores", ".snapshots")
"""The parts of the results folder that table and report are made of."""
_NOT_RESULTS = (".stamps", ".items")
"""What is written beside the files that people read."""
_NO_STAMP = Stamp(b"{}")
_SHOWN = 160
"""Characters of a line that a finding quotes."""


@dataclass(frozen=True)
class ResultsCheck:
    """The results of a study: plain values, to be checked in any process."""

    snapshot: Path
    results: Path
    resources: Path

    def run(self) -> list[Finding]:
        """What is wrong with the files that people read."""
        grid = load_snapshot(self.snapshot, Paths(self.results, self.resources))
        with tempfile.TemporaryDirectory(prefix="xstilts-audit-") as folder:
            paths = Paths(Path(folder) / "results", self.resources)
            paths.results.mkdir()
            for name in _READ:
                (paths.results / name).symlink_to((self.results / name).absolute())
            again = load_snapshot(self.snapshot, paths)
            try:
                names = _write_again(again)
            except XstiltsError as error:
                problem = f"table and report cannot be made from the scores: {error}"
                return [unverifiable(self.results, problem.replace(f"{folder}/", ""))]
            if not _claims_were_written(grid):
                names = [name for name in names if name not in _claims_names(grid)]
            if lacking := data_notes(grid).without_stamp:
                names.remove(grid.paths.report.name)
                problem = f"{lacking} stamps of examples are gone, which say what was left out"
                gone = [unverifiable(grid.paths.report, problem)]
            else:
                gone = []
            sides = [(self.results / name, paths.results / name) for name in names]
            found = [finding for stored, new in sides for finding in compare(stored, new)]
            return found + gone + list(_check_stamps(grid, again))


def _claims_names(grid: Grid) -> list[str]:
    return [grid.paths.claims.name, grid.paths.claims_table.name]


def _claims_were_written(grid: Grid) -> bool:
    """Whether somebody asked for them: a run writes them only with ``snakemake claims``."""
    paths = (grid.claims.stamp, grid.paths.claims, grid.paths.claims_table)
    return any(path.exists() for path in paths)


def _check_stamps(grid: Grid, again: Grid) -> Iterator[Finding]:
    """The stamps of the results: their files, and the scores and the table that they name."""
    stamps = StampReader()
    table_stamp = stamps.sha256(grid.table.stamp)
    inputs = {"scores": stamps.inputs(again.table.stamp).get("scores")}
    for artefact, new, names in (
        (grid.table, again.table, inputs),
        (grid.claims, again.claims, inputs),
        (grid.report, again.report, {"table": table_stamp}),
    ):
        if artefact is grid.claims and not _claims_were_written(grid):
            continue
        files = [*(stamps.of(new.stamp) or _NO_STAMP).mapping("files")]
        found = list(check_stamp(stamps, artefact.stamp, artefact.digest, files, weights=True))
        yield from found
        if found:
            continue
        old, written = stamps.of(artefact.stamp), stamps.of(new.stamp)
        if stamps.inputs(artefact.stamp) != names:
            yield altered(artefact.stamp, f"names another {next(iter(names))} than there is")
        elif old and written and old.content != written.content and _same(old, written):
            yield altered(artefact.stamp, "was changed after it was written")


def _same(one: Stamp, other: Stamp) -> bool:
    """Whether two stamps name the same files and inputs; another pyarrow writes other bytes."""
    return all(one.mapping(name) == other.mapping(name) for name in ("files", "inputs"))


def _write_again(grid: Grid) -> list[str]:
    """Write all results of a grid; give their names, from the folder of the results."""
    import pandas as pd

    from xstilts.analysis import table
    from xstilts.analysis.claims import files as claims
    from xstilts.analysis.report import page

    paths = grid.paths
    table.write(grid, paths.table)
    rows = pd.read_parquet(paths.table)
    claims.write(grid, rows)
    page.write(grid, rows, paths.report)
    written = (path.relative_to(paths.results) for path in paths.results.rglob("*"))
    return sorted(
        str(path)
        for path in written
        if (paths.results / path).is_file() and path.parts[0] not in (*_NOT_RESULTS, *_READ)
    )


def compare(stored: Path, again: Path) -> Iterator[Finding]:
    """Where a file differs from the same file as it was just written: a row of a table, a line."""
    if not stored.is_file():
        yield unverifiable(stored, "is missing")
        return
    if stored.suffix == ".parquet":
        yield from _compare_tables(stored, again)
        return
    old, new = (path.read_bytes().splitlines() for path in (stored, again))
    for number in range(max(len(old), len(new))):
        sides = [lines[number] if number < len(lines) else b"" for lines in (old, new)]
        if sides[0] != sides[1]:
            yield altered(f"{stored}: line {number + 1}", _difference(*sides))
            return
    if stored.read_bytes() != again.read_bytes():
        yield altered(stored, "ends its lines otherwise than it was written")


def _difference(old: bytes, new: bytes) -> str:
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    begin = max(0, start - _SHOWN // 4)
    old_text, new_text = (
        side[begin : begin + _SHOWN].decode(errors="replace") for side in (old, new)
    )
    return f"says {old_text!r}, the scores give {new_text!r}"


def _compare_tables(stored: Path, again: Path) -> Iterator[Finding]:
    import pandas as pd
    import pyarrow as pa

    from xstilts.data import parquet

    try:
        old, new = parquet.read(stored).to_pandas(), pd.read_parquet(again)
    except (OSError, ValueError, pa.ArrowException) as error:
        yield altered(stored, f"cannot be read ({error!s:.100})")
        return
    if list(old) != list(new) or len(old) != len(new):
        yield altered(stored, f"has {len(old)} rows, the scores give {len(new)}")
        return
    differs = ~((old == new) | (old.isna() & new.isna()))
    rows = differs.any(axis=1)
    for number in rows[rows].index:
        yield altered(f"{stored}: row {number + 1}", _row_difference(old, new, differs, number))


def _row_difference(
    old: pd.DataFrame, new: pd.DataFrame, differs: pd.DataFrame, number: int
) -> str:
    row = new.loc[number]
    score = "/".join(str(row[k]) for k in ("encoder", "condition", "seed", "target", "language"))
    columns = [name for name in differs if differs.at[number, name]]
    changes = (f"{c} is {old.at[number, c]}, not {new.at[number, c]}" for c in columns)
    return f"{score}: {'; '.join(changes)}"
