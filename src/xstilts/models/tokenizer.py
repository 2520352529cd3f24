"""Tokenisation: texts to token ids, with the character span of every token.

The fast tokenizer of an encoder's folder (``tokenizer.json``) is used without truncation or
padding: task types cut their texts themselves, because only they know what must not be lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from tokenizers import Tokenizer as FastTokenizer

from xstilts.errors import EncoderError
from xstilts.models.token_cache import Ragged, TokenCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path


class Limits(Protocol):
    """How much of an input is read; `xstilts.config.hyperparameters.Hyperparameters` has these."""

    @property
    def max_length(self) -> int:
        """Tokens of one sequence."""

    @property
    def doc_stride(self) -> int:
        """Tokens between window starts."""

    @property
    def max_query_length(self) -> int:
        """Tokens of a question."""


_TEXTS = 4096
"""Texts that are tokenised together: enough for all cores."""


@dataclass(frozen=True)
class Tokens:
    """A text in tokens: ids and code-point spans ``[start, end)``, two arrays of one length."""

    ids: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens around texts A and B: prefix A middle B suffix, or prefix A suffix.

    ``typed``: whether B and what follows it are tokens of type 1 (BERT's) or 0 (XLM-R's, e5's).
    """

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    typed: bool

    @property
    def pair_specials(self) -> int:
        """Special tokens in a pair."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    @property
    def single_specials(self) -> int:
        """Special tokens around one text."""
        return len(self.prefix) + len(self.suffix)

    def question_room(self, limits: Limits) -> int:
        """The most tokens that a question may have before a context.

        At least half of all tokens are the context's, or it would need too many windows.
        """
        return min(limits.max_query_length, (limits.max_length - self.pair_specials) // 2)


class Tokenizer:
    """An encoder's tokenizer."""

    def __init__(self, folder: Path) -> None:
        """Read ``tokenizer.json``; raises `EncoderError` where it is missing or not readable."""
        path = folder / "tokenizer.json"
        self._cache_folder = folder / "tokens"
        if not path.is_file():
            raise EncoderError(f"{path}: missing; the encoder needs a fast tokenizer")
        try:
            self._path, self._fast = path, FastTokenizer.from_file(str(path))
        except Exception as error:  # the Rust side raises bare Exception
            raise EncoderError(f"{path}: not a tokenizer ({error})") from error
        self._fast.no_padding()
        self._fast.no_truncation()

    @cached_property
    def special_tokens(self) -> SpecialTokens:
        """The special tokens, as they are found in a tokenised pair."""
        encoding = self._fast.encode("a", "b")
        sides = encoding.sequence_ids
        first, second = (
            [i for i, side in enumerate(sides) if side == 0],
            [i for i, side in enumerate(sides) if side == 1],
        )
        if not (first and second and first[-1] < second[0]):
            raise EncoderError(
                f"{self._path}: does not write a pair of texts as first, then second; "
                "its post_processor is of another kind"
            )
        ids = encoding.ids
        return SpecialTokens(
            tuple(ids[: first[0]]),
            tuple(ids[first[-1] + 1 : second[0]]),
            tuple(ids[second[-1] + 1 :]),
            typed=encoding.type_ids[second[0]] == 1,
        )

    @cached_property
    def unknown(self) -> int:
        """The id of the unknown token, which replaces a word that has no pieces.

        Byte-level tokenizers have none: there the end of a text stands for a word without pieces.
        """
        for name in ("<unk>", "[UNK]"):
            found = self._fast.token_to_id(name)
            if found is not None:
                return int(found)
        if self._byte_level:
            return (self.special_tokens.suffix or self.special_tokens.prefix or (0,))[-1]
        raise EncoderError("the tokenizer has neither <unk> nor [UNK]")

    @cached_property
    def mask(self) -> int:
        """The id of the mask token of masked language modelling."""
        for name in ("<mask>", "[MASK]"):
            found = self._fast.token_to_id(name)
            if found is not None:
                return int(found)
        raise EncoderError(f"{self._path}: has neither <mask> nor [MASK] for language modelling")

    @property
    def vocabulary(self) -> int:
        """Number of tokens, with those added to the model's own."""
        return int(self._fast.get_vocab_size())

    @property
    def largest_id(self) -> int:
        """The largest id of a token; ids may have gaps."""
        return max(self._fast.get_vocab(with_added_tokens=True).values(), default=-1)

    def __call__(self, texts: Iterable[str]) -> list[Tokens]:
        """Tokenise texts without special tokens; equal texts are tokenised once.

        Many texts are kept on disk (`token_cache`), so that another job need not tokenise them.
        """
        given = list(texts)
        distinct = dict.fromkeys(given)
        tokens = dict(zip(distinct, self._tokenised(list(distinct)), strict=True))
        return [tokens[text] for text in given]

    def _tokenised(self, texts: list[str]) -> list[Tokens]:
        path = self._cache.path(texts)
        found = self._cache.read(path) if path else None
        if found is None:
            found = self._joined_tokens(texts)
            if path:
                self._cache.write(path, found)
        cuts = found.ends[:-1]
        ids, spans = np.split(found.ids, cuts), np.split(found.spans, cuts)
        return [Tokens(*both) for both in zip(ids, spans, strict=True)] if texts else []

    def _joined_tokens(self, texts: list[str]) -> Ragged:
        """Tokenise with the fast tokenizer, on all cores; their number decides no result.

        Some texts at a time: its encodings take ten times the memory of the arrays made of them.
        """
        ids: list[np.ndarray] = []
        spans: list[np.ndarray] = []
        for start in range(0, len(texts), _TEXTS):
            some = texts[start : start + _TEXTS]
            for encoding in self._fast.encode_batch(some, add_special_tokens=False):
                ids.append(np.asarray(encoding.ids, dtype=np.int32))
                spans.append(np.asarray(encoding.offsets, dtype=np.int32).reshape(-1, 2))
        return Ragged(
            np.concatenate([np.empty(0, np.int32), *ids]),
            np.concatenate([np.empty((0, 2), np.int32), *spans]),
            np.cumsum([len(i) for i in ids], dtype=np.int64),
        )

    @cached_property
    def _cache(self) -> TokenCache:
        return TokenCache(self._cache_folder, self._path)

    def words(self, words: Iterable[str]) -> dict[str, np.ndarray]:
        """The pieces of each distinct word, tokenised on its own; ``<unk>`` where it has none."""
        distinct = list(dict.fromkeys(words))
        nothing = np.asarray([self.unknown], dtype=np.int32)
        return {
            word: tokens.ids if len(tokens.ids) else nothing
            for word, tokens in zip(distinct, self(distinct), strict=True)
        }

    def spelt(self, ids: Iterable[int]) -> str:
        """The text of some pieces, as the official scripts join them: single spaces between words.

        SentencePiece marks where a word begins, WordPiece where it goes on. Tokenizers with byte
        pieces (mmBERT's) spell a character that has no piece by its bytes.
        """
        if self._byte_level:
            return str(self._fast.decode([int(i) for i in ids], skip_special_tokens=False)).strip()
        pieces = [self.piece(int(i)) or "" for i in ids]
        if self._wordpiece:
            return " ".join(pieces).replace(" ##", "").removeprefix("##").strip()
        return _BYTES.sub(_from_bytes, "".join(pieces)).replace("\u2581", " ").strip()

    @cached_property
    def _wordpiece(self) -> bool:
        return self._fast.token_to_id("##s") is not None

    @cached_property
    def _byte_level(self) -> bool:
        """Whether pieces are bytes in GPT-2's alphabet, in which a space is a G with a dot."""
        return self._fast.token_to_id("\u0120") is not None

    @cached_property
    def piece(self) -> Callable[[int], str | None]:
        """The piece of an id; None where the vocabulary has no such id."""
        return cache(self._fast.id_to_token)

    def single(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """``prefix ids suffix``."""
        special = self.special_tokens
        return _joined(special.prefix, ids, special.suffix)

    def pair(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
        """``prefix first middle second suffix``, and where its tokens of type 1 begin."""
        special = self.special_tokens
        ids = _joined(special.prefix, first, special.middle, second, special.suffix)
        after = len(special.prefix) + len(first) + len(special.middle)
        return ids, after if special.typed else len(ids)


_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


def _from_bytes(run: re.Match[str]) -> str:
    return bytes.fromhex(re.sub("[<>x]", "", run[0].replace("0x", ""))).decode(errors="replace")


def _joined(*parts: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(part, dtype=np.int32) for part in parts])


def windows_of(tokens: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """``[begin, end)`` of windows of ``room`` tokens that start every ``stride`` tokens.

    A text without tokens has one window, without tokens.
    """
    begin = 0
    while True:
        end = min(begin + room, tokens)
        yield begin, end
        if end == tokens:
            return
        begin += min(room, stride)


def truncate_longest_first(
    first: np.ndarray, second: np.ndarray, room: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the longer of two texts, token by token, until both fit in ``room`` tokens.

    The rule of the official scripts (``longest_first``); the second text is cut on a tie.
    """
    a, b = len(first), len(second)
    excess = max(0, a + b - room)
    while excess and a != b:  # level the longer one first
        step = min(excess, abs(a - b))
        if a > b:
            a -= step
        else:
            b -= step
        excess -= step
    a -= excess // 2
    b -= (excess + 1) // 2
    return first[:a], second[:b]
