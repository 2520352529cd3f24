"""One stamp: its files and its inputs, against what is on disk."""

from __future__ import annotations

from stat import S_ISREG
from typing import TYPE_CHECKING

from xstilts.audit.verdict import altered, unverifiable
from xstilts.provenance.digests import file_sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from xstilts.audit.verdict import Finding
    from xstilts.provenance.stamp import Stamp, StampReader


def check_stamp(
    stamps: StampReader, path: Path, spec: str, files: Collection[str], *, weights: bool
) -> Iterator[Finding]:
    """What is wrong with a stamp and with the files that it lists.

    ``spec``: the digest that it must have; ``files``: the names that it must list, from its folder.
    Every file is hashed; of weights (``*.safetensors``) only the size is compared, and whether they
    exist is not asked, unless ``weights``. The remembered checksums of large files play no part.
    """
    stamp = stamps.of(path)
    if stamp is None:
        yield unverifiable(path, "is missing")
        return
    if not stamp.record:
        yield altered(path, "is not a stamp: it is damaged")
        return
    if stamp.spec != spec:
        yield altered(path, f"stamps the spec {stamp.spec!s:.12}, the study asks for {spec:.12}")
        return
    recorded = stamp.mapping("files")
    if set(recorded) != set(files):
        yield altered(
            path, f"lists {_names(recorded)}; an artefact of its kind has {_names(files)}"
        )
        return
    for name, about in recorded.items():
        yield from _check_file(path.parent / name, about, path, weights=weights)


def _check_file(
    file: Path, about: Mapping[str, object], stamp: Path, *, weights: bool
) -> Iterator[Finding]:
    hashed = weights or file.suffix != ".safetensors"
    try:
        status = file.stat()
        same = (
            S_ISREG(status.st_mode)
            and status.st_size == about["bytes"]
            and (not hashed or file_sha256(file) == about["sha256"])
        )
    except OSError:
        if hashed:
            yield unverifiable(file, f"is missing, though {stamp.name} lists it")
        return
    if not same:
        yield altered(file, f"its bytes are not those that {stamp} records")


def check_inputs(
    stamps: StampReader, path: Path, stamp: Stamp, expected: Collection[Path]
) -> Iterator[Finding]:
    """Whether a stamp names exactly the stamps on disk that it must have read.

    Stamps that are missing are left to their own checks.
    """
    on_disk = {read: stamps.sha256(read) for read in expected}
    recorded = set(stamp.mapping("inputs").values())
    for read, sha256 in on_disk.items():
        if sha256 is not None and sha256 not in recorded:
            yield altered(path, f"was not computed from {read} as it is on disk")
    if None not in on_disk.values() and not recorded <= set(on_disk.values()):
        yield altered(path, "names an input that the study does not read")


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "no file"
