"""Answer texts from whole whitespace words, as the official scripts rebuild them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.squad_answer_text import align, answer_text, basic_tokens, touched_words


@pytest.mark.parametrize(
    ("context", "span", "pieces", "text"),
    [
        # punctuation around a word is set apart, so that the words can be cut down to the pieces
        ("by the Denver Broncos, again", "Denver Broncos", None, "Denver Broncos"),
        ("by the (Denver) Broncos", "Denver", None, "Denver"),
        # pieces that hold punctuation are not found: whole words
        ("about 2,700 square (km)", "2,7", None, "2,700"),
        ("see U.S. law", "U.S", None, "U.S."),
        # part of a word
        ("Mannings team", "Manning", None, "Manning"),
        # Thai has no spaces and no characters that are set apart: it is cut
        ("ในครบอสตันมีคน", "บอสตัน", None, "บอสตัน"),
        # Chinese characters are set apart, the pieces are not: the whole clause
        ("北京是中国的首都。 上海不是", "中国", None, "北京是中国的首都。"),
        ("北京是中国的首都", "中", None, "中"),
        # kana are not set apart
        ("カタカナです", "タカ", None, "タカ"),
        # pieces are normalised, words are not: no alignment
        ("½ of ﬁve", "ﬁve", "five", "ﬁve"),
        ("the ﬁve, of", "ﬁve", "five", "ﬁve,"),
        # several spaces become one; a no-break space joins words, and ends the search
        ("a  big \t cat sat", "big \t cat", "big cat", "big cat"),
        ("10\u00a0km, far", "10", None, "10\u00a0km,"),
        ("10 km, far", "10", None, "10"),
    ],
)
def test_a_span_becomes_words(context, span, pieces, text):
    """Whole words, cut down to the pieces where these are found in them."""
    begin = context.index(span)
    assert answer_text(context, begin, begin + len(span), pieces or span) == text


@given(st.text("ab ,.中\t\u00a0", max_size=30), st.data())
def test_the_words_of_a_span_hold_it(context, data):
    """Whatever the span: its letters are in the words that it touches, and no more words."""
    begin = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(begin, len(context)))
    words = touched_words(context, begin, end)
    span = " ".join(context[begin:end].split(" ")).strip()
    assert "".join(span.split()) in "".join(words.split())
    assert words == words.strip(" \t")


@given(st.text("ab ,.中(", max_size=20), st.text("ab ,.中(", max_size=8))
def test_what_is_aligned_spells_the_pieces(words, pieces):
    """The result is the words or a part of them with the letters of the pieces."""
    words, pieces = " ".join(words.split()), " ".join(pieces.split())
    found = align(pieces, words)
    assert found == words or found.replace(" ", "") == pieces.replace(" ", "")
    assert found in words


def test_control_characters_end_the_search():
    """The basic tokenizer drops them, so that places no longer correspond."""
    assert basic_tokens("a\u200bb") == "ab"
    assert align("ab", "a\u200bb") == "a\u200bb"
