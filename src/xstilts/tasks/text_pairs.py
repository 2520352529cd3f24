"""One text or a pair of texts as one sequence: what several types of task read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.models.tokenizer import truncate_longest_first

if TYPE_CHECKING:
    import numpy as np

    from xstilts.models.tokenizer import Tokenizer, Tokens


def sequence(
    tokenizer: Tokenizer, first: Tokens, second: Tokens | None, longest: int
) -> tuple[np.ndarray, int, bool]:
    """The ids of a text or pair, where its tokens of type 1 begin, and whether it was cut.

    ``longest``: tokens of the sequence, special ones included. Of a pair the longer text is cut.
    """
    special = tokenizer.special_tokens
    if second is None:
        room = longest - special.single_specials
        ids = tokenizer.single(first.ids[:room])
        return ids, len(ids), len(first.ids) > room
    room = longest - special.pair_specials
    a, b = truncate_longest_first(first.ids, second.ids, room)
    return *tokenizer.pair(a, b), len(first.ids) + len(second.ids) > room
