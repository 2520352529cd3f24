"""Batches without padding: sequences lie end to end, and attention alone sees them apart.

`Features` are a whole data set in token ids. An *instance* has one gold answer and one sequence, or
several for a multiple choice. `pack` puts some instances into one `Batch` of tensors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NewType

import numpy as np
import torch

from xstilts.models.device import uploaded
from xstilts.models.noise import token_seeds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass
class Features:
    """Tokenised examples of one task.

    ``sequences``: token ids, one array each. ``second_segment_starts`` (sequences,): where the
    tokens of type 1 of a sequence begin (its length where it has none). ``instance_offsets``
    (instances + 1,): instance i owns sequences ``instance_offsets[i]:instance_offsets[i+1]``.
    ``weights`` (instances,): how much each counts in the loss (number of tags in tagging, else 1).
    ``targets``: what each instance is trained towards, as its task type needs it. ``counts``: how
    often something could not be represented, by its name.
    """

    sequences: list[np.ndarray]
    second_segment_starts: np.ndarray
    instance_offsets: np.ndarray
    weights: np.ndarray
    targets: list[Any]
    counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Number of instances."""
        return len(self.instance_offsets) - 1

    def lengths(self) -> np.ndarray:
        """Tokens (instances,) of each instance, all its sequences together."""
        sizes = np.fromiter((len(s) for s in self.sequences), np.int64, len(self.sequences))
        return np.add.reduceat(sizes, self.instance_offsets[:-1]) if len(self) else sizes

    def tokens_used(self) -> np.ndarray:
        """The distinct token ids, sorted."""
        return np.unique(np.concatenate(self.sequences)) if self.sequences else np.array([], int)


NumberedFeatures = NewType("NumberedFeatures", Features)
"""Features whose token ids are the numbers of rows in memory (`EmbeddingRows.number`)."""


def one_sequence_instances(
    sequences: list[np.ndarray],
    second_segment_starts: Sequence[int],
    targets: list[Any],
    weights: Sequence[float] | None = None,
    counts: Counter[str] | None = None,
) -> Features:
    """Features in which every instance is one sequence."""
    n = len(sequences)
    return Features(
        sequences,
        np.asarray(second_segment_starts, dtype=np.int64),
        np.arange(n + 1),
        np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        targets,
        counts or Counter(),
    )


@dataclass
class Batch:
    """Instances as tensors: T tokens in S sequences, of which the longest has L tokens.

    ``ids``, ``positions``, ``types``: (T,). ``first``: (S,) index of each sequence's first token;
    ``sizes``: (S,) its ``lengths`` as a tensor. ``place``: (T,) index of each token in a padded
    (S*L,) matrix. ``instances``: their numbers in the features; ``targets``: one entry each.
    ``token_seeds``: (T,) a seed of each token, from which everything random about it derives;
    ``step_seed``: the seed of the step, from which these derive. Both are None where nothing is
    random. All tensors are int64.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    lengths: list[int]
    first: torch.Tensor
    sizes: torch.Tensor
    place: torch.Tensor
    instances: list[int]
    targets: list[Any]
    token_seeds: torch.Tensor | None = None
    step_seed: int | None = None
    _by_head: dict[int, RowsByHead] = field(init=False, repr=False, default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device, in one copy."""
        if device == self.ids.device:
            return self
        names = [name for name in _TENSORS if getattr(self, name) is not None]
        parts = [getattr(self, name) for name in names]
        moved = uploaded(torch.cat(parts), device)
        on_device = moved.split([len(part) for part in parts])  # type: ignore[no-untyped-call]
        return replace(self, **dict(zip(names, on_device, strict=True)))

    @cached_property
    def longest(self) -> int:
        """L."""
        return max(self.lengths)

    @cached_property
    def mask(self) -> torch.Tensor | None:
        """(S, L), true at real tokens, or None when nothing is padded."""
        if min(self.lengths) == self.longest:
            return None
        return torch.arange(self.longest, device=self.ids.device) < self.sizes[:, None]

    @cached_property
    def padding(self) -> torch.Tensor | None:
        """(S, L), true at padding, or None when nothing is padded."""
        return None if self.mask is None else ~self.mask

    def by_head(self, heads: int) -> RowsByHead:
        """Where the values of each attention head lie; computed once for all layers."""
        if heads not in self._by_head:
            self._by_head[heads] = RowsByHead(self, heads)
        return self._by_head[heads]

    @cached_property
    def padded_token_seeds(self) -> torch.Tensor:
        """The seeds of its tokens, (S, 1, L, 1), 0 at padding."""
        assert self.token_seeds is not None
        return self.padded(self.token_seeds, 0)[:, None, :, None]

    def shared_seeds(self, rows: int) -> torch.Tensor | None:
        """Seeds (rows,) for values that belong to no token: the same in every part of a step."""
        if self.step_seed is None:
            return None
        nobody, places = np.full(rows, -1), np.arange(rows)
        seeds = token_seeds(self.step_seed, nobody, np.zeros_like(places), places)
        return uploaded(seeds, self.ids.device)

    def padded(self, values: torch.Tensor, fill: float) -> torch.Tensor:
        """(T, ...) -> (S, L, ...), ``fill`` at padding."""
        shape = (len(self.lengths) * self.longest, *values.shape[1:])
        if self.mask is None:
            matrix = values
        else:
            matrix = values.new_full(shape, fill).index_copy(0, self.place, values)
        return matrix.view(len(self.lengths), self.longest, *values.shape[1:])

    def flat(self, matrix: torch.Tensor) -> torch.Tensor:
        """(S, L, ...) -> (T, ...): the way back from `padded`."""
        rows = matrix.reshape(-1, *matrix.shape[2:])
        return rows if self.mask is None else rows.index_select(0, self.place)


_PARTS = 3  # query, key and value


class RowsByHead:
    """The values of tokens, (T, P*H) for P parts of a product, as padded sequences of each head.

    Each way is one operation: a row is the D values of one head, and is looked up.
    """

    def __init__(self, batch: Batch, heads: int) -> None:
        """Of all tokens of a batch, on its device."""
        device, tokens = batch.ids.device, len(batch.ids)
        sequences, longest = len(batch.lengths), batch.longest
        self._padded = (sequences, heads, longest)
        within = torch.arange(longest, device=device)
        # at padding: any token of the next sequence
        token = (batch.first[:, None] + within).clamp(max=tokens - 1)[:, None]  # (S, 1, L)
        head = torch.arange(heads, device=device)
        part = torch.arange(_PARTS, device=device)
        rows = (token * _PARTS + part[:, None, None, None]) * heads + head[:, None]
        self._three_apart = rows.flatten()  # (3, S, heads, L)
        self._one_apart = (token * heads + head[:, None]).flatten()  # (S, heads, L)
        sequence = batch.place // longest
        one = (batch.place + sequence * (heads - 1) * longest)[:, None] + head * longest
        self._one_together = one.flatten()  # (T, heads)
        size = sequences * heads * longest
        self._three_together = (one[:, None] + part[:, None] * size).flatten()  # (T, 3, heads)

    def apart(self, values: torch.Tensor, parts: int) -> torch.Tensor:
        """(T, P*H) -> (P, S*heads, L, D), P 1 or 3; values at padding are of other tokens."""
        sequences, heads, longest = self._padded
        index = self._one_apart if parts == 1 else self._three_apart
        rows = values.reshape(len(values) * parts * heads, -1).index_select(0, index)
        return rows.view(parts, sequences * heads, longest, -1)

    def together(self, values: torch.Tensor) -> torch.Tensor:
        """(P, S*heads, L, D) -> (T, P*H): the way back."""
        index = self._one_together if len(values) == 1 else self._three_together
        rows = values.flatten(0, 2).index_select(0, index)
        return rows.view(-1, len(values) * self._padded[1] * values.shape[-1])


_TENSORS = ("ids", "positions", "types", "first", "sizes", "place", "token_seeds")


def pack(
    features: NumberedFeatures, instances: Sequence[int], step_seed: int | None = None
) -> Batch:
    """Put instances into one batch, in the given order; it lies on the host.

    With ``step_seed``, which derives from seed and step, every token has a seed: a function of
    ``step_seed``, instance, sequence and position, not of the batch.
    """
    offsets = features.instance_offsets
    index = [s for i in instances for s in range(offsets[i], offsets[i + 1])]
    sequences = [features.sequences[s] for s in index]
    lengths = [len(s) for s in sequences]
    longest = max(lengths)
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.int64))

    seeds = None
    if step_seed is not None:
        owners = np.repeat(instances, [offsets[i + 1] - offsets[i] for i in instances])
        place = np.asarray(index) - offsets[owners]  # which of its instance's sequences
        seeds = tensor(token_seeds(step_seed, owners[row], place[row], within))

    return Batch(
        ids=tensor(np.concatenate(sequences)),
        positions=tensor(within),
        types=tensor(within >= features.second_segment_starts[index][row]),
        lengths=lengths,
        first=tensor(ends - lengths),
        sizes=tensor(np.asarray(lengths)),
        place=tensor(row * longest + within),
        instances=list(instances),
        targets=[features.targets[i] for i in instances],
        token_seeds=seeds,
        step_seed=step_seed,
    )


def batches_by_tokens(
    lengths: np.ndarray, instances: Iterable[int], budget: int
) -> Iterator[list[int]]:
    """Cut instances, sorted by length, into batches of at most ``budget`` tokens.

    ``lengths`` are the tokens of all instances. A longer instance is a batch by itself. Instances
    of like length come together, so that attention pads little; ties keep their order.
    """
    batch: list[int] = []
    total = 0
    for instance in sorted(instances, key=lambda i: (int(lengths[i]), i)):
        if batch and total + lengths[instance] > budget:
            yield batch
            batch, total = [], 0
        batch.append(instance)
        total += int(lengths[instance])
    if batch:
        yield batch
