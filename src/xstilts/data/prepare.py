"""Prepare the examples of a task, split and language: fetch, read, check, write, stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.config.task_card import FROM_DATA
from xstilts.data import examples
from xstilts.data.checks import check_examples, labels_in
from xstilts.data.reading import Reading, read
from xstilts.data.sources import available_offline, fetch
from xstilts.errors import LineageError, MissingFile, StudyError, unknown
from xstilts.provenance import digests
from xstilts.provenance.files import explain_write_errors
from xstilts.provenance.stamp import verify, write_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.config.task_card import Split, SplitSource, TaskCard
    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.sources import Progress


def prepare(
    card: TaskCard,
    schema: TaskSchema,
    split: str,
    language: str,
    *,
    resources: Path,
    mirror: Path | None,
    checksums: Mapping[str, str],
    stamp: Path,
    spec: str,
    progress: Progress | None = None,
) -> None:
    """Write the examples of one split and language beside ``stamp``, and the stamp last.

    The stamp's outcomes hold the number of examples (``rows``) and, under ``remarks``, how often
    the reader left something out or changed it, by what and why.

    The parquet file is named after the stamp (``sw.json`` stamps ``sw.parquet``). Several processes
    may prepare the same examples at once: they write the same bytes, each file as a whole.

    Raises `DataError` for files that no source can give or no reader can read, for examples that
    the card's labels or its task type, ``schema``, do not allow, and for a disk that is full.
    """
    entry: Split = card.splits[split]  # type: ignore[index]
    source, files = fetch_split(
        card,
        split,
        language,
        resources=resources,
        mirror=mirror,
        checksums=checksums,
        progress=progress,
    )
    reading = read_split(card, schema, split, language, files, source)
    parquet = stamp.with_suffix(".parquet")
    outcomes: dict[str, Any] = {"rows": len(reading.rows)}
    if reading.remarks:
        outcomes["remarks"] = dict(reading.remarks)
    if entry.fallbacks:
        outcomes["source"] = entry.sources.index(source)
    if card.labels == FROM_DATA:
        outcomes["labels"] = labels_in(schema, reading.rows)
    with explain_write_errors(stamp):
        examples.write(parquet, schema, reading.rows)
        write_stamp(
            stamp,
            spec=spec,
            inputs={part: digests.file_sha256(path) for part, path in sorted(files.items())},
            files=[parquet],
            outcomes=outcomes,
        )


def is_current(stamp: Path, spec: str) -> bool:
    """Whether the stamp exists, names this spec, and lists the files as they are."""
    if not stamp.is_file():
        return False
    try:
        return bool(verify(stamp)["spec"] == spec)
    except (LineageError, KeyError, TypeError):
        return False


def read_split(
    card: TaskCard,
    schema: TaskSchema,
    split: str,
    language: str,
    files: Mapping[str, Path],
    source: SplitSource | None = None,
) -> Reading:
    """Read raw files with the reader of one source of a split (the first), and check the examples.

    Raises `StudyError` for a language or an option that does not exist, `MalformedFile` for a file
    that the reader cannot read, and `DataError` for examples that fail a check.
    """
    if language not in card.split_languages(split):
        allowed = card.split_languages(split)
        raise StudyError(f"task {card.task!r}, {split}: {unknown('language', language, allowed)}")
    where = f"{card.task}/{split}/{language}"
    how = source or card.splits[split]  # type: ignore[index]
    try:
        reading = read(how.reader, files, language, how.options)
    except StudyError as error:
        raise StudyError(f"{where}: {error}") from error
    remarks = check_examples(card, schema, reading, where, scored=split == "test")
    return Reading(reading.rows, reading.remarks + remarks)


def fetch_split(
    card: TaskCard, split: str, language: str, *, resources: Path, mirror: Path | None, **how: Any
) -> tuple[SplitSource, dict[str, Path]]:
    """Fetch the files of the first source of a split whose files are available; return both.

    A source whose files all are available offline precedes one that needs the network.
    Raises `MissingFile` with the failures of every source.
    """
    entry: Split = card.splits[split]  # type: ignore[index]
    sources = [(s, card.raw_files(split, language, s)) for s in entry.sources_for(language)]
    sources.sort(
        key=lambda s: not all(available_offline(file, resources, mirror) for file in s[1].values())
    )
    failures = []
    for source, files in sources:
        try:
            return source, {
                part: fetch(
                    file, resources=resources, mirror=mirror, split=split, language=language, **how
                )
                for part, file in files.items()
            }
        except MissingFile as error:
            failures.append(str(error))
    raise MissingFile("\n".join(failures))
