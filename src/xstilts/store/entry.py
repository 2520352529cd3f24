"""An entry: an artefact's files under a key, with ``entry.json``, which says the sha256 of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from xstilts.errors import DamagedEntry, LineageError
from xstilts.provenance import digests
from xstilts.provenance.files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.grid.keys import Key

ENTRY = "entry.json"
ENTRY_VERSION = 1
CORRUPT = "corrupt"


@dataclass(frozen=True)
class Kept:
    """One file of an entry."""

    sha256: str
    size: int  # bytes
    object: str = ""  # its name in a bucket


@dataclass(frozen=True)
class Entry:
    """One artefact in the store: ``stamp`` is the name of the file that is its stamp."""

    key: str
    spec: str
    stamp: str
    inputs: dict[str, str]
    files: dict[str, Kept]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(kept.size for kept in self.files.values())

    def as_json(self) -> dict[str, Any]:
        """What ``entry.json`` says."""
        return {"entry": ENTRY_VERSION, **asdict(self)}

    @staticmethod
    def read(key: str, text: bytes) -> Entry:
        """Raises `DamagedEntry` for a text that is no entry, or that is another key's."""
        try:
            says = json.loads(text)
            files = {name: Kept(**kept) for name, kept in says["files"].items()}
            entry = Entry(
                says["key"], says["spec"], says["stamp"], says["inputs"], files, says["about"]
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedEntry(key, f"{ENTRY} cannot be read ({error!r})") from None
        if entry.key != key or entry.stamp not in files:
            raise DamagedEntry(key, f"{ENTRY} is of another entry, or names no stamp")
        for name in files:  # a store is shared: its names must not lead out of a folder
            if PurePosixPath(name).name != name or name in (ENTRY, ".", ".."):
                raise DamagedEntry(key, f"{name!r} is no plain file name")
        return entry

    def check_stamp(self, path: Path) -> None:
        """Raises `DamagedEntry` if a stamp is not of this spec or lists other files."""
        try:
            stamp = read_json(path)
            listed = {name: file["sha256"] for name, file in stamp["files"].items()}
            agrees = stamp["spec"] == self.spec and stamp["inputs"] == self.inputs
            agrees &= all(self.files[name].sha256 == sha for name, sha in listed.items())
        except (LineageError, KeyError, TypeError, AttributeError):
            agrees = False
        if not agrees:
            raise DamagedEntry(self.key, f"{self.stamp} is not the stamp of this entry")


def described(files: Mapping[str, Path]) -> dict[str, Kept]:
    """The digests of files, as an entry records them."""
    return {
        name: Kept(digests.file_sha256(path), path.stat().st_size) for name, path in files.items()
    }


def checkpoint_key(spec: str, inputs: Mapping[str, str]) -> str:
    """The key of a checkpoint: its spec digest, and the stamps' digests of what it is made of."""
    return f"checkpoints/{spec}/{digests.digest(dict(inputs))}"


def input_key(sha256: str) -> str:
    """The key of what a checkpoint is made of: the sha256 of its stamp."""
    return f"inputs/{sha256}"


def training_name(key: Key) -> str:
    """A training as an entry names it for people."""
    encoder, condition, seed, stage = key
    return f"{encoder} {condition}/seed{seed}/{stage}"


def now() -> str:
    """The time, as entries and notes record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
