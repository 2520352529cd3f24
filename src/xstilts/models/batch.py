"""Batches without padding: sequences lie end to end, and attention alone sees them apart.

`Features` are a whole data set in token ids; an *item* is what one gold answer belongs to: one
sequence, or several for a multiple choice. `pack` puts some items into one `Batch` of tensors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NewType

import numpy as np
import torch

from xstilts.models.device import uploaded
from xstilts.models.noise import token_noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass
class Features:
    """Tokenised examples of one task.

    ``sequences``: token ids, one array each. ``second``: where the tokens of type 1 of a sequence
    begin (its length where there are none). ``starts``: item i owns sequences
    ``starts[i]:starts[i+1]``. ``weights``: how much each item counts in the loss (tags in a
    tagging item, else 1). ``targets``: what each item is trained towards; the task type's own.
    ``counts``: what could not be represented, by name.
    """

    sequences: list[np.ndarray]
    second: np.ndarray
    starts: np.ndarray
    weights: np.ndarray
    targets: list[Any]
    counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.starts) - 1

    def lengths(self) -> np.ndarray:
        """Tokens of each item, all its sequences together."""
        sizes = np.fromiter((len(s) for s in self.sequences), np.int64, len(self.sequences))
        return np.add.reduceat(sizes, self.starts[:-1]) if len(self) else sizes

    def tokens_used(self) -> np.ndarray:
        """The distinct token ids, sorted."""
        return np.unique(np.concatenate(self.sequences)) if self.sequences else np.array([], int)


NumberedFeatures = NewType("NumberedFeatures", Features)
"""Features whose token ids are the numbers of rows in memory (`EmbeddingRows.number`)."""


def one_sequence_items(
    sequences: list[np.ndarray],
    second: Sequence[int],
    targets: list[Any],
    weights: Sequence[float] | None = None,
    counts: Counter[str] | None = None,
) -> Features:
    """Features in which every item is one sequence."""
    n = len(sequences)
    return Features(
        sequences,
        np.asarray(second, dtype=np.int64),
        np.arange(n + 1),
        np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        targets,
        counts or Counter(),
    )


@dataclass
class Batch:
    """Items as tensors. T tokens, S sequences, I items; L is the longest sequence.

    ``ids``, ``positions``, ``types``: (T,). ``first``: (S,) index of each sequence's first token;
    ``sizes``: (S,) its ``lengths`` as a tensor. ``place``: (T,) index of each token in a padded
    (S*L,) matrix. ``targets``: one entry an item. ``noise``: (T,) a number of each token from which
    all that is random about it derives, or None where nothing is; ``stream``: the number of the
    step, which they derive from. All tensors are int64.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    lengths: list[int]
    first: torch.Tensor
    sizes: torch.Tensor
    place: torch.Tensor
    items: list[int]
    targets: list[Any]
    noise: torch.Tensor | None = None
    stream: int | None = None
    _by_head: dict[int, RowsByHead] = field(init=False, repr=False, default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device, in one copy."""
        if device == self.ids.device:
            return self
        names = [name for name in _TENSORS if getattr(self, name) is not None]
        parts = [getattr(self, name) for name in names]
        moved = uploaded(torch.cat(parts), device)
        there = moved.split([len(part) for part in parts])  # type: ignore[no-untyped-call]
        return replace(self, **dict(zip(names, there, strict=True)))

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
        """(S, L), true where there is no token, or None when nothing is padded."""
        return None if self.mask is None else ~self.mask

    def by_head(self, heads: int) -> RowsByHead:
        """Where the values of each head lie; computed once for all layers."""
        if heads not in self._by_head:
            self._by_head[heads] = RowsByHead(self, heads)
        return self._by_head[heads]

    @cached_property
    def padded_noise(self) -> torch.Tensor:
        """The numbers of its tokens, (S, 1, L, 1), 0 where there is none."""
        assert self.noise is not None
        return self.padded(self.noise, 0)[:, None, :, None]

    def shared_noise(self, rows: int) -> torch.Tensor | None:
        """Numbers (rows,) for what belongs to no token: the same in every part of a step."""
        if self.stream is None:
            return None
        nobody, places = np.full(rows, -1), np.arange(rows)
        noise = token_noise(self.stream, nobody, np.zeros_like(places), places)
        return uploaded(noise, self.ids.device)

    def padded(self, values: torch.Tensor, fill: float) -> torch.Tensor:
        """(T, ...) -> (S, L, ...), ``fill`` where there is no token."""
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
        # at padding stands some token of the next sequence
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
        """(T, P*H) -> (P, S*heads, L, D), P 1 or 3; at padding stands what belongs elsewhere."""
        sequences, heads, longest = self._padded
        index = self._one_apart if parts == 1 else self._three_apart
        rows = values.reshape(len(values) * parts * heads, -1).index_select(0, index)
        return rows.view(parts, sequences * heads, longest, -1)

    def together(self, values: torch.Tensor) -> torch.Tensor:
        """(P, S*heads, L, D) -> (T, P*H): the way back."""
        index = self._one_together if len(values) == 1 else self._three_together
        rows = values.flatten(0, 2).index_select(0, index)
        return rows.view(-1, len(values) * self._padded[1] * values.shape[-1])


_TENSORS = ("ids", "positions", "types", "first", "sizes", "place", "noise")


def pack(features: NumberedFeatures, items: Sequence[int], stream: int | None = None) -> Batch:
    """Put items into one batch, in the given order; it lies on the host.

    With ``stream``, which derives from seed and step, every token has a number: a function of
    stream, item, sequence and position, not of the batch.
    """
    index = [s for i in items for s in range(features.starts[i], features.starts[i + 1])]
    sequences = [features.sequences[s] for s in index]
    lengths = [len(s) for s in sequences]
    longest = max(lengths)
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.int64))

    noise = None
    if stream is not None:
        owners = np.repeat(items, [features.starts[i + 1] - features.starts[i] for i in items])
        place = np.asarray(index) - features.starts[owners]  # which of its item's sequences
        noise = tensor(token_noise(stream, owners[row], place[row], within))

    return Batch(
        ids=tensor(np.concatenate(sequences)),
        positions=tensor(within),
        types=tensor(within >= features.second[index][row]),
        lengths=lengths,
        first=tensor(ends - lengths),
        sizes=tensor(np.asarray(lengths)),
        place=tensor(row * longest + within),
        items=list(items),
        targets=[features.targets[i] for i in items],
        noise=noise,
        stream=stream,
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
