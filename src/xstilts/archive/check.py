"""Whether the files of an unpacked archive are what their names say, before any of them is used.

This finds damage and crafted files that could mislead a later run. It does not prove that a score
was computed as its record says: `xstilts audit` does that.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from xstilts.archive import score_files
from xstilts.archive.layout import is_score_file
from xstilts.errors import ArchiveError
from xstilts.grid.paths import DIGEST
from xstilts.provenance.digests import digest
from xstilts.provenance.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xstilts.provenance.digests import Json

LARGEST_JSON = 64 * 2**20
"""Bytes of a stamp, a run record or a snapshot: Python takes ten times as many to read it."""
_SHA256, _PLAIN = re.compile("[0-9a-f]{64}"), re.compile(r"[\w-][^/\\\x00-\x1f]*")


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Check every member of an archive that lies under its name in a folder.

    Raises `ArchiveError`, which names the member.
    """
    known = set(names)
    for name in sorted(known):
        path = folder / name
        if is_score_file(name):
            if f"{name.removesuffix('.jsonl')}.zip" not in known:
                raise ArchiveError(f"{name}: has no archive of predictions beside it")
            score_files.check(path, name)
        elif name.startswith("results/scores/") and name.endswith(".zip"):
            if f"{name.removesuffix('.zip')}.jsonl" not in known:
                raise ArchiveError(f"{name}: belongs to no score file")
        elif name.startswith("results/snapshots/"):
            if digest(_json_object(path, name)) != path.stem:
                raise ArchiveError(f"{name}: its name is not the digest of its content")
        elif name.endswith(".json"):
            _check_json(path, name)


def _check_json(path: Path, name: str) -> None:
    if name == "results/claims.json":
        _json(path, name)
        return
    value = _json_object(path, name)
    if name.startswith("results/stamps/"):
        _check_stamp(value, name, files_in="../")
    elif name == "results/contamination.json":
        _check_stamp(value, name)
    elif name.startswith("resources/") and path.name != "run.json":
        _check_stamp(value, name)
        place, spec = PurePosixPath(name).parent.name, value["spec"]
        if not place.endswith(f"-{spec[:DIGEST]}"):
            raise ArchiveError(f"{name}: is the stamp of another artefact ({spec[:DIGEST]})")


def _check_stamp(stamp: dict[str, Any], name: str, files_in: str = "") -> None:
    """Check the values that the status of a grid reads; ``files_in``: where its files must lie."""
    spec, files, inputs = (stamp.get(key) for key in ("spec", "files", "inputs"))
    if not (isinstance(spec, str) and _SHA256.fullmatch(spec)):
        raise ArchiveError(f"{name}: is not a stamp: its spec is {spec!r:.80}")
    if not isinstance(files, dict) or not isinstance(inputs, dict):
        raise ArchiveError(f"{name}: is not a stamp: it lacks files or inputs")
    for file, about in files.items():
        parts = file.removeprefix(files_in).split("/")
        if not (file.startswith(files_in) and all(map(_PLAIN.fullmatch, parts))):
            raise ArchiveError(f"{name}: stamps {file!r:.200}, which lies elsewhere")
        if not isinstance(about, dict) or not isinstance(about.get("bytes"), int):
            raise ArchiveError(f"{name}: is not a stamp: it does not describe {file}")


def _json_object(path: Path, name: str) -> dict[str, Any]:
    value = _json(path, name)
    if not isinstance(value, dict):
        raise ArchiveError(f"{name}: must be a JSON object")
    return value


def _json(path: Path, name: str) -> Json:
    if path.stat().st_size > LARGEST_JSON:
        raise ArchiveError(f"{name}: has more than {LARGEST_JSON:,} bytes")
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ArchiveError(f"{name}: cannot be read as JSON ({error})") from None
