"""One task, split and language made ready: fetched, read, checked and kept as parquet."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.task_card import FROM_DATA
from xstilts.data import examples
from xstilts.data.sources import fetch, is_at_hand
from xstilts.errors import DataError, LineageError, MissingFile, StudyError, unknown
from xstilts.provenance import digests
from xstilts.provenance.stamp import verify, write_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from xstilts.config.task_card import Form, Split, TaskCard
    from xstilts.data.examples import Example
    from xstilts.data.sources import Progress

READERS = Path(__file__).parent / "readers"
_HELPERS = ("__init__", "text", "records")
BLANKED = 100
"""From so many labelled examples on, one label for all of them is taken for blanked labels."""


def prepare(
    card: TaskCard,
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

    The parquet file is named after the stamp (``sw.json`` stamps ``sw.parquet``). Raises
    `DataError` for files that cannot be had or read, and for examples that the card's own labels
    and task type do not allow.
    """
    entry: Split = card.splits[split]  # type: ignore[index]
    form, files = _fetched(
        card,
        split,
        language,
        resources=resources,
        mirror=mirror,
        checksums=checksums,
        progress=progress,
    )
    rows = read_split(card, split, language, files, form)
    parquet = stamp.with_suffix(".parquet")
    facts: dict[str, Any] = {"rows": examples.write(parquet, card.task_type, rows)}
    if entry.otherwise:
        facts["form"] = entry.forms.index(form)
    if card.labels == FROM_DATA:
        facts["labels"] = sorted(set(map(str, _labels(rows))))
    write_stamp(
        stamp,
        spec=spec,
        inputs={part: digests.file_sha256(path) for part, path in sorted(files.items())},
        files=[parquet],
        facts=facts,
    )


def is_current(stamp: Path, spec: str) -> bool:
    """Whether the stamp exists, is of this spec, and its files are the ones it lists."""
    if not stamp.is_file():
        return False
    try:
        return bool(verify(stamp)["spec"] == spec)
    except (LineageError, KeyError, TypeError):
        return False


def read_split(
    card: TaskCard, split: str, language: str, files: Mapping[str, Path], form: Form | None = None
) -> list[Example]:
    """Read raw files with the reader of a split's form (the first), and check what came out."""
    if language not in card.split_languages(split):
        allowed = card.split_languages(split)
        raise StudyError(f"task {card.task!r}, {split}: {unknown('language', language, allowed)}")
    where = f"{card.task}/{split}/{language}"
    how = form or card.splits[split]  # type: ignore[index]
    rows = list(reader(how.reader, how.options, where)(files, language, **how.options))
    examples.check(card.task_type, rows, where)
    check_labels(card, rows, where)
    if split == "test":
        check_gold(card, rows, where)
    return rows


def _fetched(
    card: TaskCard, split: str, language: str, *, resources: Path, mirror: Path | None, **how: Any
) -> tuple[Form, dict[str, Path]]:
    """The first form of a split whose files can be had, and these.

    A form whose files are all at hand goes before one that would need the network.
    """
    entry: Split = card.splits[split]  # type: ignore[index]
    forms = [(form, card.raw_files(split, language, form)) for form in entry.forms_of(language)]
    forms.sort(key=lambda f: not all(is_at_hand(file, resources, mirror) for file in f[1].values()))
    failures = []
    for form, files in forms:
        try:
            return form, {
                part: fetch(
                    file, resources=resources, mirror=mirror, split=split, language=language, **how
                )
                for part, file in files.items()
            }
        except MissingFile as error:
            failures.append(str(error))
    raise MissingFile("\n".join(failures))


# --- readers -------------------------------------------------------------------------------------


def readers() -> list[str]:
    """Names of all readers."""
    return sorted(path.stem for path in READERS.glob("*.py") if path.stem not in _HELPERS)


def reader(name: str, options: Mapping[str, Any], where: str) -> Callable[..., Iterable[Example]]:
    """The function that reads a card's files; refuses options that it does not have."""
    if name not in readers():
        raise StudyError(f"{where}: {unknown('reader', name, readers())}")
    read: Callable[..., Iterable[Example]] = importlib.import_module(
        f"xstilts.data.readers.{name}"
    ).read
    parameters = inspect.signature(read).parameters.values()
    known = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    for option in options:
        if option not in known:
            raise StudyError(f"{where}: reader {name!r}: {unknown('option', option, known)}")
    missing = [n for n, p in known.items() if p.default is p.empty and n not in options]
    if missing:
        raise StudyError(f"{where}: reader {name!r} needs the option {', '.join(missing)}")
    return read


# --- checks --------------------------------------------------------------------------------------


def check_labels(card: TaskCard, rows: list[Example], where: str) -> None:
    """Refuse labels that the card does not name, and splits whose labels were blanked.

    XTREME's downloader overwrites most test labels by one constant; scored against, that gives a
    third on XNLI and nothing on TyDiQA (google-research/xtreme issues 24 and 66).
    """
    labels = sorted(set(map(str, _labels(rows)))) if card.labels == FROM_DATA else card.label_list
    for row in rows:
        for problem in _FAULTS[card.task_type](row, labels):
            raise DataError(f"{where}: example {row['id']!r}: {problem}")
    if card.task_type == "retrieval":
        _check_relevant(rows, where)
    counts = Counter(_labels(rows))
    if len(counts) == 1 and counts.total() >= BLANKED:
        raise DataError(
            f"{where}: all {counts.total()} labels are {next(iter(counts))!r}: "
            "this is a copy whose labels were blanked; give a source with the true ones"
        )


def check_gold(card: TaskCard, rows: list[Example], where: str) -> None:
    """Refuse test examples that nothing is known of: accuracy would count them as errors.

    No answer is one in SQuAD 2, and most sentences of BUCC have no translation.
    """
    if card.scorer == "bucc":
        if not any(row["relevant"] for row in rows):
            raise DataError(f"{where}: no query has a right candidate to score")
        return
    if card.scorer == "squad2":
        return
    for row in rows:
        if row.get("side") != "candidate" and row[_GOLD[card.task_type]] in (None, []):
            raise DataError(
                f"{where}: example {row['id']!r}: has no gold answer to score: "
                "give a source with answers, or leave such examples out"
            )


_GOLD = {
    "classification": "label",
    "multiple_choice": "label",
    "tagging": "tags",
    "span_qa": "answers",
    "document_qa": "annotations",
    "retrieval": "relevant",
}


def _labels(rows: list[Example]) -> Iterator[str | int]:
    for row in rows:
        if row.get("label") is not None:
            yield row["label"]
        yield from row.get("tags") or ()


def _classification(row: Example, labels: list[str]) -> Iterator[str]:
    if row["label"] is not None and row["label"] not in labels:
        yield unknown("label", row["label"], labels)


def _multiple_choice(row: Example, _: list[str]) -> Iterator[str]:
    count = len(row["choices"])
    if count < 2:
        yield f"has {count} choices, needs at least 2"
    if row["label"] is not None and not 0 <= row["label"] < count:
        yield f"label {row['label']} points at none of the {count} choices (0 to {count - 1})"


def _tagging(row: Example, labels: list[str]) -> Iterator[str]:
    if not row["tokens"]:
        yield "has no tokens"
    if row["tags"] is None:
        return
    if len(row["tags"]) != len(row["tokens"]):
        yield f"has {len(row['tokens'])} tokens but {len(row['tags'])} tags"
    yield from (unknown("tag", tag, labels) for tag in set(row["tags"]).difference(labels))


def _span_qa(row: Example, _: list[str]) -> Iterator[str]:
    for answer in row["answers"]:
        start, text = answer["start"], answer["text"]
        if not text or start < 0 or not row["context"].startswith(text, start):
            yield f"the answer {text!r:.60} is not in the context at {start}"


def _document_qa(row: Example, _: list[str]) -> Iterator[str]:
    size = len(row["document"].encode())
    for name, items in (("passage", row["passages"]), ("annotation", row["annotations"])):
        for number, item in enumerate(items):
            start, end = item["start"], item["end"]
            if not (0 <= start < end <= size or start == end == -1):
                yield f"{name} {number} spans bytes {start} to {end} of a document of {size}"
    for number, item in enumerate(row["annotations"]):
        if not -1 <= item["passage"] < len(row["passages"]):
            yield f"annotation {number} names passage {item['passage']} of {len(row['passages'])}"
        if item["yes_no"] not in ("yes", "no", "none"):
            yield unknown("yes_no answer", item["yes_no"], ["yes", "no", "none"])


def _retrieval(row: Example, _: list[str]) -> Iterator[str]:
    if row["side"] not in ("query", "candidate"):
        yield unknown("side", row["side"], ["query", "candidate"])


def _mlm(row: Example, _: list[str]) -> Iterator[str]:
    if not row["text"].strip():
        yield "has no text"


_FAULTS: dict[str, Callable[[Example, list[str]], Iterator[str]]] = {
    "classification": _classification,
    "multiple_choice": _multiple_choice,
    "tagging": _tagging,
    "span_qa": _span_qa,
    "document_qa": _document_qa,
    "retrieval": _retrieval,
    "mlm": _mlm,
}


def _check_relevant(rows: list[Example], where: str) -> None:
    candidates = {row["id"] for row in rows if row["side"] == "candidate"}
    if not candidates or len(candidates) == len(rows):
        raise DataError(f"{where}: needs both queries and candidates")
    for row in rows:
        for wanted in row["relevant"]:
            if wanted not in candidates:
                raise DataError(f"{where}: example {row['id']!r}: no candidate has id {wanted!r}")
