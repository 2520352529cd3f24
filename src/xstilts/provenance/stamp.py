"""Stamps: what an artefact is, and the proof of it.

A *spec* is plain JSON that decides an artefact: its kind, resolved parameters, seed, the specs of
its inputs, the code that makes it and the environment lock. Its sha256, the *spec digest*, is the
artefact's identity. A *stamp* lies beside the artefact: spec digest, digests of the inputs that
were read, and the sha256 of the artefact's own files. It holds no times, so that making the same
artefact twice gives the same stamp. It is written last, by rename, so that a stamp describes files
that are complete. Times, host and versions are in ``run.json`` (`xstilts.provenance.run_record`).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.provenance.digests import Json, file_sha256
from xstilts.provenance.files import parse_json, read_bytes, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


STAMP_VERSION = 2
"""The layout of the stamp file; 2 calls ``outcomes`` what 1 called ``facts``."""


def write_stamp(
    path: Path,
    *,
    spec: str,
    inputs: Mapping[str, str],
    files: Iterable[Path],
    outcomes: Mapping[str, Json] | None = None,
) -> None:
    """Write the stamp of an artefact; its files are named by their path from the stamp's folder.

    ``inputs`` gives the sha256 of each input's stamp by role; ``outcomes`` are deterministic values
    that others need without opening the artefact (rows, steps, final loss).
    """
    described = {
        os.path.relpath(file, path.parent): {
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
            "outcomes": dict(outcomes or {}),
        },
    )


def verify(stamp_path: Path, spec: str | None = None) -> Json:
    """Read a stamp and hash every file it lists; return the stamp.

    No checksum is remembered between jobs: whoever may write the files could write the memory too.
    Raises `LineageError` that names the file whose bytes are not the stamped ones, or the stamp if
    its digest is not ``spec`` (None accepts any digest).
    """
    try:
        stamp = Stamp(read_bytes(stamp_path)).record
    except OSError as error:
        raise LineageError(f"{stamp_path}: cannot be read ({error.strerror})") from error
    if not stamp:
        raise LineageError(f"{stamp_path}: not a valid stamp; delete it and run snakemake again")
    if spec is not None and stamp["spec"] != spec:
        raise LineageError(
            f"{stamp_path}: stamps the spec {stamp['spec'][:12]}, but the study asks for "
            f"{spec[:12]}; delete it and run snakemake again"
        )
    for name, recorded in stamp["files"].items():
        path = stamp_path.parent / name
        if not os.path.isfile(path):  # noqa: PTH113 (a Path raises for a name that is too long)
            raise LineageError(f"{path}: missing, though {stamp_path.name} lists it")
        if path.stat().st_size != recorded["bytes"] or file_sha256(path) != recorded["sha256"]:
            raise LineageError(
                f"{path}: its bytes are not the ones that {stamp_path} records; "
                f"delete {stamp_path} and run snakemake again"
            )
    return stamp


@dataclass(frozen=True)
class Stamp:
    """The bytes of a stamp file. The files that it lists are not looked at."""

    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the stamp itself, by which the stamps of other artefacts name it."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def record(self) -> dict[str, Any]:
        """The stamp's JSON object; empty if it is damaged, or does not have a stamp's form."""
        try:
            parsed = parse_json(self.content)
        except ValueError:
            return {}
        return parsed if _is_stamp(parsed) else {}

    @property
    def spec(self) -> str | None:
        """Digest of the spec of the stamped artefact; None if the stamp is damaged."""
        return self.record.get("spec")

    def mapping(self, name: str) -> dict[str, Any]:
        """The stamp's ``inputs``, ``files`` or ``outcomes``; empty if the stamp is damaged."""
        value: dict[str, Any] = self.record.get(name, {})
        return value


def _is_stamp(value: Json) -> bool:
    """Whether a JSON value has all that `write_stamp` writes, each of its type."""
    if not isinstance(value, dict):
        return False
    inputs, files = value.get("inputs"), value.get("files")
    return (
        isinstance(value.get("spec"), str)
        and isinstance(value.get("outcomes"), dict)
        and isinstance(inputs, dict)
        and all(isinstance(sha256, str) for sha256 in inputs.values())
        and isinstance(files, dict)
        and all(_is_near(name) and _describes_file(about) for name, about in files.items())
    )


def _is_near(name: str) -> bool:
    """Whether a file's name is a path below the stamp's folder, or below the one that it lies in.

    The stamps of results lie in ``.stamps/`` beside the files that people look for.
    """
    parts = name.removeprefix("../").split("/")
    return "\0" not in name and not {"", ".", ".."}.intersection(parts) and len(name) < 4096


def _describes_file(about: Json) -> bool:
    return (
        isinstance(about, dict)
        and isinstance(about.get("sha256"), str)
        and type(about.get("bytes")) is int
    )


class StampReader:
    """Reads each stamp once, so that one command sees one and the same state of a grid."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._stamps: dict[Path, Stamp | None] = {}

    def of(self, path: Path) -> Stamp | None:
        """The stamp at a path; None if there is no readable file."""
        if path not in self._stamps:
            try:
                self._stamps[path] = Stamp(read_bytes(path))
            except OSError:
                self._stamps[path] = None
        return self._stamps[path]

    def sha256(self, path: Path) -> str | None:
        """The sha256 of a stamp; None if there is no readable file."""
        stamp = self.of(path)
        return stamp.sha256 if stamp else None

    def spec(self, path: Path) -> str | None:
        """The spec digest of a stamp; None if there is no readable file, or it is damaged."""
        stamp = self.of(path)
        return stamp.spec if stamp else None

    def outcomes(self, path: Path) -> dict[str, Any]:
        """The deterministic outcomes that a stamp records; empty if there is no readable stamp."""
        stamp = self.of(path)
        return stamp.mapping("outcomes") if stamp else {}

    def inputs(self, path: Path) -> dict[str, str]:
        """The sha256 of each input's stamp, by role, as a stamp records them."""
        stamp = self.of(path)
        return stamp.mapping("inputs") if stamp else {}

    def files(self, path: Path) -> dict[Path, str]:
        """The sha256 of each stamped file, by its path, as a stamp records them."""
        stamp = self.of(path)
        recorded = stamp.mapping("files") if stamp else {}
        return {path.parent / name: about["sha256"] for name, about in recorded.items()}

    def has_files(self, path: Path) -> bool:
        """Whether every file that a stamp lists is on disk, as long as it was when it was stamped.

        Their bytes are not read.
        """
        stamp = self.of(path)
        recorded = stamp.mapping("files") if stamp else {}
        try:
            return all(
                (path.parent / name).stat().st_size == about["bytes"]
                for name, about in recorded.items()
            )
        except OSError:
            return False
