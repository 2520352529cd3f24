"""Answer texts as the official scripts of SQuAD's era rebuild them: from whole whitespace words.

A span of sub-words is widened to the words that it touches; then the pieces' own text is looked for
in these words, and if it can be aligned the words are cut down to it again. It often cannot: pieces
of SentencePiece keep punctuation and Chinese characters together, which the search has set apart.
So answers in scripts without spaces come out as long as the clause that they stand in, which lowers
every score published with these scripts (XTREME, jiant). Here to be reported beside the text that
the span really covers.

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
"""Characters that BERT's basic tokenizer sets apart: Chinese ones, neither kana nor Hangul."""


def answer(context: str, begin: int, end: int, pieces: str) -> str:
    """The text of a span of code points ``[begin, end)`` by the whole-word rule.

    ``pieces`` is what the span's sub-words spell.

    >>> answer("won by the Denver Broncos, again", 11, 25, "Denver Broncos")
    'Denver Broncos'
    >>> answer("in (2,700 m) there", 4, 7, "2,7")
    '(2,700'
    """
    return align(" ".join(pieces.split()), covering(context, begin, end))


def covering(context: str, begin: int, end: int) -> str:
    """The words that a span touches, joined by single spaces.

    >>> covering("a  big   cat", 4, 10)
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
    """The part of ``words`` that spells ``pieces``; all of ``words`` where none is found.

    >>> align("Broncos", "Broncos,"), align("Broncos,", "Broncos,also")
    ('Broncos', 'Broncos,also')
    """
    spaced = set_apart(words)
    found = spaced.find(pieces)
    if not pieces or found < 0:
        return words
    ours = [place for place, letter in enumerate(words) if letter != " "]
    theirs = [place for place, letter in enumerate(spaced) if letter != " "]
    if len(ours) != len(theirs):  # the tokenizer dropped control characters
        return words
    first, last = bisect_left(theirs, found), bisect_left(theirs, found + len(pieces) - 1)
    return words[ours[first] : ours[last] + 1]


def set_apart(text: str) -> str:
    """The tokens of BERT's basic tokenizer, cased, joined by spaces.

    >>> set_apart("(2,700 m) 中国")
    '( 2 , 700 m ) 中 国'
    """
    return " ".join("".join(map(_set_apart, text)).split())


@cache
def _set_apart(letter: str) -> str:
    code, category = ord(letter), unicodedata.category(letter)
    if letter in "\t\n\r" or category == "Zs":
        return " "
    if category.startswith("C") or code in (0, 0xFFFD):
        return ""
    punctuation = category.startswith("P") or (letter.isascii() and not letter.isalnum())
    if punctuation or any(low <= code <= high for low, high in _CJK):
        return f" {letter} "
    return letter
