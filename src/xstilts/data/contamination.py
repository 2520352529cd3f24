"""Does a training set hold what a target is scored on? Told before anything is trained.

XQuAD and LAReQA are translations of SQuAD's development paragraphs, treebank sentences serve as
plain text, copies of a benchmark pass for training sets: a model that has seen its test items tells
nothing. Two examples share something when they have the same long id (SQuAD's ids live on in all
translations), or the same text, compared by letters, marks and digits only, so that tokens and
running text of one sentence are the same.

A target and the recipe that its card names come from one benchmark, whose own split is taken as it
is: their overlap is reported. Any other training set that holds more than `TOLERATED` of a target's
items in a language is refused.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xstilts.data import examples
from xstilts.errors import DataError
from xstilts.provenance import files
from xstilts.provenance.stamp import write_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example

TOLERATED = 0.01
"""Share of a target's items in one language that another benchmark's training set may hold."""
LONG_ID = re.compile(r"[0-9a-f-]{16,}", re.IGNORECASE)
SHORTEST = 24
"""Letters and digits from which on equal texts are taken for the same and not for chance."""


@dataclass(frozen=True)
class Part:
    """The examples of one task, split and language."""

    task: str
    schema: TaskSchema
    language: str
    stamp: Path


@dataclass(frozen=True)
class Target(Part):
    """What is scored; ``own`` names the tasks of its benchmark's own recipe."""

    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Overlap:
    """How many of a target's items in a language a training set holds."""

    training: str
    training_language: str
    target: str
    language: str
    shared: int
    of: int
    own: bool

    @property
    def refused(self) -> bool:
        """Whether a study with both must not be run."""
        return not self.own and self.shared > TOLERATED * self.of

    def __str__(self) -> str:
        held = f"{self.training} ({self.training_language}) holds {self.shared:,} of {self.of:,}"
        return f"{held} items of {self.target} ({self.language})"


# --- the check -----------------------------------------------------------------------------------


def find(training: Sequence[Part], targets: Sequence[Target]) -> list[Overlap]:
    """Every pair of a training set and a target's language that share something."""
    known = {part: np.unique(_prints(part).hashes) for part in training}
    found = []
    for target in targets:
        prints = _prints(target)
        for part, trained in known.items():
            shared = len(np.unique(prints.owners[np.isin(prints.hashes, trained)]))
            if shared:
                own = part.task in target.own
                languages = (part.language, target.task, target.language)
                found.append(Overlap(part.task, *languages, shared, prints.items, own))
    return found


def check(
    training: Sequence[Part], targets: Sequence[Target], stamp: Path, spec: str
) -> list[Overlap]:
    """Write what is shared, beside the stamp, and the stamp; refuse what must not be run.

    Raises `DataError` with a line for each pair that is refused; then only these lines are written,
    for the trainings that have not begun (`refuse_if_found`).
    """
    found = find(training, targets)
    if refused := [overlap for overlap in found if overlap.refused]:
        why = "\n".join(
            f"{overlap}: a score would tell what was learnt by heart; "
            f"take {overlap.training!r} or {overlap.target!r} out of the study"
            for overlap in refused
        )
        files.write_json(_refusal(stamp), {"spec": spec, "why": why})
        raise DataError(why)
    _refusal(stamp).unlink(missing_ok=True)
    listed = stamp.with_name("overlaps.tsv")
    lines = ["\t".join(map(str, asdict(overlap).values())) for overlap in found]
    header = "\t".join(field for field in Overlap.__dataclass_fields__)
    with files.write_atomically(listed) as temporary:
        temporary.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    write_stamp(stamp, spec=spec, inputs={}, files=[listed], outcomes={"pairs": len(found)})
    return found


def refuse_if_found(stamp: Path, spec: str) -> None:
    """Raise the `DataError` with which `check` refused these very examples, if it did.

    The check runs beside the first trainings, and Snakemake's ``keep-going`` goes on after a rule
    that failed: no further training shall begin.
    """
    note = _refusal(stamp)
    if note.is_file() and (says := files.read_json(note))["spec"] == spec:
        raise DataError(f"{says['why']} (or, if the data are others now, delete {note})")


def _refusal(stamp: Path) -> Path:
    return stamp.with_name("overlaps.refused.json")


# --- fingerprints --------------------------------------------------------------------------------


def normal(text: str) -> str:
    """A text by its letters, marks and digits.

    >>> normal("The ca\u0301t -- sat, on (2) mats!")
    'thecátsaton2mats'
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(c for c in plain if _counts(c)))


def _counts(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def keys(schema: TaskSchema, row: Example) -> Iterator[str]:
    """What tells an example from all others: its id if that is one, and its text."""
    if LONG_ID.fullmatch(row["id"]):
        yield f"id {row['id']}"
    text = normal(schema.comparable_text(row))
    if len(text) >= SHORTEST:
        yield f"text {text}"


class _Prints(NamedTuple):
    hashes: np.ndarray  # (K,) of the keys of all items
    owners: np.ndarray  # (K,) the number of the item that each belongs to
    items: int


def _prints(part: Part) -> _Prints:
    """The keys of a part's examples as hashes.

    Of retrieval only the queries: candidates are the haystack, not what is scored.
    """
    hashes: list[int] = []
    owners: list[int] = []
    rows = examples.read(part.stamp.with_suffix(".parquet"))
    items = [row for row in rows if part.schema.is_question(row)]
    for number, row in enumerate(items):
        for key in keys(part.schema, row):
            digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
            hashes.append(int.from_bytes(digest, "big"))
            owners.append(number)
    return _Prints(
        np.asarray(hashes, dtype=np.uint64), np.asarray(owners, dtype=np.int64), len(items)
    )
