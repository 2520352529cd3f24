"""Find test items in training data, before anything is trained.

XQuAD and LAReQA are translations of SQuAD's development paragraphs, treebank sentences serve as
plain text, copies of a benchmark pass for training sets: the score of a model that has seen its
test items means nothing. Two examples overlap if they have the same random id (all translations of
SQuAD keep its ids), or the same text, compared by letters, marks and digits only, so that the
tokens and the running text of one sentence are the same. Counters and dates are no random ids:
unrelated sets have the same ones.

A target and the recipe that its card names come from one benchmark, whose authors made the split:
their overlap is only reported. Any other training set that holds more than `TOLERATED` of a
target's items in a language is refused, unless the study declares the two to be apart
(``known_apart``): then it is only reported.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
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
    from xstilts.provenance.digests import Json

TABLE = "overlaps.tsv"
"""The file beside the stamp of a search."""
TOLERATED = 0.01
"""Share of a target's items in one language that another benchmark's training set may hold."""
HEXADECIMAL = re.compile(r"[0-9a-f-]{16,}", re.IGNORECASE)
RANDOM_BITS = 40
"""Entropy of the characters of an id, in bits, from which it counts as random: a MongoDB id as
SQuAD has it holds some 75, a counter of 16 digits fewer than 20."""
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
    """The test examples of a target.

    ``own`` names the tasks of its benchmark's recipe, ``apart`` the training tasks that the study
    declares to hold none of its items.
    """

    own: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()


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
    declared_apart: bool

    @property
    def refused(self) -> bool:
        """Whether a study must not have both."""
        excused = self.own or self.declared_apart
        return not excused and self.shared > TOLERATED * self.of

    def __str__(self) -> str:
        held = f"{self.training} ({self.training_language}) holds {self.shared:,} of {self.of:,}"
        note = "; the study declares them to be apart" if self.declared_apart else ""
        return f"{held} items of {self.target} ({self.language}){note}"


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
                names = (part.task, part.language, target.task, target.language)
                excuses = (part.task in target.own, part.task in target.apart)
                overlaps.append(Overlap(*names, shared, scored.items, *excuses))
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
            f"remove {overlap.training!r} or {overlap.target!r} from the study, or, if their "
            "items only look the same, declare it: "
            f"known_apart: {{{overlap.training}: [{overlap.target}]}}"
            for overlap in refused
        )
        files.write_json(_refusal_path(stamp), {"spec": spec, "problem": problem})
        raise DataError(problem)
    _refusal_path(stamp).unlink(missing_ok=True)
    table = stamp.with_name(TABLE)
    files.write_text(table, as_table(overlaps))
    declared = [str(overlap) for overlap in overlaps if overlap.declared_apart]
    outcomes: dict[str, Json] = {"pairs": len(overlaps), "declared_apart": declared}
    write_stamp(stamp, spec=spec, inputs={}, files=[table], outcomes=outcomes)
    return overlaps


def as_table(overlaps: Sequence[Overlap]) -> str:
    """The text of ``overlaps.tsv``: a line for each overlap."""
    lines = ["\t".join(map(str, asdict(overlap).values())) for overlap in overlaps]
    return "\n".join(["\t".join(Overlap.__dataclass_fields__), *lines]) + "\n"


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
    """The texts by which an example is compared: its id if that is random, and its normal text."""
    if is_random(row["id"]):
        yield f"id {row['id']}"
    text = normal(schema.comparable_text(row))
    if len(text) >= SHORTEST:
        yield f"text {text}"


def is_random(identity: str) -> bool:
    """Whether an id was drawn at random, in hexadecimal digits, and not counted or dated.

    >>> is_random("56ddde6b9a695914005b9628"), is_random("0000000000000001")
    (True, False)
    """
    digits = identity.lower().replace("-", "")
    if not HEXADECIMAL.fullmatch(identity) or digits.isdecimal() or digits.isalpha():
        return False
    shares = [count / len(digits) for count in Counter(digits).values()]
    return -len(digits) * sum(share * math.log2(share) for share in shares) >= RANDOM_BITS


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
