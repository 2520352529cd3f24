"""Find test items in training data, before anything is trained.

XQuAD and LAReQA are translations of SQuAD's development paragraphs, treebank sentences serve as
plain text, copies of a benchmark pass for training sets: the score of a model that has seen its
test items means nothing. Two examples overlap if they have the same long id (all translations of
SQuAD keep its ids), or the same text, compared by letters, marks and digits only, so that the
tokens and the running text of one sentence are the same.

A target and the recipe that its card names come from one benchmark, whose authors made the split:
their overlap is only reported. Any other training set that holds more than `TOLERATED` of a
target's items in a language is refused.
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
"""Letters and digits of the shortest text that is compared: shorter texts are equal by chance."""


@dataclass(frozen=True)
class Part:
    """The examples of one task, split and language."""

    task: str
    schema: TaskSchema
    language: str
    stamp: Path


@dataclass(frozen=True)
class Target(Part):
    """The test examples of a target; ``own`` names the tasks of its benchmark's recipe."""

    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Overlap:
    """How many (``shared``) of a target's items in a language (``of``) a training set holds."""

    training: str
    training_language: str
    target: str
    language: str
    shared: int
    of: int
    own: bool

    @property
    def refused(self) -> bool:
        """Whether a study must not have both."""
        return not self.own and self.shared > TOLERATED * self.of

    def __str__(self) -> str:
        held = f"{self.training} ({self.training_language}) holds {self.shared:,} of {self.of:,}"
        return f"{held} items of {self.target} ({self.language})"


# --- the check -----------------------------------------------------------------------------------


def find(training: Sequence[Part], targets: Sequence[Target]) -> list[Overlap]:
    """The overlaps of every training set with every target in a language."""
    hashes = {part: np.unique(_fingerprints(part).hashes) for part in training}
    overlaps = []
    for target in targets:
        scored = _fingerprints(target)
        for part, trained in hashes.items():
            shared = len(np.unique(scored.owners[np.isin(scored.hashes, trained)]))
            if shared:
                own = part.task in target.own
                names = (part.task, part.language, target.task, target.language)
                overlaps.append(Overlap(*names, shared, scored.items, own))
    return overlaps


def check(
    training: Sequence[Part], targets: Sequence[Target], stamp: Path, spec: str
) -> list[Overlap]:
    """Write all overlaps to ``overlaps.tsv`` beside the stamp, and the stamp last.

    Raises `DataError` with a line for each refused overlap, and records these lines for the
    trainings that have not started yet (`refuse_if_found`).
    """
    overlaps = find(training, targets)
    if refused := [overlap for overlap in overlaps if overlap.refused]:
        problem = "\n".join(
            f"{overlap}: scores on {overlap.target!r} would be contaminated; "
            f"remove {overlap.training!r} or {overlap.target!r} from the study"
            for overlap in refused
        )
        files.write_json(_refusal_path(stamp), {"spec": spec, "problem": problem})
        raise DataError(problem)
    _refusal_path(stamp).unlink(missing_ok=True)
    table = stamp.with_name("overlaps.tsv")
    lines = ["\t".join(map(str, asdict(overlap).values())) for overlap in overlaps]
    header = "\t".join(Overlap.__dataclass_fields__)
    files.write_text(table, "\n".join([header, *lines]) + "\n")
    write_stamp(stamp, spec=spec, inputs={}, files=[table], outcomes={"pairs": len(overlaps)})
    return overlaps


def refuse_if_found(stamp: Path, spec: str) -> None:
    """Raise the `DataError` with which `check` refused the examples of this spec, if it did.

    The check runs beside the first trainings, and Snakemake's ``keep-going`` continues after a rule
    has failed: no further training must start.
    """
    path = _refusal_path(stamp)
    if path.is_file() and (refusal := files.read_json(path))["spec"] == spec:
        raise DataError(f"{refusal['problem']} (if the data have changed since, delete {path})")


def _refusal_path(stamp: Path) -> Path:
    return stamp.with_name("overlaps.refused.json")


# --- fingerprints --------------------------------------------------------------------------------


def normal(text: str) -> str:
    """The letters, marks and digits of a text, without case.

    >>> normal("The ca\u0301t -- sat, on (2) mats!")
    'thecátsaton2mats'
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(c for c in plain if _counts(c)))


def _counts(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def keys(schema: TaskSchema, row: Example) -> Iterator[str]:
    """The texts by which an example is compared: its id if it is long, and its normalised text."""
    if LONG_ID.fullmatch(row["id"]):
        yield f"id {row['id']}"
    text = normal(schema.comparable_text(row))
    if len(text) >= SHORTEST:
        yield f"text {text}"


class _Fingerprints(NamedTuple):
    hashes: np.ndarray  # (K,) uint64, of the keys of all items
    owners: np.ndarray  # (K,) int64, the number of the item that each key belongs to
    items: int


def _fingerprints(part: Part) -> _Fingerprints:
    """Hash the keys of a part's examples; for retrieval only of the queries, which are scored."""
    hashes: list[int] = []
    owners: list[int] = []
    rows = examples.read(part.stamp.with_suffix(".parquet"))
    items = [row for row in rows if part.schema.is_question(row)]
    for number, row in enumerate(items):
        for key in keys(part.schema, row):
            digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
            hashes.append(int.from_bytes(digest, "big"))
            owners.append(number)
    return _Fingerprints(
        np.asarray(hashes, dtype=np.uint64), np.asarray(owners, dtype=np.int64), len(items)
    )
