"""Prepared examples as a folder that ``datasets.load_dataset`` reads.

    README.md, croissant.json, data/<language>/<split>.parquet

A configuration of the data set is a language; its splits have the names of the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from xstilts.archive import croissant
from xstilts.data import examples
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xstilts.config.task_card import TaskCard
    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""Our splits, as the Hub calls them."""


@dataclass(frozen=True)
class Part:
    """A file of the folder: the examples of a split in a language."""

    path: str
    split: str
    language: str
    rows: int
    sha256: str
    columns: pa.Schema


def write_part(
    folder: Path, schema: TaskSchema, split: str, language: str, rows: Sequence[Example]
) -> Part:
    """Write the examples of a split in a language."""
    path = f"data/{language}/{_SPLITS[split]}.parquet"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    count = examples.write(folder / path, schema, rows)
    sha256 = file_sha256(folder / path)
    return Part(path, _SPLITS[split], language, count, sha256, schema.columns())


def write_descriptions(folder: Path, card: TaskCard, parts: Sequence[Part]) -> None:
    """Write the README, whose header `datasets` reads, and the Croissant description."""
    languages = sorted({part.language for part in parts}, key=lambda code: (code != "en", code))
    header = {
        "pretty_name": card.title,
        "language": languages,
        "license": "other",
        "license_name": card.licence,
        "configs": [
            {
                "config_name": language,
                "data_files": [
                    {"split": part.split, "path": part.path}
                    for part in parts
                    if part.language == language
                ],
            }
            for language in languages
        ],
    }
    head = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    rows = "".join(f"| {p.language} | {p.split} | {p.rows:,} |\n" for p in parts)
    write_text(
        folder / "README.md",
        f"---\n{head}---\n\n# {card.title}\n\n{card.summary}\n\n"
        f"Examples of the task type {card.task_type}, as xstilts prepares them from the original "
        f"files. Licence of the data: {card.licence}. Cite: {card.citation}.\n\n"
        f"| language | split | examples |\n|---|---|---:|\n{rows}",
    )
    write_json(folder / "croissant.json", _croissant(card, languages, parts))


def _croissant(card: TaskCard, languages: list[str], parts: Sequence[Part]) -> dict[str, Any]:
    """A description with the files and, of their columns, those that are not nested."""
    files = [croissant.DescribedFile(part.path, part.path, part.sha256) for part in parts]
    records = [
        {
            "@type": "cr:RecordSet",
            "@id": f"{part.language}/{part.split}",
            "name": f"{part.language}/{part.split}",
            "field": list(_fields(part)),
        }
        for part in parts
    ]
    return croissant.describe(card, languages, files) | {"recordSet": records}


def _fields(part: Part) -> Iterator[dict[str, Any]]:
    import pyarrow.types as types

    for column in part.columns:
        repeated = types.is_list(column.type)
        kind = column.type.value_type if repeated else column.type
        if types.is_struct(kind):
            continue
        yield {
            "@type": "cr:Field",
            "@id": f"{part.language}/{part.split}/{column.name}",
            "name": column.name,
            "dataType": "sc:Text" if types.is_string(kind) else "sc:Integer",
            **({"repeated": True} if repeated else {}),
            "source": {"fileObject": {"@id": part.path}, "extract": {"column": column.name}},
        }
