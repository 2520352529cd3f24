"""Hyperparameters of fine-tuning on one task."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xstilts.config.yaml_models import Count, Model, Number


class Hyperparameters(Model):
    """How one task is fine-tuned on. Defaults are jiant's for XTREME (``d_write_configs.sh``)."""

    epochs: Number = Field(3.0, gt=0, lt=1e6, description="passes over the training examples")
    max_steps: Count | None = Field(None, description="stop after so many optimiser steps")
    max_examples: Count | None = Field(
        None, description="train on so many examples, drawn by a fixed hash of their ids"
    )
    batch_size: Count = Field(32, description="examples per optimiser step, on any device")
    learning_rate: Number = Field(1e-5, gt=0, description="peak of the linear schedule")
    warmup: Number = Field(0.1, ge=0, lt=1, description="share of the steps spent warming up")
    weight_decay: Number = Field(0.01, ge=0, description="AdamW's, not on biases and LayerNorm")
    adam_epsilon: Number = Field(1e-8, gt=0, description="AdamW's epsilon")
    clip_norm: Number = Field(1.0, gt=0, description="largest global norm of the gradient")
    max_length: int = Field(256, ge=16, le=8192, description="tokens per input, specials included")
    doc_stride: Count = Field(128, description="span QA: tokens between window starts")
    max_query_length: Count = Field(64, description="span QA: longest question, in tokens")
    label_smoothing: Number = Field(0.0, ge=0, lt=1, description="share given to all classes")
    selection: Literal["best", "last"] = Field(
        "best",
        description="checkpoint that is kept: best on English dev (where there is one), or last",
    )
    eval_every: Count = Field(1000, description="steps between evaluations on English dev")
    patience: Count = Field(30, description="stop after so many evaluations without a gain")
    dev_examples: Count | None = Field(500, description="English dev examples used to select")

    def patched(self, *patches: Hyperparameters | None) -> Hyperparameters:
        """These hyperparameters with the values that patches set explicitly; later patches win."""
        values = self.model_dump()
        for patch in patches:
            if patch is not None:
                values |= patch.model_dump(exclude_unset=True)
        return Hyperparameters(**values)
