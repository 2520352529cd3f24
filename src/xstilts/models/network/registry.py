"""Encoder networks without padding, one architecture a file.

Tokens of a batch lie end to end as (T, H) through every linear layer, so that no computation is
spent on padding; only attention lays them out as (S, L) sequences. The numbers are those of
``transformers`` (tests compare every hidden state), weights have the names of a Hugging Face
folder, and importing this costs torch alone.

Every dropout is a module of its own (`xstilts.models.dropout`), called once in a forward pass:
it is a place, and places and tokens decide what is dropped.

An architecture is found by the ``model_type`` of a folder's ``config.json``:

    bert.py         BERT, XLM-R and what has their shape (LaBSE, e5, Glot500, AfroXLMR), XLM-R XL
    modernbert.py   ModernBERT (mmBERT)
    deberta.py      DeBERTa-v2 and v3 (mDeBERTa)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError

from xstilts.errors import EncoderError
from xstilts.models.dropout import name_places
from xstilts.models.network import bert, deberta, modernbert, weights
from xstilts.models.network.base import Config, Encoder, Shape
from xstilts.models.network.weights import WORD_EMBEDDINGS, Weights, body_tensors, load_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "ARCHITECTURES",
    "WORD_EMBEDDINGS",
    "Encoder",
    "Shape",
    "Weights",
    "blank",
    "body_tensors",
    "check",
    "load_body",
]

ARCHITECTURES: dict[str, Callable[[Config, int], Encoder]] = {
    "bert": bert.Bert,
    "roberta": bert.Bert,
    "xlm-roberta": bert.Bert,
    "camembert": bert.Bert,
    "xlm-roberta-xl": bert.BertXL,
    "modernbert": modernbert.ModernBert,
    "deberta-v2": deberta.Deberta,
}


def blank(folder: Path, rows: int) -> Encoder:
    """The network that a folder's ``config.json`` describes, with weights that are to be loaded.

    ``rows`` is the number of rows of its embedding matrix: those that the data at hand needs.
    Raises `EncoderError` for an architecture, or a variant of one, that is not known.
    """
    config = Config(folder)
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise EncoderError(
            f"{config.path}: model_type {kind!r} is not supported; "
            f"allowed: {', '.join(ARCHITECTURES)}"
        )
    encoder = ARCHITECTURES[kind](config, rows)
    name_places(encoder, "encoder")
    return encoder


def check(folder: Path) -> None:
    """Raise `EncoderError` where a folder cannot be computed; no tensor of it is read."""
    with torch.device("meta"):
        encoder = blank(folder, 1)
    try:
        weights.check(encoder, Weights(folder))
    except SafetensorError as error:
        raise EncoderError(f"{folder / 'model.safetensors'}: cannot be read ({error})") from error
