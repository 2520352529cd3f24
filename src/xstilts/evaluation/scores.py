"""Cells on disk: for each evaluation one text file and one archive, whatever its languages.

    cells/<encoder>/<condition>/seed<k>/<target>.jsonl   a line a cell, by language
    cells/<encoder>/<condition>/seed<k>/<target>.zip     <language>.parquet: its predictions

A line is a whole cell: its identity, spec, inputs by sha256, metrics, and the sha256 of its
predictions. So any tool for JSON lines reads any set of these files, and a line that is taken out
is a cell that will be made again, alone. Two files an evaluation instead of two a cell, because a
cluster's file system counts files, not bytes (docs/performance.md).

Members of the archive are stored as they are. What is kept when a language is added keeps its
bytes; the same cells give the same two files.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from xstilts.errors import LineageError
from xstilts.provenance.digests import canonical
from xstilts.provenance.files import write_atomically, write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import pyarrow as pa

Cell = dict[str, Any]
VERSION = 2


def archive(path: Path) -> Path:
    """Where the predictions of a file of cells lie."""
    return path.with_suffix(".zip")


def run_record(path: Path) -> Path:
    """Where the record of the last evaluation lies that wrote a file of cells."""
    return path.with_suffix(".run.json")


def member(language: str) -> str:
    """The name of a language's predictions in the archive."""
    return f"{language}.parquet"


# --- reading -------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Cell]:
    """The cells of a file, by language. A line that was cut off is none; no file has none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LineageError(f"{path}: cannot be read ({error.strerror})") from error
    return {cell["language"]: cell for line in lines if (cell := read_line(line))}


def read_line(line: bytes) -> Cell | None:
    """The cell that a line holds, if it is a whole one of this version.

    pydantic's parser takes a third of the time of Python's own: a look at a large grid reads
    100,000 lines.
    """
    try:
        cell = from_json(line)
    except ValueError:
        return None
    whole = isinstance(cell, dict) and cell.get("cell") == VERSION
    return cell if whole and isinstance(cell.get("language"), str) else None


def missing(path: Path, language: str) -> LineageError:
    """What to say where a file has no cell of a language."""
    return LineageError(f"{path}: has no cell of {language!r}; run snakemake to compute it")


def predictions(path: Path, cell: Cell) -> pa.Table:
    """The predictions of a cell that was read from a file of cells.

    Raises `LineageError` if they are not those that it records.
    """
    import pyarrow.parquet as pq

    name = member(cell["language"])
    if not intact(path, [cell]):
        raise LineageError(
            f"{archive(path)}: {name} is not what {path.name} was scored on; run snakemake"
        )
    with zipfile.ZipFile(archive(path)) as found, found.open(name) as stream:
        return pq.read_table(stream)


def intact(path: Path, cells: Collection[Cell]) -> set[str]:
    """The languages of those cells whose predictions are, byte for byte, as recorded."""
    try:
        with zipfile.ZipFile(archive(path)) as found:
            return {cell["language"] for cell in cells if _holds(found, cell)}
    except (OSError, zipfile.BadZipFile):
        return set()


def _holds(found: zipfile.ZipFile, cell: Cell) -> bool:
    try:
        with found.open(member(cell["language"])) as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        return bool(sha256 == cell["predictions"]["sha256"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError):
        return False


def archive_size(cells: Collection[Cell]) -> int:
    """Bytes of an archive of these cells' predictions: a shorter one was cut off.

    Headers are 30 and 46 bytes and the name in each, the end is 22 (PKWARE APPNOTE 6.3, 4.3).
    """
    names = sum(len(member(cell["language"]).encode()) for cell in cells)
    members: int = sum(cell["predictions"]["bytes"] for cell in cells)
    return members + 76 * len(cells) + 2 * names + 22


# --- writing -------------------------------------------------------------------------------------


def write(path: Path, cells: Mapping[str, Cell], fresh: Mapping[str, Path]) -> None:
    """Write all cells of an evaluation, by language, atomically: the archive first.

    ``fresh`` are files of predictions by language; those of the other cells are taken over from the
    archive that there is. A kill between the two files leaves the old lines, and every one of them
    that is still true finds its predictions in the new archive.
    """
    with write_atomically(archive(path)) as temporary, zipfile.ZipFile(temporary, "w") as new:
        for language in sorted(cells):
            if language in fresh:
                with fresh[language].open("rb") as stream:
                    _add(new, member(language), stream)
            else:
                with (
                    zipfile.ZipFile(archive(path)) as old,
                    old.open(member(language)) as stream,
                ):
                    _add(new, member(language), stream)
    write_text(path, "".join(f"{canonical(cells[language])}\n" for language in sorted(cells)))


def _add(new: zipfile.ZipFile, name: str, stream: Any) -> None:
    # ZipInfo's own time is 1980: the archive holds none of ours
    with new.open(zipfile.ZipInfo(name), "w") as out:
        shutil.copyfileobj(stream, out)


def forget(path: Path, languages: Collection[str]) -> None:
    """Take cells out, with their predictions, so that the next run computes them again.

    Raises `LineageError` for a language that the file has no cell of.
    """
    known = read(path)
    if strange := sorted(set(languages) - set(known)):
        raise LineageError(
            f"{path}: has no cell of {', '.join(strange)}; it has {', '.join(known)}"
        )
    left = [cell for language, cell in known.items() if language not in languages]
    whole = intact(path, left)
    kept = {cell["language"]: cell for cell in left if cell["language"] in whole}
    if kept:
        write(path, kept, {})
    else:
        for file in (path, archive(path)):
            file.unlink(missing_ok=True)
