"""Encoders of any architecture with a head of xstilts, for transformers' ``AutoModelFor...``.

`xstilts.models.export` copies this file into folders of architectures whose own heads in
transformers compute something else (ModernBERT's have a norm and a gelu). It needs transformers
alone; ``from_pretrained(folder, trust_remote_code=True)`` reads such a folder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import (
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)


class HeadConfig(PretrainedConfig):  # type: ignore[misc]  # transformers is not typed
    """The configuration of an encoder, and the size of the head on it."""

    model_type = "xstilts_head"

    def __init__(
        self, encoder: dict[str, Any] | None = None, outputs: int = 2, **named: Any
    ) -> None:
        """``encoder``: the configuration of the encoder; ``outputs``: numbers of the head."""
        self.encoder, self.outputs = encoder or {"model_type": "bert"}, outputs
        super().__init__(**named)


class _WithHead(PreTrainedModel):  # type: ignore[misc]
    config_class = HeadConfig
    base_model_prefix = "encoder"

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        about = AutoConfig.for_model(**config.encoder)
        # of T5 and its kin, the encoder without the decoder
        alone = type(about) in AutoModelForTextEncoding._model_mapping
        self.encoder = (AutoModelForTextEncoding if alone else AutoModel).from_config(about)
        self.add_head(self.encoder.config.hidden_size, config.outputs)
        self.post_init()

    def add_head(self, hidden: int, outputs: int) -> None:
        """Linear on every token."""
        self.out = nn.Linear(hidden, outputs)

    def states(self, ids: torch.Tensor, mask: torch.Tensor | None, named: Any) -> torch.Tensor:
        """Hidden states (B, L, H)."""
        states: torch.Tensor = self.encoder(ids, attention_mask=mask, **named)[0]
        return states


class _OnFirstToken(_WithHead):
    def add_head(self, hidden: int, outputs: int) -> None:
        """dense -> tanh -> linear on the first token."""
        self.dense, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)

    def scores(self, ids: torch.Tensor, mask: torch.Tensor | None, named: Any) -> torch.Tensor:
        """Outputs (B, outputs)."""
        first = self.states(ids, mask, named)[:, 0]
        scores: torch.Tensor = self.out(torch.tanh(self.dense(first)))
        return scores


class ForSequenceClassification(_OnFirstToken):
    """Logits (B, labels)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any
    ) -> SequenceClassifierOutput:
        """``input_ids`` (B, L)."""
        return SequenceClassifierOutput(logits=self.scores(input_ids, attention_mask, named))


class ForMultipleChoice(_OnFirstToken):
    """Logits (B, choices)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any
    ) -> MultipleChoiceModelOutput:
        """``input_ids`` (B, choices, L)."""
        shape = input_ids.shape
        mask = None if attention_mask is None else attention_mask.flatten(0, 1)
        scores = self.scores(input_ids.flatten(0, 1), mask, named)
        return MultipleChoiceModelOutput(logits=scores.view(shape[:2]))


class ForTokenClassification(_WithHead):
    """Logits (B, L, labels)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any
    ) -> TokenClassifierOutput:
        """``input_ids`` (B, L)."""
        states = self.states(input_ids, attention_mask, named)
        return TokenClassifierOutput(logits=self.out(states))


class ForQuestionAnswering(_WithHead):
    """Logits of the first and of the last token of the answer, each (B, L)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any
    ) -> QuestionAnsweringModelOutput:
        """``input_ids`` (B, L)."""
        first, last = self.out(self.states(input_ids, attention_mask, named)).unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=first, end_logits=last)
