"""Scores on disk: for each evaluation one text file and one archive, whatever its languages.

    scores/<encoder>/<condition>/seed<k>/<target>.jsonl   a line a score, by language
    scores/<encoder>/<condition>/seed<k>/<target>.zip     <language>.parquet: its predictions

A line is a whole score: its identity, spec, inputs by sha256, metrics, the sha256 of its
predictions and a digest of all these (`xstilts.evaluation.score_line`). So any tool for JSON lines
reads any set of these files, and a score whose line is deleted is computed again, alone. Two files
an evaluation instead of two a score, because a cluster's file system counts files, not bytes
(docs/performance.md).

When a language is added, the other lines and members keep their bytes; the same scores give the
same two files.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xstilts.errors import LineageError
from xstilts.evaluation.archive import add, directory, member_bytes, member_name, member_sha256
from xstilts.evaluation.score_line import EDITED, TWICE, Score, is_sealed, line_of, read_line
from xstilts.provenance.files import read_bytes, write_atomically, write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

OTHER_PREDICTIONS = "its predictions are not those that it was computed from"


def archive(path: Path) -> Path:
    """The archive of the predictions of a score file."""
    return path.with_suffix(".zip")


def run_record(path: Path) -> Path:
    """The record of the last evaluation that wrote a score file."""
    return path.with_suffix(".run.json")


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreFile:
    """The content of a score file, by language.

    ``scores``: those whose lines are as they were written; ``faults``: what is wrong with the line
    of any other language. Truncated lines and lines of another version are neither.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> ScoreFile:
    """Read a score file; a missing one is empty.

    Two lines of one language are a fault, even if they are the same: nothing says which of them was
    computed last. Raises `LineageError` if the file cannot be read.
    """
    found = ScoreFile()
    for line in _lines(path):
        if score := read_line(line):
            language = score["language"]
            if language in found.scores or language in found.faults:
                found.scores.pop(language, None)
                found.faults[language] = TWICE
            elif is_sealed(line, score):
                found.scores[language] = score
            else:
                found.faults[language] = EDITED
    return found


def read(path: Path) -> dict[str, Score]:
    """The scores of a file, by language, whose lines are as they were written."""
    return load(path).scores


def _lines(path: Path) -> list[bytes]:
    try:
        return read_bytes(path).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LineageError(f"{path}: cannot be read ({error.strerror})") from error


def missing(path: Path, language: str) -> LineageError:
    """The error for a score file that has no score of a language."""
    return LineageError(f"{path}: has no score of {language!r}; run snakemake to compute it")


def changed(path: Path, language: str, fault: str) -> LineageError:
    """The error for a score that is not as it was written."""
    return LineageError(
        f"{path}: {language}: {fault}; run `xstilts invalidate {path} {language}` and snakemake to "
        "compute it again, and `xstilts audit` to see what else was changed"
    )


def predictions(path: Path, score: Score) -> pa.Table:
    """The predictions of a score that was read from ``path``.

    Raises `LineageError` if they are not those that the score records.
    """
    import pyarrow as pa

    from xstilts.data import parquet

    language = score["language"]
    if not verified_languages(path, [score]):
        raise changed(path, language, OTHER_PREDICTIONS)
    try:
        with zipfile.ZipFile(archive(path)) as whole:
            table = parquet.read(member_bytes(whole, language) or b"")
    except (pa.ArrowException, OSError) as error:
        raise changed(path, language, f"its predictions are no parquet file ({error})") from error
    return table


def verified_languages(path: Path, scores: Iterable[Score]) -> set[str]:
    """The languages of the scores whose predictions are, byte for byte, as recorded."""
    if not archive(path).is_file():  # a pipe would be waited for
        return set()
    try:
        with zipfile.ZipFile(archive(path)) as whole:
            return {
                score["language"]
                for score in scores
                if member_sha256(whole, score["language"]) == score["predictions"]["sha256"]
            }
    except (OSError, zipfile.BadZipFile, KeyError, TypeError):
        return set()


def stored_languages(path: Path, scores: Iterable[Score]) -> set[str]:
    """The languages of the scores whose predictions the archive lists as recorded.

    By their size and CRC-32 in the archive's directory: predictions that are missing, truncated or
    swapped are found, a bit that was flipped within them is not.
    """
    found = directory(archive(path))
    stored = set()
    for score in scores:
        language, recorded = score["language"], score.get("predictions")
        if not isinstance(recorded, dict):  # a line that someone made; the table refuses it
            continue
        if found.get(member_name(language)) == (recorded.get("crc32"), recorded.get("bytes")):
            stored.add(language)
    return stored


# --- writing -------------------------------------------------------------------------------------


def write(path: Path, scores: Mapping[str, Score], new: Mapping[str, Path]) -> None:
    """Write all scores of an evaluation, by language, atomically: the archive first.

    ``new``: files of predictions, by language; the predictions of the other scores are copied from
    the present archive. A kill between the two files leaves the old lines, and each of them that is
    still valid finds its predictions in the new archive.
    """
    with write_atomically(archive(path)) as temporary, zipfile.ZipFile(temporary, "w") as whole:
        for language in sorted(scores):
            if language in new:
                with new[language].open("rb") as stream:
                    add(whole, language, stream)
            else:
                old = zipfile.ZipFile(archive(path))
                with old, old.open(member_name(language)) as stream:
                    add(whole, language, stream)
    write_text(path, "".join(line_of(scores[language]) for language in sorted(scores)))


def invalidate(path: Path, languages: Collection[str]) -> None:
    """Delete scores and their predictions, so that the next run computes them again.

    Raises `LineageError` for a file that does not exist, or that has no score of a language.
    """
    if not path.is_file():
        raise LineageError(f"{path}: does not exist; score files are results/<study>/scores/**")
    content = load(path)
    known = sorted([*content.scores, *content.faults])
    if unknown := sorted(set(languages) - set(known)):
        raise LineageError(
            f"{path}: has no score of {', '.join(unknown)}; it has {', '.join(known)}"
        )
    left = [score for language, score in content.scores.items() if language not in languages]
    verified = verified_languages(path, left)
    kept = {score["language"]: score for score in left if score["language"] in verified}
    if kept:
        write(path, kept, {})
    else:
        for file in (path, archive(path)):
            file.unlink(missing_ok=True)
