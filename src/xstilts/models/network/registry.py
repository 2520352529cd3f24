"""Encoder networks without padding, one architecture a file.

Tokens of a batch lie end to end as (T, H) through every linear layer, so that no computation is
spent on padding; only attention lays them out as (S, L) sequences. The numbers are those of
``transformers`` (tests compare every hidden state), weights have the names of a Hugging Face
folder, and importing this costs torch alone.

Every dropout is a module of its own (`xstilts.models.dropout`), called once in a forward pass:
it is a place, and places and tokens decide what is dropped.

An architecture is one module of this package, imported by its name when a folder's ``config.json``
asks for it. A training's spec names the module of its encoder's architecture, so that a change in
one architecture leaves the checkpoints of the others valid:

    bert.py         BERT, XLM-R and what has their shape (LaBSE, e5, Glot500, AfroXLMR), XLM-R XL
    modernbert.py   ModernBERT (mmBERT)
    deberta.py      DeBERTa-v2 and v3 (mDeBERTa)
    automodel.py    whatever else transformers' AutoModel computes, with padding
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError

from xstilts.errors import EncoderError
from xstilts.models.dropout import name_dropout_layers
from xstilts.models.network import weights
from xstilts.models.network.base import Config, Encoder, Shape
from xstilts.models.network.weights import WORD_EMBEDDINGS, Weights, body_tensors, load_body

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "NETWORKS",
    "WORD_EMBEDDINGS",
    "Config",
    "Encoder",
    "Shape",
    "Weights",
    "blank",
    "body_tensors",
    "check",
    "load_body",
]

NETWORKS = {
    "bert": "bert.Bert",
    "roberta": "bert.Bert",
    "xlm-roberta": "bert.Bert",
    "camembert": "bert.Bert",
    "xlm-roberta-xl": "bert.BertXL",
    "modernbert": "modernbert.ModernBert",
    "deberta-v2": "deberta.Deberta",
}
"""The network of each ``model_type``: its architecture, a module of this package, and its class."""


AUTOMODEL = "automodel"


def _network(config: Config) -> tuple[str, str]:
    """The architecture and the class that compute a folder.

    Weights that `automodel.convert` wrote are computed by AutoModel, whatever they are.
    """
    model_type = config["model_type"]
    if weights.are_converted(config.path.parent):
        return AUTOMODEL, "AutoEncoder"
    if not isinstance(model_type, str) or model_type not in NETWORKS:
        raise EncoderError(
            f"{config.path}: no network of this project computes model_type {model_type!r:.60} "
            f"(they compute {', '.join(NETWORKS)}); write architecture: {AUTOMODEL} into the card: "
            "transformers computes it then, slower"
        )
    architecture, _, name = NETWORKS[model_type].partition(".")
    return architecture, name


def blank(folder: Path, rows: int) -> Encoder:
    """The network that a folder's ``config.json`` describes, with weights that are to be loaded.

    ``rows`` is the number of rows of its embedding matrix: those that the data at hand needs.
    Raises `EncoderError` for an architecture, or a variant of one, that is not known.
    """
    config = Config(folder)
    architecture, name = _network(config)
    module = import_module(f"xstilts.models.network.{architecture}")
    encoder: Encoder = getattr(module, name)(config, rows)
    name_dropout_layers(encoder, "encoder")
    return encoder


def check(folder: Path, architecture: str) -> Shape:
    """Check that a folder can be computed, by this architecture, and return its size.


    No tensor of it is read. Raises `EncoderError` for another architecture, an unsupported variant,
    or weights that lack a tensor or have one of another shape.
    """
    config = Config(folder)
    found, _ = _network(config)
    if found != architecture:
        raise EncoderError(
            f"the card says architecture: {architecture}, but {config.path} has model_type "
            f"{config['model_type']!r}; write architecture: {found} into the card"
        )
    with torch.device("meta"):
        encoder = blank(folder, 1)
    try:
        weights.check(encoder, Weights(folder))
    except SafetensorError as error:
        raise EncoderError(f"{folder / 'model.safetensors'}: cannot be read ({error})") from error
    return encoder.shape
