"""Answer texts as the BERT scripts for SQuAD rebuild them: from whole whitespace-separated words.

The scripts widen a span of subwords to the words that it touches. Then they search these words for
the text of the subwords, and cut the words down to it if they find it. Often they do not, because
SentencePiece keeps punctuation and Chinese characters together, which the search separates. So in
scripts without spaces an answer is as long as its clause, which lowers every score published with
these scripts (XTREME, jiant). We report these scores beside those of the text that the span covers.

Source: the behaviour of ``compute_predictions_logits`` and ``get_final_text`` in XTREME's
``third_party`` (google-research/xtreme @ 838c13b; from the BERT scripts), without lower-casing.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import cache

_GAP = re.compile("[ \t\r\n\u202f]+")
"""What separates words when the scripts read a context; a no-break space does not."""
_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""Chinese characters, which BERT's basic tokenizer separates, unlike kana and Hangul."""


def answer_text(context: str, begin: int, end: int, pieces: str) -> str:
    """The text of a span of code points ``[begin, end)`` by the whole-word rule.

    ``pieces`` is the text of the span's subwords.

    >>> answer_text("won by the Denver Broncos, again", 11, 25, "Denver Broncos")
    'Denver Broncos'
    >>> answer_text("in (2,700 m) there", 4, 7, "2,7")
    '(2,700'
    """
    return align(" ".join(pieces.split()), touched_words(context, begin, end))


def touched_words(context: str, begin: int, end: int) -> str:
    """The words that a span touches, joined by single spaces.

    >>> touched_words("a  big   cat", 4, 10)
    'big cat'
    """
    while begin < end and _GAP.match(context, begin):
        begin += 1
    while end > begin and _GAP.match(context, end - 1):
        end -= 1
    if begin == end:
        return ""
    while begin > 0 and not _GAP.match(context, begin - 1):
        begin -= 1
    gap = _GAP.search(context, end)
    return " ".join(_GAP.split(context[begin : gap.start() if gap else len(context)]))


def align(pieces: str, words: str) -> str:
    """The part of ``words`` that equals ``pieces`` without spaces; else all of ``words``.

    >>> align("Broncos", "Broncos,"), align("Broncos,", "Broncos,also")
    ('Broncos', 'Broncos,also')
    """
    spaced = basic_tokens(words)
    start = spaced.find(pieces)
    if not pieces or start < 0:
        return words
    in_words = [place for place, letter in enumerate(words) if letter != " "]
    in_spaced = [place for place, letter in enumerate(spaced) if letter != " "]
    if len(in_words) != len(in_spaced):  # the tokenizer dropped control characters
        return words
    first = bisect_left(in_spaced, start)
    last = bisect_left(in_spaced, start + len(pieces) - 1)
    return words[in_words[first] : in_words[last] + 1]


def basic_tokens(text: str) -> str:
    """The tokens of BERT's basic tokenizer, cased, joined by spaces.

    >>> basic_tokens("(2,700 m) 中国")
    '( 2 , 700 m ) 中 国'
    """
    return " ".join("".join(map(_spaced, text)).split())


@cache
def _spaced(letter: str) -> str:
    code, category = ord(letter), unicodedata.category(letter)
    if letter in "\t\n\r" or category == "Zs":
        return " "
    if category.startswith("C") or code in (0, 0xFFFD):
        return ""
    punctuation = category.startswith("P") or (letter.isascii() and not letter.isalnum())
    if punctuation or any(low <= code <= high for low, high in _CJK):
        return f" {letter} "
    return letter
