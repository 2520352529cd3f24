"""A text or a pair as one sequence: `xstilts.tasks.text_pairs`."""

from __future__ import annotations

import pytest

from support import tiny
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.text_pairs import sequence


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    """Every letter is a token: ``<s> A </s>`` or ``<s> A </s></s> B </s>``."""
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters"), second_type=1))


def pieces(tokenizer, ids):
    return [tokenizer.piece(int(i)) for i in ids]


@pytest.mark.parametrize(
    ("longest", "expected", "cut"),
    [
        (6, ["<s>", "a", "b", "c", "d", "</s>"], False),
        (5, ["<s>", "a", "b", "c", "</s>"], True),
    ],
)
def test_a_text_is_cut_at_its_end(longest, expected, cut, letters):
    """It has no tokens of type 1: they would begin where it ends."""
    (first,) = letters(["abcd"])
    ids, second_begins, was_cut = sequence(letters, first, None, longest)
    assert (pieces(letters, ids), second_begins, was_cut) == (expected, len(expected), cut)


def test_of_a_pair_the_longer_text_is_cut(letters):
    """Token by token, as BERT does."""
    first, second = letters(["abcdef", "xy"])
    ids, second_begins, was_cut = sequence(letters, first, second, 9)
    expected = ["<s>", "a", "b", "c", "</s>", "</s>", "x", "y", "</s>"]
    assert (pieces(letters, ids), second_begins, was_cut) == (expected, 6, True)
