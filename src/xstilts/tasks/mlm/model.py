"""Masked language modelling, mixed into an intermediate training; it is never evaluated.

BERT's recipe (Devlin et al. 2019, section 3.1 and ``create_pretraining_data.py``): of the tokens of
a text, special ones apart, 15 % are chosen, at least one; 80 % of these become the mask token,
10 % a token drawn from the whole vocabulary, 10 % stay; all of them are predicted. What is chosen
is a function of (seed, step, item), as dropout is.

The output matrix is the embedding matrix. The softmax is over the whole vocabulary, so that every
row of the matrix has a gradient at every step: with masked language modelling in the mix no row is
left out of training.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.models.noise import column_seeds, mixed
from xstilts.tasks.mlm.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext

_ROWS_AT_ONCE = 128  # of logits: 128 x 250,000 float32 are 128 MB
_KEPT_MASK, _KEPT_RANDOM = 0.8, 0.9
MASK_SHARE = 0.15


def _numbers(seeds: np.ndarray, purpose: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return mixed(seeds + column_seeds(purpose, 1).view(np.uint64))


class Head(nn.Module):
    """dense -> gelu -> norm on the chosen tokens; then the embedding matrix and a bias each."""

    def __init__(self, hidden: int, vocabulary: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (N, H) of the tokens that are to be predicted."""
        places = np.concatenate([places for places, _ in batch.targets])
        chosen = hidden[uploaded(places, hidden.device)]
        return self.norm(F.gelu(self.dense(chosen)))  # type: ignore[no-any-return]


_NAMES = {
    "dense.weight": ("lm_head.dense.weight", "cls.predictions.transform.dense.weight"),
    "dense.bias": ("lm_head.dense.bias", "cls.predictions.transform.dense.bias"),
    "norm.weight": ("lm_head.layer_norm.weight", "cls.predictions.transform.LayerNorm.weight"),
    "norm.bias": ("lm_head.layer_norm.bias", "cls.predictions.transform.LayerNorm.bias"),
    "bias": ("lm_head.bias", "cls.predictions.bias"),
}


class _SummedCrossEntropy(torch.autograd.Function):
    """Computes the gradients together with the loss, because the loss is a sum."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, words: torch.Tensor, bias: torch.Tensor, gold: torch.Tensor
    ) -> torch.Tensor:
        matrix = words.to(x.dtype)
        total = torch.zeros((), device=x.device)
        x_grad = torch.empty_like(x)
        words_grad, bias_grad = torch.zeros_like(words), torch.zeros_like(bias)
        for begin in range(0, len(x), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            logits = (x[part] @ matrix.T).float() + bias
            logs = torch.log_softmax(logits, -1)
            right = gold[part, None]
            total -= logs.gather(1, right).sum()
            delta = logs.exp_().scatter_add_(1, right, -torch.ones_like(right, dtype=logs.dtype))
            bias_grad += delta.sum(0)
            delta = delta.to(x.dtype)
            x_grad[part] = delta @ matrix
            words_grad += delta.T @ x[part]
        ctx.save_for_backward(x_grad, words_grad, bias_grad)
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x_grad, words_grad, bias_grad = ctx.saved_tensors
        return x_grad * grad.to(x_grad.dtype), words_grad * grad, bias_grad * grad, None


class MlmModel:
    """Prediction of hidden tokens.

    No `TaskModel`: its loss needs the embedding matrix, and it decodes and scores nothing.
    """

    schema = SCHEMA

    def encode(
        self, examples: Sequence[Example], context: EncodingContext, mask: float = MASK_SHARE
    ) -> Features:
        """One sequence a text, cut at the longest length; what is cut or empty is counted.

        ``mask``: share of the tokens that are chosen. A target is (place of the text's first
        token, its tokens, how many are chosen); an item weighs as many tokens as are chosen.
        """
        tokenizer = context.tokenizer
        special = tokenizer.special_tokens
        room = context.limits.max_length - special.single_specials
        counts: Counter[str] = Counter()
        sequences, targets = [], []
        for tokens in tokenizer(e["text"] for e in examples):
            ids = tokens.ids[:room]
            counts["truncated"] += len(tokens.ids) > room
            counts["empty"] += not len(ids)
            if len(ids):
                sequences.append(tokenizer.single(ids))
                targets.append((len(special.prefix), len(ids), max(1, round(mask * len(ids)))))
        lengths = [len(s) for s in sequences]
        weights = [chosen for _, _, chosen in targets]
        return one_sequence_instances(sequences, lengths, targets, weights, +counts)

    def masked(self, batch: Batch, mask_token: int, vocabulary: int) -> Batch:
        """The batch with its chosen tokens hidden; a target becomes (places (n,), gold ids (n,)).

        ``vocabulary``: number of tokens to draw random ones from. The batch needs its
        ``token_seeds``, and lies on the host.
        """
        if batch.token_seeds is None:
            raise ValueError("masks need the numbers of their tokens: pack the batch with them")
        seeds = batch.token_seeds.numpy().view(np.uint64)
        order, kind, other = (_numbers(seeds, f"mlm.{name}") for name in ("order", "kind", "other"))
        ids = batch.ids.numpy().copy()
        first, targets = batch.first.tolist(), []
        for begin, (place, size, chosen) in zip(first, batch.targets, strict=True):
            text = np.arange(begin + place, begin + place + size)
            places = np.sort(text[np.argsort(order[text], kind="stable")[:chosen]])
            gold = ids[places]
            share = kind[places] / 2.0**64
            hidden = np.where(share < _KEPT_MASK, mask_token, other[places] % np.uint64(vocabulary))
            ids[places] = np.where(share < _KEPT_RANDOM, hidden, gold)
            targets.append((places, gold))
        return replace(batch, ids=torch.from_numpy(ids), targets=targets)

    def head(self, hidden: int, vocabulary: int) -> Head:
        """A new head; ``vocabulary``: rows of the embedding matrix."""
        return Head(hidden, vocabulary)

    def pretrained(
        self, tensors: Mapping[str, torch.Tensor], head: Head
    ) -> dict[str, torch.Tensor] | None:
        """The head an encoder was pretrained with (XLM-R's or BERT's names), if it has one."""
        found = {}
        shapes = {name: parameter.shape for name, parameter in head.named_parameters()}
        for ours, theirs in _NAMES.items():
            name = next((name for name in theirs if name in tensors), None)
            if name is None or tensors[name].shape != shapes[ours]:
                return None
            found[ours] = tensors[name].float()
        return found

    def loss(
        self, outputs: torch.Tensor, batch: Batch, words: torch.Tensor, head: Head
    ) -> torch.Tensor:
        """Cross entropy over the whole vocabulary, summed over the chosen tokens.

        ``words`` (V, H) is the embedding matrix. Products are in ``outputs``' precision, sums in
        float32; the logits are computed some rows at a time, so that they are never all in memory.
        """
        gold = uploaded(np.concatenate([gold for _, gold in batch.targets]), outputs.device)
        arguments = (outputs, words, head.bias, gold)
        return _SummedCrossEntropy.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]


MODEL = MlmModel()
