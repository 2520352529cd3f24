"""Lineage: what an artefact is (its spec), how it proves it (its stamp), what happened (its run).

A *spec* is plain JSON that decides an artefact: stage, resolved parameters, seed, the specs of its
inputs, the code that makes it and the environment lock. Its sha256, the *spec digest*, is the
artefact's identity. A *stamp* lies beside the artefact: spec digest, digests of the inputs that
were really read, and the sha256 of the artefact's own files. It holds no times, so that making the
same thing twice gives the same stamp, and it is written last, by rename: a stamp that exists is
true. What differs from run to run (times, host, versions) goes into ``run.json``.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.provenance.digests import Json, file_sha256
from xstilts.provenance.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


STAMP_VERSION = 1


def write_stamp(
    path: Path,
    *,
    spec: str,
    inputs: Mapping[str, str],
    files: Iterable[Path],
    facts: Mapping[str, Json] | None = None,
) -> None:
    """Write the stamp of an artefact whose files lie in the stamp's own folder.

    ``inputs`` gives the sha256 of each input's stamp by role; ``facts`` are deterministic outcomes
    worth knowing without opening the artefact (rows, steps, final loss).
    """
    described = {
        str(file.relative_to(path.parent)): {
            "sha256": file_sha256(file),
            "bytes": file.stat().st_size,
        }
        for file in files
    }
    write_json(
        path,
        {
            "stamp": STAMP_VERSION,
            "spec": spec,
            "inputs": dict(inputs),
            "files": described,
            "facts": dict(facts or {}),
        },
    )


def verify(stamp_path: Path) -> Json:
    """Read a stamp and check every file it lists; return the stamp.

    Raises `LineageError` that names the file whose bytes are not the stamped ones.
    """
    stamp = read_json(stamp_path)
    if not isinstance(stamp, dict) or not isinstance(stamp.get("files"), dict):
        raise LineageError(f"{stamp_path}: is no stamp; delete it to have it made again")
    for name, recorded in stamp["files"].items():
        path = stamp_path.parent / name
        if not path.is_file():
            raise LineageError(f"{path}: missing, though {stamp_path.name} lists it")
        if path.stat().st_size != recorded["bytes"] or _known_sha256(path) != recorded["sha256"]:
            raise LineageError(
                f"{path}: its bytes are not the ones that {stamp_path} records; "
                f"delete {stamp_path} to have it made again"
            )
    return stamp


_LARGE = 32 * 2**20


def _known_sha256(path: Path) -> str:
    """A file's sha256; for a large one, remembered as long as its size and times are the same.

    Every job of a grid verifies its encoder. Reading gigabytes each time would cost more than some
    of the jobs; a file that was written to has another time and is read again.
    """
    status = path.stat()
    if status.st_size < _LARGE:
        return file_sha256(path)
    seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    note = path.with_name(f".{path.name}.seen")
    try:
        remembered = json.loads(note.read_bytes())
        if remembered["seen"] == seen:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = file_sha256(path)
    with suppress(OSError):  # a folder that only others may write to
        write_json(note, {"seen": seen, "sha256": found})
    return found


@dataclass(frozen=True)
class Stamp:
    """A stamp as it was found; nothing of what it lists was looked at."""

    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the stamp itself, by which others name it."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def says(self) -> dict[str, Any]:
        """What it says; nothing if it is no JSON object."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def spec(self) -> str | None:
        """Digest of the spec that it is of."""
        return self.says.get("spec")


class Stamps:
    """Reads each stamp once: a look at a grid sees one and the same state."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._found: dict[Path, Stamp | None] = {}

    def of(self, path: Path) -> Stamp | None:
        """The stamp at a path; None where there is none that can be read."""
        if path not in self._found:
            try:
                self._found[path] = Stamp(path.read_bytes())
            except OSError:
                self._found[path] = None
        return self._found[path]

    def sha256(self, path: Path) -> str | None:
        """The sha256 of a stamp; None where there is none."""
        found = self.of(path)
        return found.sha256 if found else None

    def spec(self, path: Path) -> str | None:
        """The spec of a stamp; None where there is none."""
        found = self.of(path)
        return found.spec if found else None
