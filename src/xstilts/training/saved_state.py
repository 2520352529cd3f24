"""The state of a training on disk: written atomically, taken up only if it is ours and whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from xstilts.provenance.digests import crc32
from xstilts.provenance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

STATE = "resume.safetensors"


def save(path: Path, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    """Write tensors, and what is said about them as JSON, with a checksum of both."""
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(about | {"crc32": checksum(plain, about)})
    plain["about"] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    with write_atomically(path) as temporary:
        save_file(plain, temporary)


def load(
    path: Path, identity: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """A saved state and what is said about it, or None where there is none of use.

    ``identity`` is what a state must say to be ours: its spec, inputs and device. One that cannot
    be read, has changed since it was written, or is another's is deleted, and a line says so.
    """
    if not path.exists():
        return None
    try:
        tensors = load_file(path)
        about = json.loads(bytes(tensors.pop("about").numpy()))
        _check(tensors, about, identity)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        refuse(path, str(error))
        return None
    return tensors, about


def refuse(path: Path, why: str) -> None:
    """Delete a state that must not be taken up."""
    print(f"{path}: not usable ({why}); starting from the beginning", flush=True)
    path.unlink(missing_ok=True)


def _check(
    tensors: dict[str, torch.Tensor], about: dict[str, Any], identity: dict[str, Any]
) -> None:
    for key, value in identity.items():
        if about[key] != value:
            raise ValueError(f"another {key}")
    if about.pop("crc32") != checksum(tensors, about):
        raise ValueError("its bytes have changed")


def checksum(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> int:
    """The CRC-32 of a state: of its JSON, and of each tensor's name, shape, type and numbers."""

    def blocks() -> Iterator[Buffer]:
        yield json.dumps(about, sort_keys=True).encode()
        for name, tensor in sorted(tensors.items()):
            yield f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
            yield tensor.numpy().data

    return crc32(blocks())
