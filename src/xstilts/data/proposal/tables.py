"""The tables of a data set: a split and a language each, with the source that a card names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from xstilts.config.raw_file import HubDataset
from xstilts.data import hub_datasets
from xstilts.data.proposal.names import LanguageNames, split_of, with_place
from xstilts.data.readers.records import records
from xstilts.errors import MalformedFile, StudyError, UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xstilts.data.hub_datasets import Row
    from xstilts.data.readers.options import Table

FORMS: dict[str, Table] = {
    ".csv": {"form": "csv"},
    ".tsv": {"form": "tsv"},
    ".jsonl": {"form": "jsonl"},
    ".ndjson": {"form": "jsonl"},
    ".json": {"form": "jsonl"},
    ".parquet": {"form": "parquet"},
}
"""The form of a local file by the end of its name; a ``.json`` must have one object a line."""
FIRST = 100
"""Rows that are looked at to propose a card."""


@dataclass(frozen=True)
class FoundTable:
    """One split in one language."""

    split: str
    language: str
    code: str
    """What the data set calls the language."""
    file: dict[str, Any]
    """The keys of a `RawFile`, with ``{code}`` in place of the code."""
    form: Table
    first: Callable[[], list[Row]]
    """Reads at most `FIRST` rows, once."""
    rows: Callable[[], Iterator[Row]]
    """Reads all rows."""
    path: Path | None = None
    """The file itself, if it is a local one."""


@dataclass(frozen=True)
class Asked:
    """What the user says of a data set that its names do not say."""

    language: str | None = None
    """Language of tables whose name says none."""
    split: str | None = None
    """Split of tables whose name says none."""
    configuration: str | None = None
    """The only configuration of a data set on the Hub to be read."""


@dataclass(frozen=True)
class Found:
    """The tables of a data set, and the names of those whose language is not known."""

    tables: list[FoundTable]
    left_out: list[str]


def in_folder(source: Path, name: str, names: LanguageNames, asked: Asked) -> Found:
    """The tables of a file, or of all files below a folder, whose form is one of `FORMS`.

    A file may be packed by gzip. Its ``mirror`` is relative to the folder that holds ``source``;
    ``name`` is the name of the task. Raises `UsageError` if no file has such a form, if neither
    names nor ``asked`` say the split of a file, or if they say the language of no file.
    """
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    paths = [path for path in files if _ending(path) in FORMS]
    tables = [_local(path, source, name, names, asked) for path in paths]
    if not tables:
        raise UsageError(f"{source}: has no file whose name ends in {', '.join(FORMS)}")
    known = [table for table in tables if table is not None]
    if not known:
        raise UsageError(f"{source}: no name says a language; give --language CODE")
    pairs = zip(paths, tables, strict=True)
    return Found(known, [str(path) for path, table in pairs if table is None])


def _local(
    path: Path, source: Path, name: str, names: LanguageNames, asked: Asked
) -> FoundTable | None:
    """The table of a file; None where its language is not known."""
    # a mirror is looked through for the plain name, then for the packed file
    mirror = path.relative_to(source.parent).as_posix().removesuffix(".gz")
    inside = mirror if path == source else mirror.removeprefix(f"{source.name}/")
    stem = inside.removesuffix(_ending(path))
    piece = names.piece_of(stem)
    language = names.code_of(piece) if piece else asked.language
    if language is None:
        return None
    split = split_of(stem) or asked.split
    if split is None:
        raise UsageError(
            f"{path}: its name says neither train, dev nor test; rename it, or give --split"
        )
    form = _form_of(path)

    def rows() -> Iterator[Row]:
        return (record.values for record in records(path, form, ""))

    place = (lambda text: with_place(text, piece)) if piece else str
    folder = "" if mirror == inside else f"{source.name}/"
    file = {"path": f"{name}/{place(inside)}", "mirror": f"{folder}{place(inside)}"}
    return FoundTable(
        split,
        language,
        piece or language,
        file,
        form,
        cache(lambda: list(islice(rows(), FIRST))),
        rows,
        path,
    )


def _ending(path: Path) -> str:
    """The end of a file's name that says its form: ``.tsv`` of ``a.tsv`` and ``a.tsv.gz``."""
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _form_of(path: Path) -> Table:
    """The form of a file: tab-separated cells may stand in the quotes of CSV."""
    form = FORMS[_ending(path)]
    if form != {"form": "tsv"}:
        return form
    try:
        for _ in records(path, form, ""):
            pass
    except MalformedFile:
        return {"form": "tsv", "quoted": True}
    return form


def on_hub(repo: str, commit: str, name: str, names: LanguageNames, asked: Asked) -> Found:
    """The tables of a data set on the Hub; languages are its configurations, or its splits.

    Raises `UsageError` as `in_folder`, and `SourceUnavailable` where the Hub does not have it.
    """
    found = hub_datasets.split_names(repo, commit)
    if asked.configuration is not None:
        if asked.configuration not in found:
            raise StudyError(unknown("configuration", asked.configuration, found))
        found = {asked.configuration: found[asked.configuration]}
    by_language = {config: names.code_of(config) for config in found}
    left_out = [config for config, code in by_language.items() if code is None]
    if len(found) > 1:
        found = {config: splits for config, splits in found.items() if by_language[config]}
        if not found:
            raise UsageError(
                f"{repo}: its configurations are no languages ({', '.join(by_language)}); "
                "give --configuration NAME"
            )
    else:
        left_out = []
    tables = []
    for config, splits in found.items():
        code = by_language[config]
        for split in splits:
            source = HubDataset(repo=repo, revision=commit, config=config, split=split)
            if table := _of_split(source, config if code else None, name, names, asked):
                tables.append(table)
            else:
                left_out.append(f"{config}/{split}")
    if not tables:
        raise UsageError(
            f"{repo}: its splits are neither train, dev, test nor languages "
            f"({', '.join(sorted({s for splits in found.values() for s in splits}))}); give --split"
        )
    return Found(tables, left_out)


def _of_split(
    source: HubDataset, config: str | None, name: str, names: LanguageNames, asked: Asked
) -> FoundTable | None:
    """The table of a split; ``config``: the configuration, if it is a language."""
    split = split_of(source.split)
    piece = config or names.piece_of(source.split)
    if split is None and piece is None and asked.split is None:
        return None
    split = split or asked.split or "test"
    language = names.code_of(piece) if piece else asked.language
    if language is None:
        raise UsageError(
            f"{source.repo}: neither configurations nor splits say a language; give --language CODE"
        )
    keys = source.model_dump(exclude_none=True)
    if config:
        keys["config"] = "{code}"
    elif piece:
        keys["split"] = with_place(source.split, piece)
    place = "/{code}" if piece else ""
    return FoundTable(
        split,
        language,
        piece or language,
        {"path": f"{name}{place}/{split}.jsonl", "dataset": keys},
        {"form": "jsonl"},
        cache(lambda: hub_datasets.first_rows(source, FIRST)),
        lambda: hub_datasets.rows(source),
    )


def of_split(tables: Sequence[FoundTable], split: str) -> list[FoundTable]:
    """The tables of a split, English first; raises `UsageError` where they do not fit together."""
    chosen = [table for table in tables if table.split == split]
    kinds = {str(table.file): table for table in chosen}
    if len(kinds) > 1:
        paths = [str(table.file["path"]) for table in kinds.values()]
        raise UsageError(
            f"the split {split} has files of several kinds: {', '.join(sorted(paths))}; keep one"
        )
    codes = [table.language for table in chosen]
    if twice := next((code for code in codes if codes.count(code) > 1), None):
        raise UsageError(f"the split {split} has the language {twice!r} twice")
    return sorted(chosen, key=lambda table: (table.language != "en", table.language))
