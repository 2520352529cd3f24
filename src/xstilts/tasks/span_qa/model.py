"""Span question answering: the answer is a span of the context.

Long contexts are read through windows that overlap, so that no answer is out of reach; decoding
follows the BERT scripts that XTREME uses (20 best starts and ends, at most 30 tokens, the window
with most context decides on a token), except that the answer's text is cut out by character
offsets. Beside it stands the text that those scripts rebuild from whitespace words
(`xstilts.metrics.squad_answer_text`), and every metric is given for both.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts.metrics import squad_answer_text
from xstilts.metrics.question_answering import normalize_squad
from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.models.heads import TokenHead, place_losses
from xstilts.models.tokenizer import windows_of
from xstilts.tasks.base import TaskModel
from xstilts.tasks.span_qa.schema import REBUILT, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow

BEST, LONGEST_ANSWER = 20, 30  # n_best_size and max_answer_length of the official scripts
NO_ANSWER = "empty"  # what the official scripts answer when no span is possible


@dataclass(frozen=True)
class Window:
    """What one sequence shows of its example's context.

    ``spans`` (n, 2): code-point spans of the context tokens in it; ``offset``: place of the first
    of them in the sequence; ``deciding`` (n,): whether this is the window that decides on a token
    (the one that shows most context around it); ``gold``: places of the answer's first and last
    token in the sequence, (0, 0) where it shows none; ``ids`` (n,): the context tokens, as the
    tokenizer numbers them, and ``spelt``: what some of them spell.
    """

    example: int
    spans: np.ndarray
    offset: int
    deciding: np.ndarray
    gold: tuple[int, int]
    ids: np.ndarray
    spelt: Callable[[Iterable[int]], str]

    def text(self, context: str, begin: int, end: int) -> str:
        """What the context has under the tokens ``[begin, end)`` of this window."""
        return cut_out(context, self.spans, begin, end)

    def legacy_text(self, context: str, begin: int, end: int) -> str:
        """What the official scripts make of these tokens."""
        first, last = int(self.spans[begin, 0]), int(self.spans[end - 1, 1])
        return squad_answer_text.answer_text(context, first, last, self.spelt(self.ids[begin:end]))


def cut_out(context: str, spans: np.ndarray, begin: int, end: int) -> str:
    """The text that the tokens ``[begin, end)`` of a context cover, bare.

    With the accents of its last letter: a tokenizer that composes letters (NFKC) says that a token
    ends before a combining accent, which then is in no token at all. Likewise with the characters
    of no width that end its last word. Where a benchmark's word ends with one, so do its answers;
    those at a word's beginning, or between words without spaces, they leave out.
    """
    first, last = int(spans[begin, 0]), int(spans[end - 1, 1])
    following = int(spans[end, 0]) if end < len(spans) else len(context)
    while last < following and unicodedata.combining(context[last]):
        last += 1
    text = bare(context[first:last])
    if not text:
        return text
    last = context.index(text, first) + len(text)
    ending = _ENDS_A_WORD.match(context, last)
    return text + ending[0] if ending else text


def bare(text: str) -> str:
    """A text without white space and zero-width characters around it; a token may cover both."""
    return text.strip(_NOT_SEEN)


_NO_WIDTH = "\ufeff\u200b\u2060"
_NOT_SEEN = "".join(c for c in map(chr, range(0x10000)) if c.isspace()) + _NO_WIDTH
_ENDS_A_WORD = re.compile(rf"[{_NO_WIDTH}]+(?!\S)")


def _deciding(tokens: int, cuts: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """For each window, which of its tokens it decides on: the first window of the best score.

    The score of a token in a window is its smaller distance to the window's ends, plus a
    hundredth of the window's length (BERT's ``_check_is_max_context``).
    """
    place = np.arange(tokens)
    scores = np.full((len(cuts), tokens), -1.0)
    for row, (begin, end) in enumerate(cuts):
        inside = place[begin:end]
        scores[row, begin:end] = np.minimum(inside - begin, end - 1 - inside) + 0.01 * (end - begin)
    best = scores.argmax(axis=0)
    return [best[begin:end] == row for row, (begin, end) in enumerate(cuts)]


def _answer_tokens(answer: Mapping[str, Any], spans: np.ndarray) -> tuple[int, int] | None:
    """The first and last token that overlap an answer; None where no token does."""
    begin = answer["start"]
    end = begin + len(answer["text"])
    overlap = np.flatnonzero(
        (spans[:, 0] < end) & (spans[:, 1] > begin) & (spans[:, 1] > spans[:, 0])
    )
    return (int(overlap[0]), int(overlap[-1])) if len(overlap) else None


def _unattainable(example: Example, spans: np.ndarray) -> Iterator[str]:
    """Why no perfect model could answer a question with exactly one of its gold texts.

    ``inexact_answers``: each begins or ends inside a token. ``long_answers``: those that do not are
    longer than an answer may be.
    """
    found = [(a["text"], at) for a in example["answers"] if (at := _answer_tokens(a, spans))]
    exact = [at for text, at in found if _gives(example["context"], spans, at, text)]
    if found and not exact:
        yield "inexact_answers"
    elif exact and all(last - first >= LONGEST_ANSWER for first, last in exact):
        yield "long_answers"


def _gives(context: str, spans: np.ndarray, at: tuple[int, int], wanted: str) -> bool:
    """Whether tokens give an answer's text, after the metric's normalisation."""
    text = cut_out(context, spans, at[0], at[1] + 1)
    return text == wanted or normalize_squad(text) == normalize_squad(wanted)


def _within(answer: tuple[int, int] | None, begin: int, end: int, offset: int) -> tuple[int, int]:
    if answer is None or answer[0] < begin or answer[1] >= end:
        return (0, 0)
    return (answer[0] - begin + offset, answer[1] - begin + offset)


class Head(nn.Module):
    """A start and an end score for every token."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.token = TokenHead(hidden, 2)

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (T, 2)."""
        return self.token(hidden, batch)  # type: ignore[no-any-return]


def best_span(scores: np.ndarray, window: Window) -> tuple[float, int, int] | None:
    """The best allowed span of a window: its score and its context tokens ``[begin, end)``.

    Starts and ends come from the 20 highest scores of the whole sequence each; a start must be a
    token that this window decides on, an answer has at most 30 tokens. None: no span is allowed.
    """
    tokens = len(window.spans)
    scores = scores.astype(np.float64)  # sums of two: exact, as in the scripts
    starts, ends = (
        np.argsort(-scores[:, side], kind="stable")[:BEST] - window.offset for side in (0, 1)
    )
    starts = starts[(starts >= 0) & (starts < tokens)]
    starts = starts[window.deciding[starts]]
    ends = ends[(ends >= 0) & (ends < tokens)]
    if not len(starts) or not len(ends):
        return None
    size = ends[None, :] - starts[:, None] + 1
    total = scores[starts + window.offset, 0][:, None] + scores[ends + window.offset, 1][None, :]
    total = np.where((size >= 1) & (size <= LONGEST_ANSWER), total, -np.inf)
    i, j = np.unravel_index(total.argmax(), total.shape)
    if total[i, j] == -np.inf:
        return None
    return float(total[i, j]), int(starts[i]), int(ends[j]) + 1


class SpanQAModel(TaskModel):
    """A span of the context, or no answer."""

    schema = SCHEMA

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """One item a window; the first gold answer is the one that is trained towards."""
        tokenizer = context.tokenizer
        questions = tokenizer(e["question"] for e in examples)
        contexts = tokenizer(e["context"] for e in examples)
        counts: Counter[str] = Counter()
        sequences, second, windows = [], [], []
        special = tokenizer.special_tokens
        longest_question = special.question_room(context.limits)
        for number, example in enumerate(examples):
            question = questions[number].ids[:longest_question]
            counts["truncated_questions"] += len(questions[number].ids) > longest_question
            spans = contexts[number].spans
            answer = _answer_tokens(example["answers"][0], spans) if example["answers"] else None
            counts.update(_unattainable(example, spans))
            if context.training and answer is None and example["answers"]:
                counts["unreachable_answers"] += 1
                continue
            room = context.limits.max_length - special.pair_specials - len(question)
            offset = len(special.prefix) + len(question) + len(special.middle)
            cuts = list(windows_of(len(spans), room, context.limits.doc_stride))
            shown = False
            for cut, deciding in zip(cuts, _deciding(len(spans), cuts), strict=True):
                begin, end = cut
                ids, where = tokenizer.pair(question, contexts[number].ids[begin:end])
                sequences.append(ids)
                second.append(where)
                gold = _within(answer, begin, end, offset)
                shown |= gold != (0, 0)
                context_ids = contexts[number].ids[begin:end]
                windows.append(
                    Window(
                        number,
                        spans[begin:end],
                        offset,
                        deciding,
                        gold,
                        context_ids,
                        tokenizer.spelt,
                    )
                )
            counts["unreachable_answers"] += bool(example["answers"]) and not shown
        return one_sequence_instances(sequences, second, windows, counts=+counts)

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head."""
        return Head(hidden)

    def loss(self, outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """Mean of the cross entropies of start and end over a window's tokens, over items a sum."""
        gold = uploaded(np.array([w.gold for w in batch.targets]), outputs.device)  # (S, 2)
        return place_losses(outputs, gold, batch, smoothing).sum() / 2

    def outputs(self, outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
        """(length, 2) scores of each window."""
        return np.split(outputs.float().cpu().numpy(), np.cumsum(batch.lengths)[:-1])

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """The text of the best span of each question, over all its windows."""
        best: list[tuple[float, Window | None, int, int]] = [(float("-inf"), None, 0, 0)] * len(
            examples
        )
        null = [float("inf")] * len(examples)
        for window, scores in zip(features.targets, outputs, strict=True):
            number = window.example
            null[number] = min(null[number], float(scores[0, 0]) + float(scores[0, 1]))
            found = best_span(scores, window)
            if found and found[0] > best[number][0]:
                best[number] = (found[0], window, *found[1:])
        rows = []
        for example, (value, window, begin, end), nothing in zip(examples, best, null, strict=True):
            text = legacy = NO_ANSWER
            if scorer == "squad2" and nothing - value > 0.0:
                text = legacy = ""
            elif window:
                text = window.text(example["context"], begin, end)
                legacy = window.legacy_text(example["context"], begin, end)
            gold = [a["text"] for a in example["answers"]]
            rows.append({"id": example["id"], "prediction": text, "gold": gold, REBUILT: legacy})
        return rows


MODEL = SpanQAModel()
