"""The line of a score: canonical JSON that holds a digest of itself.

``digest`` is the sha256 of the canonical JSON of everything else in the line, so a line that was
edited is not taken for a score. It guards against slips and damage; who rewrites a line can write
its digest as well (docs/audit.md says what finds that).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from xstilts.provenance.digests import canonical, digest
from xstilts.provenance.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable

Score = dict[str, Any]
"""The JSON object of one line."""
VERSION = 4
"""The version of the format; every line has it as ``version``. 4 added the digests."""
EDITED = "its line was changed after it was written"
TWICE = "it has two lines"

# no text can hold these bytes: canonical JSON writes a quotation mark in a text as \"
_KEY = b'"digest":"'
_DIGITS = 64


def sealed(score: Score) -> Score:
    """The score with the digest of its content."""
    content = {key: value for key, value in score.items() if key != "digest"}
    return content | {"digest": digest(content)}


def line_of(score: Score) -> str:
    """The line of a score, sealed, with its end."""
    return f"{canonical(sealed(score))}\n"


def read_line(line: bytes) -> Score | None:
    """The score of a line, sealed or not; None if the line is truncated or of another version.

    pydantic's parser takes a third of the time of Python's own: the status of a large grid reads
    100,000 lines.
    """
    try:
        score: Score = from_json(line)
    except ValueError:
        return None
    is_score = isinstance(score, dict) and score.get("version") == VERSION
    if not is_score or not isinstance(score.get("language"), str):
        return None
    return score


def is_sealed(line: bytes, score: Score) -> bool:
    """Whether the digest in a line is that of the line's content.

    It is computed from the bytes of the line, and only where these do not fit from what the line
    says: a line that was in an editor may be spaced otherwise, but may give no key twice.
    """
    start = line.find(_KEY)
    begin, end = start + len(_KEY), start + len(_KEY) + _DIGITS
    content = line[:start] + line[end + 2 :]  # without the quotation mark and the comma
    if start > 0 and hashlib.sha256(content).hexdigest().encode() == line[begin:end]:
        return True
    try:
        return bool(sealed(parse_json(line))["digest"] == score.get("digest"))
    except ValueError:  # a NaN, which canonical JSON does not have, or a key twice
        return False


def grid_digest(table_spec: str, digests: Iterable[str]) -> str:
    """One hash of a whole grid, which a paper can cite.

    ``table_spec`` is the digest of the spec of the table of scores: the study, its code and its
    environment. ``digests`` are those of the lines of all scores, in any order. It is the sha256 of
    these digests, the spec's first, then the others sorted, a line each.
    """
    lines = "".join(f"{one}\n" for one in [table_spec, *sorted(digests)])
    return hashlib.sha256(lines.encode()).hexdigest()
