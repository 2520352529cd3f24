"""Attention: torch's kernels, and our own where attention weights are dropped."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from xstilts.models.device import is_cached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.models.batch import Batch
    from xstilts.models.dropout import AttentionDropout


def self_attention(
    qkv: torch.Tensor, batch: Batch, heads: int, dropout: AttentionDropout
) -> torch.Tensor:
    """Attention of every token to its whole sequence: query, key and value (T, 3H) -> (T, H)."""
    if dropout.active:
        way = _SequenceBySequence if is_cached(qkv) else _AllAtOnce
        return way.apply(qkv, batch, heads, dropout)  # type: ignore[no-any-return, no-untyped-call]
    query, key, value = split_heads(batch.padded(qkv, 0.0), heads)
    return batch.flat(attend(query, key, value, keys_seen(batch), dropout, batch))


def split_heads(qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value (S, heads, L, H / heads) out of one product (S, L, 3H)."""
    s, length, width = qkv.shape
    parts = qkv.view(s, length, 3, heads, width // 3 // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)
    return query, key, value


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: AttentionDropout,
    batch: Batch,
    scale: float | None = None,
) -> torch.Tensor:
    """Attention over (S, heads, L, D): torch's kernel, on a GPU the fastest that fits the mask.

    ``mask`` broadcasts to (S, heads, L, L): true where a key is seen, or numbers that are added
    to the scores; without one a GPU can take its flash kernel. No kernel takes a mask
    of weights to drop: with dropout they are computed here, in float32. Gives (S, L, heads * D).
    """
    if dropout.active:
        context = _attend_with_dropout(query, key, value, mask, dropout, batch, scale)
    else:
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    return context.transpose(1, 2).flatten(2)


def _attend_with_dropout(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: AttentionDropout,
    batch: Batch,
    scale: float | None,
) -> torch.Tensor:
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    seeds = dropout.padded_seeds(batch)
    together = _sequences_together(query)
    parts = []
    for begin in range(0, len(query), together):
        part = slice(begin, begin + together)
        scores = (query[part] @ key[part].transpose(-1, -2)).float()
        if mask is not None:
            seen = mask if len(mask) == 1 else mask[part]
            boolean = seen.dtype == torch.bool
            scores = scores.masked_fill(~seen, -math.inf) if boolean else scores + seen
        weights = torch.softmax(scores, -1).to(value.dtype)
        parts.append(dropout(weights, seeds[part]) @ value[part])
    return torch.cat(parts) * dropout.scale


def _sequences_together(query: torch.Tensor) -> int:
    """Sequences whose attention weights are computed at once: on a CPU what its caches hold.

    Twice as fast for sequences of 256 tokens (12 heads) as all sixteen at once.
    """
    sequences, heads, length, _ = query.shape
    if not is_cached(query):
        return sequences
    return max(1, 2**20 // (heads * length**2))


def keys_seen(batch: Batch) -> torch.Tensor | None:
    """The mask (S, 1, 1, L) that hides padding, or None when nothing is padded."""
    return None if batch.mask is None else batch.mask[:, None, None, :]


# --- on a CPU, with dropout ----------------------------------------------------------------------


class _SequenceBySequence(torch.autograd.Function):
    """`attend` with dropout for one sequence after the other, or several of one length.

    Nothing is padded, masked, put together or taken apart, and what is computed fits in the caches.
    Forwards and backwards it took 39 instead of 91 ms for 32 sequences of 15 to 80 tokens (12 heads
    of 32 values, one thread), 198 instead of 323 ms for six of 340 to 380.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: torch.Tensor, batch: Batch, heads: int, dropout: AttentionDropout
    ) -> torch.Tensor:
        """(T, 3H) -> (T, H)."""
        seeds = dropout.seeds_of(batch)
        out = qkv.new_empty(len(qkv), qkv.shape[1] // 3)
        saved = []
        runs = list(_runs(batch.lengths, heads))
        for tokens, length in runs:
            query, key, value = _per_head(qkv[tokens], length, 3, heads)
            scores = _product(query, key.transpose(1, 2), _scale(query)).float()
            weights = torch.softmax(scores, -1)
            of_run = seeds[tokens].view(-1, 1, length, 1)
            stays = dropout.kept(of_run, length, weights.dtype).view_as(weights)
            context = _product((weights * stays).to(qkv.dtype), value, dropout.scale)
            _put((context,), out[tokens], length, heads)
            saved += [weights, stays]
        ctx.save_for_backward(qkv, *saved)
        ctx.runs, ctx.heads, ctx.kept_scale = runs, heads, dropout.scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """The gradient (T, 3H) of query, key and value."""
        qkv, *saved = ctx.saved_tensors
        of_qkv = torch.empty_like(qkv)
        for (tokens, length), weights, stays in zip(ctx.runs, saved[::2], saved[1::2], strict=True):
            parts = _per_head(qkv[tokens], length, 3, ctx.heads)
            (of_context,) = _per_head(grad[tokens], length, 1, ctx.heads)
            of_parts = _gradients(parts, weights, stays, of_context, ctx.kept_scale)
            _put(of_parts, of_qkv[tokens], length, ctx.heads)
        return of_qkv, None, None, None


def _runs(lengths: list[int], heads: int) -> Iterator[tuple[slice, int]]:
    """The tokens of neighbours of one length, as many as a CPU's caches hold the weights of."""
    begin = 0
    for length, group in groupby(lengths):
        left = len(list(group))
        together = max(1, 2**18 // (heads * length**2))
        while left:
            number = min(left, together)
            yield slice(begin, begin + number * length), length
            begin, left = begin + number * length, left - number


def _per_head(values: torch.Tensor, length: int, parts: int, heads: int) -> torch.Tensor:
    """(S*L, parts*H) -> (parts, S*heads, L, D); a view where S is 1."""
    apart = values.view(-1, length, parts, heads, values.shape[1] // (parts * heads))
    return apart.permute(2, 0, 3, 1, 4).flatten(1, 2)


def _put(values: tuple[torch.Tensor, ...], to: torch.Tensor, length: int, heads: int) -> None:
    """The way back from `_per_head`, into ``to`` (S*L, parts*H)."""
    apart = to.view(-1, length, len(values), heads, to.shape[1] // (len(values) * heads))
    for part, value in enumerate(values):
        apart[:, :, part].copy_(value.view(-1, heads, *value.shape[1:]).transpose(1, 2))


# --- elsewhere, with dropout ---------------------------------------------------------------------


class _AllAtOnce(torch.autograd.Function):
    """`attend` with dropout for all sequences of a batch, padded: few operations, for a GPU.

    Weights are kept in the precision of query, key and value; softmax sums in float32 inside. At
    padding stands some other token: no query sees it, and what it asks comes to nothing.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: torch.Tensor, batch: Batch, heads: int, dropout: AttentionDropout
    ) -> torch.Tensor:
        """(T, 3H) -> (T, H)."""
        rows, shape = batch.by_head(heads), (len(batch.lengths), heads, batch.longest, -1)
        with torch.autocast(qkv.device.type, enabled=False):
            parts = rows.apart(qkv, 3)
            query, key, value = parts
            scores = _product(query, key.transpose(1, 2), _scale(query))
            if batch.padding is not None:
                scores.view(shape).masked_fill_(batch.padding[:, None, None, :], -math.inf)
            weights = torch.softmax(scores, -1)
            stays = dropout.kept(dropout.padded_seeds(batch), batch.longest, weights.dtype)
            stays = stays.view_as(weights)
            context = _product(weights * stays, value, dropout.scale)
            ctx.save_for_backward(parts, weights, stays)
            ctx.batch, ctx.rows, ctx.shape, ctx.kept_scale = batch, rows, shape, dropout.scale
            return rows.together(context[None])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """The gradient (T, 3H) of query, key and value."""
        parts, weights, stays = ctx.saved_tensors
        of_parts = torch.empty_like(parts)
        (of_context,) = ctx.rows.apart(grad, 1)
        if ctx.batch.padding is not None:
            of_context.view(ctx.shape).masked_fill_(ctx.batch.padding[:, None, :, None], 0.0)
        _gradients(parts, weights, stays, of_context, ctx.kept_scale, of_parts)
        return ctx.rows.together(of_parts), None, None, None


# --- what both ways compute ----------------------------------------------------------------------


def _gradients(
    parts: torch.Tensor,
    weights: torch.Tensor,
    stays: torch.Tensor,
    of_context: torch.Tensor,
    kept_scale: float,
    out: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients (N, L, D) of query, key and value, ``parts``, from that of their context.

    ``weights`` (N, L, L) after the softmax, ``stays`` which of them were kept. Written into ``out``
    (3, N, L, D) where it is given.
    """
    query, key, value = parts
    of_query, of_key, of_value = (None, None, None) if out is None else out
    dropped = (weights * stays).to(value.dtype)
    of_value = _product(dropped.transpose(1, 2), of_context, kept_scale, of_value)
    of_dropped = _product(of_context, value.transpose(1, 2), kept_scale)
    of_weights = of_dropped.to(weights.dtype).mul_(stays)
    of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    of_scores = of_scores.to(query.dtype)
    of_query = _product(of_scores, key, _scale(query), of_query)
    of_key = _product(of_scores.transpose(1, 2), query, _scale(query), of_key)
    return of_query, of_key, of_value


def _product(
    left: torch.Tensor, right: torch.Tensor, factor: float, out: torch.Tensor | None = None
) -> torch.Tensor:
    """``factor`` times the product of (N, A, B) and (N, B, C), in one pass."""
    nothing = left.new_empty(1, 1, 1)
    return torch.baddbmm(nothing, left, right, beta=0, alpha=factor, out=out)


def _scale(query: torch.Tensor) -> float:
    return float(query.shape[-1] ** -0.5)
