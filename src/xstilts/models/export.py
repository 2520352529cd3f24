"""A checkpoint as an ordinary Hugging Face folder, with one of its heads or without.

    xstilts export results/<study>/checkpoints/<encoder>/.../stamp.json FOLDER [--head TASK]

The encoder's whole embedding matrix is written out again, so the folder stands alone. Where
``transformers`` has a class that computes what a head does (`CLASSES`), the head becomes one of it;
for any other architecture the folder brings the class along (`modeling_xstilts`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from xstilts.errors import EncoderError, LineageError, unknown
from xstilts.models import checkpoint as checkpoints
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.network import base, registry
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import parse_json, write_atomically, write_json
from xstilts.provenance.stamp import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.config.task_schema import TaskSchema

CLASSES: dict[str, str | None] = {
    "ForSequenceClassification": None,
    "ForMultipleChoice": None,
    "ForTokenClassification": "classifier",
    "ForQuestionAnswering": "qa_outputs",
}
"""The classes of transformers that compute what a head of ours does, without the architecture's
name. The value names the output layer of a head on every token; None: the layers of a head on the
first token, which each family calls differently."""
_WITH_LABELS = ("ForSequenceClassification", "ForTokenClassification")


@dataclass(frozen=True)
class _Family:
    """How transformers calls the parts of a model with a head.

    ``sentence``: where the dense layer and the output of a head on the first token lie; ours is
    dense, tanh, linear, as RoBERTa's. ``choice``: the same of a multiple choice.
    """

    name: str
    prefix: str
    sentence: tuple[str, str]
    choice: tuple[str, str]


_POOLED = ("bert.pooler.dense", "classifier")
_ROBERTA = (("classifier.dense", "classifier.out_proj"), ("roberta.pooler.dense", "classifier"))
_DEBERTA = ("pooler.dense", "classifier")
_FAMILIES = {
    "bert": _Family("Bert", "bert.", _POOLED, _POOLED),
    "roberta": _Family("Roberta", "roberta.", *_ROBERTA),
    "camembert": _Family("Camembert", "roberta.", *_ROBERTA),
    "xlm-roberta": _Family("XLMRoberta", "roberta.", *_ROBERTA),
    "xlm-roberta-xl": _Family("XLMRobertaXL", "roberta.", *_ROBERTA),
    "deberta-v2": _Family("DebertaV2", "deberta.", _DEBERTA, _DEBERTA),
}
"""Not ModernBERT: its heads in transformers have a norm and a gelu that ours have not."""
_BROUGHT = "modeling_xstilts"
"""The module that a folder brings along for all other architectures."""


@dataclass(frozen=True)
class Head:
    """The head to write: of which task, of what type, with which labels (empty: not known)."""

    task: str
    schema: TaskSchema
    labels: tuple[str, ...] = ()


def export(stamp: Path, encoder: Path, folder: Path, head: Head | None = None) -> None:
    """Write the folder: ``config.json``, ``model.safetensors``, the tokenizer, where it is from.

    ``encoder`` is the stamp of the encoder that the training began with. Raises `LineageError`
    where it is another one or a file has changed, and `EncoderError` where the head cannot be
    written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise EncoderError(f"{folder}: is not empty; name a folder that is to be made")
    verify(encoder)
    if verify(stamp)["inputs"].get("encoder") != file_sha256(encoder):
        raise LineageError(f"{stamp}: was trained from another encoder than {encoder}")
    source = encoder.parent
    checkpoint = Checkpoint.load(stamp.parent / checkpoints.FILE, source)
    config = parse_json((source / "config.json").read_bytes())
    written, renamed, prefix = _with_head(checkpoint, config, head)
    blank = registry.blank(source, 1)
    tensors = {f"{prefix}{name}": value for name, value in checkpoint.body.items()}
    rows = EmbeddingRows(torch.arange(config["vocab_size"]))
    tensors[f"{prefix}{blank.word_embeddings}"] = rows.read(source, checkpoint.embeddings)
    about_tokenizer = _tokenizer_config(source, config, blank)
    with write_atomically(folder / "model.safetensors") as temporary:
        save_file(tensors | renamed, temporary, {"format": "pt"})
    write_json(folder / "config.json", written)
    if "auto_map" in written:
        shutil.copyfile(Path(__file__).with_name(f"{_BROUGHT}.py"), folder / f"{_BROUGHT}.py")
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    write_json(folder / "tokenizer_config.json", about_tokenizer)
    made = {"checkpoint": file_sha256(stamp), "encoder": file_sha256(encoder)}
    write_json(folder / "xstilts.json", made | {"head": head.task if head else None})


def _with_head(
    checkpoint: Checkpoint, config: dict[str, Any], head: Head | None
) -> tuple[dict[str, Any], dict[str, torch.Tensor], str]:
    """The configuration with a head, the head's tensors, and the prefix of all others."""
    plain = config | {"dtype": "float32"}
    if head is None:
        return plain, {}, ""
    ours = checkpoint.head(head.task)
    if not ours:
        there = {name.partition(".")[0] for name in checkpoint.heads}
        raise EncoderError(f"the checkpoint has {unknown('head', head.task, there)}")
    model_class = head.schema.transformers_class
    if model_class not in CLASSES:
        raise EncoderError(
            f"transformers has no class for {head.schema.name}; there is one of "
            f"{', '.join(CLASSES)}. Without --head the encoder alone is written"
        )
    family = _FAMILIES.get(config["model_type"])
    if family is None:
        return _with_brought_head(plain, model_class, ours, head)
    dense, out = family.choice if model_class == "ForMultipleChoice" else family.sentence
    out = CLASSES[model_class] or out
    tensors = _renamed(ours, {"dense": dense, "out": out})
    changes: dict[str, Any] = {"architectures": [family.name + model_class]}
    if config["model_type"] == "deberta-v2":
        changes["pooler_hidden_act"] = "tanh"
    if model_class in _WITH_LABELS:
        changes |= _labels(head.labels, len(tensors[f"{out}.weight"]))
    return plain | changes, tensors, family.prefix


def _with_brought_head(
    config: dict[str, Any], model_class: str, ours: dict[str, torch.Tensor], head: Head
) -> tuple[dict[str, Any], dict[str, torch.Tensor], str]:
    """As `_with_head`, for a class of the module that the folder brings along.

    Its ``model_type`` is one that transformers does not know, so that without the module loading
    fails: transformers' own class would leave the head as it was initialised, with a warning.
    """
    if "auto_map" in config:
        raise EncoderError(
            "the encoder runs code of its author, which a folder with a head cannot bring along; "
            "without --head the encoder alone is written"
        )
    tensors = _renamed(ours, {"dense": "dense", "out": "out"})
    outputs = len(tensors["out.weight"])
    written: dict[str, Any] = {
        "model_type": "xstilts_head",
        "architectures": [model_class],
        "auto_map": {
            "AutoConfig": f"{_BROUGHT}.HeadConfig",
            f"AutoModel{model_class}": f"{_BROUGHT}.{model_class}",
        },
        "encoder": config,
        "outputs": outputs,
        "dtype": "float32",
    }
    if model_class in _WITH_LABELS:
        written |= _labels(head.labels, outputs)
    return written, tensors, "encoder."


def _renamed(ours: dict[str, torch.Tensor], places: dict[str, str]) -> dict[str, torch.Tensor]:
    """A head's tensors under the names of transformers, by the names of its parts there."""
    return {
        f"{places[part]}.{which}": value
        for name, value in ours.items()
        for _, part, which in [name.split(".")]  # sentence.dense.weight, token.out.bias
    }


def _labels(labels: Sequence[str], outputs: int) -> dict[str, Any]:
    """Names of the outputs; transformers' LABEL_0, LABEL_1 ... where they are not known."""
    names = list(labels) if len(labels) == outputs else [f"LABEL_{i}" for i in range(outputs)]
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }


def _tokenizer_config(source: Path, config: dict[str, Any], blank: base.Encoder) -> dict[str, Any]:
    """What ``AutoTokenizer`` needs beside ``tokenizer.json``: the special tokens' names."""
    tokenizer = Tokenizer(source)
    special = tokenizer.special_tokens
    ids: dict[str, int | None] = {
        "cls_token": next(iter(special.prefix), None),
        "sep_token": special.suffix[-1] if special.suffix else None,
        "unk_token": tokenizer.unknown,
        "pad_token": config.get("pad_token_id"),
    }
    names = {role: tokenizer.piece(found) for role, found in ids.items() if found is not None}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": blank.shape.longest,
        **{role: name for role, name in names.items() if name is not None},
    }
