"""Scores on disk: for each evaluation one text file and one archive, whatever its languages.

    scores/<encoder>/<condition>/seed<k>/<target>.jsonl   a line a score, by language
    scores/<encoder>/<condition>/seed<k>/<target>.zip     <language>.parquet: its predictions

A line is a whole score: its identity, spec, inputs by sha256, metrics, and the sha256 of its
predictions. So any tool for JSON lines reads any set of these files, and a score whose line is
deleted is computed again, alone. Two files an evaluation instead of two a score, because a
cluster's file system counts files, not bytes (docs/performance.md).

Members of the archive are stored as they are. When a language is added, the other lines and members
keep their bytes; the same scores give the same two files.
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
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

Score = dict[str, Any]
"""The JSON object of one line."""
VERSION = 3
"""The version of the format; every line has it as ``version``."""


def archive(path: Path) -> Path:
    """The archive of the predictions of a score file."""
    return path.with_suffix(".zip")


def run_record(path: Path) -> Path:
    """The record of the last evaluation that wrote a score file."""
    return path.with_suffix(".run.json")


def member_name(language: str) -> str:
    """The name of a language's predictions in the archive."""
    return f"{language}.parquet"


# --- reading -------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Score]:
    """Read a score file into a dict by language.

    Truncated lines and lines of another version are skipped; a missing file gives an empty dict.
    """
    return {score["language"]: score for line in _lines(path) if (score := read_line(line))}


def raw_lines(path: Path) -> dict[str, bytes]:
    """The lines of a score file as they are on disk, by language; `read` says which."""
    return {score["language"]: line for line in _lines(path) if (score := read_line(line))}


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LineageError(f"{path}: cannot be read ({error.strerror})") from error


def read_line(line: bytes) -> Score | None:
    """The score of a line; None if the line is truncated or of another version.

    pydantic's parser takes a third of the time of Python's own: the status of a large grid reads
    100,000 lines.
    """
    try:
        score = from_json(line)
    except ValueError:
        return None
    whole = isinstance(score, dict) and score.get("version") == VERSION
    return score if whole and isinstance(score.get("language"), str) else None


def missing(path: Path, language: str) -> LineageError:
    """The error for a score file that has no score of a language."""
    return LineageError(f"{path}: has no score of {language!r}; run snakemake to compute it")


def predictions(path: Path, score: Score) -> pa.Table:
    """The predictions of a score that was read from ``path``.

    Raises `LineageError` if they are not those that the score records.
    """
    import pyarrow.parquet as pq

    name = member_name(score["language"])
    if not verified_languages(path, [score]):
        raise LineageError(
            f"{archive(path)}: {name} does not hold the predictions that {path.name} was scored "
            "on; run snakemake to compute them again"
        )
    with zipfile.ZipFile(archive(path)) as whole, whole.open(name) as stream:
        return pq.read_table(stream)


def verified_languages(path: Path, scores: Iterable[Score]) -> set[str]:
    """The languages of the scores whose predictions are, byte for byte, as recorded."""
    try:
        with zipfile.ZipFile(archive(path)) as whole:
            return {score["language"] for score in scores if _holds(whole, score)}
    except (OSError, zipfile.BadZipFile):
        return set()


def _holds(whole: zipfile.ZipFile, score: Score) -> bool:
    try:
        with whole.open(member_name(score["language"])) as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        return bool(sha256 == score["predictions"]["sha256"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError):
        return False


def archive_size(scores: Collection[Score]) -> int:
    """Bytes of an archive of these scores' predictions: a shorter one is truncated.

    Headers are 30 and 46 bytes and the name in each, the end is 22 (PKWARE APPNOTE 6.3, 4.3).
    """
    names = sum(len(member_name(score["language"]).encode()) for score in scores)
    members: int = sum(score["predictions"]["bytes"] for score in scores)
    return members + 76 * len(scores) + 2 * names + 22


# --- writing -------------------------------------------------------------------------------------


def write(path: Path, scores: Mapping[str, Score], new: Mapping[str, Path]) -> None:
    """Write all scores of an evaluation, by language, atomically: the archive first.

    ``new``: files of predictions, by language; the predictions of the other scores are copied from
    the present archive. A kill between the two files leaves the old lines, and each of them that is
    still valid finds its predictions in the new archive.
    """
    with write_atomically(archive(path)) as temporary, zipfile.ZipFile(temporary, "w") as whole:
        for language in sorted(scores):
            name = member_name(language)
            if language in new:
                with new[language].open("rb") as stream:
                    _add(whole, name, stream)
            else:
                with zipfile.ZipFile(archive(path)) as old, old.open(name) as stream:
                    _add(whole, name, stream)
    write_text(path, "".join(f"{canonical(scores[language])}\n" for language in sorted(scores)))


def _add(whole: zipfile.ZipFile, name: str, stream: Any) -> None:
    # the default time of a ZipInfo is 1980, so the archive holds no time of ours
    with whole.open(zipfile.ZipInfo(name), "w") as out:
        shutil.copyfileobj(stream, out)


def invalidate(path: Path, languages: Collection[str]) -> None:
    """Delete scores and their predictions, so that the next run computes them again.

    Raises `LineageError` for a file that does not exist, or that has no score of a language.
    """
    if not path.is_file():
        raise LineageError(f"{path}: does not exist; score files are results/<study>/scores/**")
    known = read(path)
    if unknown := sorted(set(languages) - set(known)):
        raise LineageError(
            f"{path}: has no score of {', '.join(unknown)}; it has {', '.join(known)}"
        )
    left = [score for language, score in known.items() if language not in languages]
    verified = verified_languages(path, left)
    kept = {score["language"]: score for score in left if score["language"] in verified}
    if kept:
        write(path, kept, {})
    else:
        for file in (path, archive(path)):
            file.unlink(missing_ok=True)
