"""Data sets in the form of Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).

A task's card gives title, summary, licence and citation; its raw files have addresses, and a
sha256 in ``config/downloads.tsv``. A task of which no raw file has both is not described: Croissant
demands an address and a checksum. Record sets are left out, because readers of ours join files.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.checksums import read_checksums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xstilts.config.raw_file import RawFile
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_PACKED = (".gz", ".bz2", ".zip", ".tar", ".tgz", ".tar.gz")
"""Ends of addresses that give a packed file; the checksum is that of the file unpacked."""
_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonlines",
    "parquet": "application/x-parquet",
    "tsv": "text/tab-separated-values",
    "xml": "application/xml",
}


class DescribedFile(NamedTuple):
    """A file whose address and sha256 are known; the address may be relative."""

    path: str
    address: str
    sha256: str


def descriptions(grid: Grid) -> dict[str, dict[str, Any]]:
    """The Croissant description of every task of a grid that has one, by name."""
    table = grid.cards.folder / "downloads.tsv"
    checksums = read_checksums(table) if table.is_file() else {}
    wanted: dict[str, list[tuple[str, str]]] = {}
    for task, split, languages in grid.reads.needed_examples():
        wanted.setdefault(task, []).extend((split, language) for language in languages)
    found = {}
    for task, parts in sorted(wanted.items()):
        card = grid.cards.task(task)
        if known := list(_known_files(card, parts, checksums)):
            languages = sorted({language for _, language in parts})
            found[task] = describe(card, languages, known)
    return found


def describe(
    card: TaskCard, languages: list[str], known: Iterable[DescribedFile]
) -> dict[str, Any]:
    """The description of a task with these raw files."""
    distribution = [
        {
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "contentUrl": file.address,
            "encodingFormat": _TYPES.get(file.path.rpartition(".")[2], "text/plain"),
            "sha256": file.sha256,
        }
        for file in sorted(set(known))
    ]
    return {
        "@context": json.loads((files("xstilts.archive") / "croissant_context.json").read_bytes()),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": card.task,
        "alternateName": card.title,
        "description": card.summary,
        "license": card.licence,
        "citeAs": card.citation,
        "url": distribution[0]["contentUrl"],
        "inLanguage": languages,
        "distribution": distribution,
    }


def _known_files(
    card: TaskCard, parts: Iterable[tuple[str, str]], checksums: Mapping[str, str]
) -> Iterator[DescribedFile]:
    for split, language in parts:
        for source in card.splits[split].sources_for(language):  # type: ignore[index]
            for file in card.raw_files(split, language, source).values():
                address = _address(file)
                if address and file.path in checksums:
                    yield DescribedFile(file.path, address, checksums[file.path])


def _address(file: RawFile) -> str | None:
    """Where the very bytes of a raw file can be had; None if only inside an archive, or nowhere."""
    if file.member:
        return None
    if file.hub and not file.hub.moving and "*" not in file.hub.file:
        kind = "datasets/" if file.hub.kind == "dataset" else ""
        return (
            f"https://huggingface.co/{kind}{file.hub.repo}/resolve/"
            f"{file.hub.revision}/{file.hub.file}"
        )
    return file.url if file.url and not file.url.endswith(_PACKED) else None
