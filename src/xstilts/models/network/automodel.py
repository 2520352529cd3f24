"""Any encoder that transformers' ``AutoModel`` computes: padded, with torch's own dropout.

For architectures that have no module of their own in this package. Right, and slower: padding costs
time, and importing transformers does too. Dropout draws from torch's generator, which every forward
pass seeds from the step and its instances, so a step that is cut into other micro-batches drops
other elements.

`convert` writes the weights under the names that transformers gives them, so that every other
module of this project reads them as it reads those of our own networks. No code of an encoder's
author is run unless the card says ``trust_remote_code: true``.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, PreTrainedModel
from transformers.initialization import no_init_weights

from xstilts.errors import EncoderError
from xstilts.models.network.base import Encoder, Shape
from xstilts.models.network.conversion import Conversion, conversion_of
from xstilts.provenance.files import write_atomically
from xstilts.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.models.batch import Batch
    from xstilts.models.network.base import Config

WEIGHTS = "model.safetensors"
UNLIMITED = 2**20
"""Tokens of a sequence where positions are relative, so that the network sets no limit."""


class AutoEncoder(Encoder):
    """A model of transformers, fed with embedded tokens.

    Its own input embedding is taken out: ``words`` holds only the rows that the data at hand needs.
    """

    note = "transformers' AutoModel computes this encoder, with padding: slower than our networks"

    def __init__(self, config: Config, rows: int) -> None:
        """Raises `EncoderError` where transformers has no such model, or no word embeddings."""
        model = _Source.converted(config.path.parent).blank()
        name, embedding = _input_embedding(model, config.path)
        super().__init__(_shape(model), rows)
        self.words = nn.Embedding(rows, embedding.embedding_dim)
        self.word_embeddings = f"{name}.weight"
        model.set_input_embeddings(nn.Identity())
        self.model = model
        self._arguments = set(inspect.signature(model.forward).parameters)
        if "inputs_embeds" not in self._arguments:
            raise EncoderError(
                f"{config.path}: model_type {model.config.model_type!r} takes token ids only, "
                "not embedded tokens; such encoders are not supported"
            )

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Our parameter ``model.<name>`` and its name in transformers."""
        for ours, _ in self.model.named_parameters():
            yield f"model.{ours}", (ours,)

    def _states(self, batch: Batch) -> Iterator[torch.Tensor]:
        device = batch.ids.device
        real = torch.ones(len(batch.lengths), batch.longest, dtype=torch.int64, device=device)
        given: dict[str, Any] = {
            "inputs_embeds": batch.padded(self.words(batch.ids), 0.0),
            "attention_mask": real if batch.mask is None else batch.mask.long(),
            "output_hidden_states": True,
            "return_dict": True,
        }
        types = getattr(self.model.config, "type_vocab_size", 0)
        if "token_type_ids" in self._arguments and types:
            given["token_type_ids"] = batch.padded(batch.types.clamp(max=types - 1), 0)
        # a batch without seeds is evaluated: the caller need not say so a second time
        self.model.train(batch.token_seeds is not None)
        with _seeded(batch):
            outputs = self.model(**given)
        yield from (batch.flat(state) for state in outputs.hidden_states[:-1])
        yield batch.flat(outputs.last_hidden_state)  # after the final norm, where there is one


@contextmanager
def _seeded(batch: Batch) -> Iterator[None]:
    """Seed torch's generator from the step and its instances; restore it afterwards."""
    if batch.step_seed is None:
        yield
        return
    device = batch.ids.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derive(batch.step_seed, "automodel", *batch.instances))
        yield


def convert(folder: Path, layers: int | None = None, *, trust_remote_code: bool = False) -> None:
    """Rewrite a folder's weights under the names that ``AutoModel`` gives its tensors.

    A file of the Hub may hold a whole model with a head, an older naming, or an encoder within an
    encoder-decoder. Heads and decoders are left out. ``layers``: keep the first so many. The file's
    metadata names the matrix of word embeddings, and says whether the author's code is trusted.
    Raises `EncoderError` where transformers cannot read the folder, or a tensor that the encoder
    needs is missing.
    """
    source = _Source(folder, trust_remote_code)
    config = source.config()
    if layers is not None:
        if layers > config.num_hidden_layers:
            raise EncoderError(
                f"layers: {layers}, but the encoder has {config.num_hidden_layers} layers"
            )
        config.num_hidden_layers = layers
        config.save_pretrained(folder)
    model, missing = source.pretrained(config)
    # a pooler is no part of what we compute: checkpoints of masked language models lack it
    if needed := sorted(name for name in missing if "pooler" not in name):
        raise EncoderError(f"{folder / WEIGHTS}: the weights lack {', '.join(needed[:3])}")
    name, _ = _input_embedding(model, folder / "config.json")
    # named_parameters names tied tensors once, as the network's own names do
    # and a pooler that is missing has random numbers: zeros give the same file every time
    tensors = {
        key: torch.zeros_like(value) if key in missing else value.detach().contiguous()
        for key, value in model.named_parameters()
    }
    about = Conversion(f"{name}.weight", trust_remote_code).metadata()
    with write_atomically(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, about)


@dataclass(frozen=True)
class _Source:
    """A folder that transformers reads. ``trusted``: the code of its author may run."""

    folder: Path
    trusted: bool

    @staticmethod
    def converted(folder: Path) -> _Source:
        """A folder whose weights `convert` wrote."""
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            record = conversion_of(file.metadata())
        return _Source(folder, record is not None and record.trusted)

    def config(self) -> Any:
        """The configuration, whose attributes have the same names in all architectures."""
        with self._explained("cannot read it"):
            return AutoConfig.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=self.trusted
            )

    def pretrained(self, config: Any) -> tuple[PreTrainedModel, set[str]]:
        """The model, and the names of the tensors that its weights lack."""
        with self._explained("cannot load it"):
            model, loading = _class_for(config).from_pretrained(
                self.folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype="auto",
                trust_remote_code=self.trusted,
            )
        return model, set(loading["missing_keys"])

    def blank(self) -> PreTrainedModel:
        """The model, with weights that are to be loaded."""
        config = self.config()
        with self._explained("cannot build the network"), no_init_weights():
            model: PreTrainedModel = _class_for(config).from_config(
                config, dtype=torch.float32, trust_remote_code=self.trusted
            )
        return model

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # transformers raises whatever its models raise
            raise EncoderError(
                f"{self.folder / 'config.json'}: transformers {what} ({error})"
            ) from error


def _class_for(config: Any) -> Any:
    """``AutoModelForTextEncoding`` takes the encoder out of T5 and its kin; AutoModel the rest."""
    known = type(config) in AutoModelForTextEncoding._model_mapping
    return AutoModelForTextEncoding if known else AutoModel


def _input_embedding(model: PreTrainedModel, config: Path) -> tuple[str, nn.Embedding]:
    """The name of the module that embeds token ids, and the module.

    Raises `EncoderError` where there is none: Canine embeds hashes of characters.
    """
    try:
        embedding = model.get_input_embeddings()
    except NotImplementedError:
        embedding = None
    if not isinstance(embedding, nn.Embedding):
        raise EncoderError(
            f"{config}: model_type {model.config.model_type!r} has no matrix of word "
            "embeddings; such encoders are not supported"
        )
    name = next(name for name, module in model.named_modules() if module is embedding)
    return name, embedding


def _shape(model: PreTrainedModel) -> Shape:
    """The network's size, by the names that transformers has for all architectures."""
    config = model.config
    hidden = int(config.hidden_size)
    return Shape(
        hidden=hidden,
        layers=int(config.num_hidden_layers),
        heads=int(config.num_attention_heads),
        inner=int(getattr(config, "intermediate_size", None) or 4 * hidden),
        longest=_longest(model),
    )


def _longest(model: PreTrainedModel) -> int:
    """Tokens that one sequence may have: RoBERTa's kin counts positions from padding_idx + 1."""
    longest = getattr(model.config, "max_position_embeddings", None)
    if not longest or longest < 0:
        return UNLIMITED
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return int(longest)
