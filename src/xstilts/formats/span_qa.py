"""Span question answering: the answer is a span of the context.

Long contexts are read through windows that overlap, so that no answer is out of reach; decoding
follows the BERT scripts that XTREME uses (20 best starts and ends, at most 30 tokens, the window
with most context decides on a token), except that the answer's text is cut out by character
offsets instead of being rebuilt from whitespace words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts.batching import Batch, Features, one_sequence_items
from xstilts.heads import TokenHead
from xstilts.metrics.answers import AnswerScore, mlqa, squad, squad_v2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xstilts.examples import Example
    from xstilts.formats import Limits
    from xstilts.tokenization import Tokenizer

SCORERS = {
    "squad": ("em_f1", "exact_match", "f1"),
    "mlqa": ("em_f1", "exact_match", "f1"),
    "squad2": ("em_f1", "exact_match", "f1"),
}
BEST, LONGEST_ANSWER = 20, 30  # n_best_size and max_answer_length of the official scripts
NO_ANSWER = "empty"  # what the official scripts answer when no span is possible


@dataclass(frozen=True)
class Window:
    """What one sequence shows of its example's context.

    ``spans`` (n, 2): code-point spans of the context tokens in it; ``offset``: place of the first
    of them in the sequence; ``deciding`` (n,): whether this is the window that decides on a token
    (the one that shows most context around it); ``gold``: places of the answer's first and last
    token in the sequence, (0, 0) where it shows none.
    """

    example: int
    spans: np.ndarray
    offset: int
    deciding: np.ndarray
    gold: tuple[int, int]


def encode(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Sequence[str],
    limits: Limits,
    *,
    training: bool,
) -> Features:
    """One item a window; the first gold answer is the one that is trained towards."""
    questions = tokenizer(e["question"] for e in examples)
    contexts = tokenizer(e["context"] for e in examples)
    counts: Counter[str] = Counter()
    sequences, second, windows = [], [], []
    # half of the tokens at least are the context's, or there would be no end of windows
    longest_question = min(
        limits.max_query_length, (limits.max_length - tokenizer.layout.pair_specials) // 2
    )
    for number, example in enumerate(examples):
        question = questions[number].ids[:longest_question]
        counts["truncated_questions"] += len(questions[number].ids) > longest_question
        spans = contexts[number].spans
        answer = _answer_tokens(example, spans)
        if training and answer is None and example["answers"]:
            counts["unreachable_answers"] += 1
            continue
        room = limits.max_length - tokenizer.layout.pair_specials - len(question)
        offset = len(tokenizer.layout.prefix) + len(question) + len(tokenizer.layout.middle)
        cuts = list(_windows(len(spans), room, limits.doc_stride))
        shown = False
        for cut, deciding in zip(cuts, _deciding(len(spans), cuts), strict=True):
            begin, end = cut
            ids, where = tokenizer.pair(question, contexts[number].ids[begin:end])
            sequences.append(ids)
            second.append(where)
            gold = _within(answer, begin, end, offset)
            shown |= gold != (0, 0)
            windows.append(Window(number, spans[begin:end], offset, deciding, gold))
        counts["unreachable_answers"] += bool(example["answers"]) and not shown
    return one_sequence_items(sequences, second, windows, counts=+counts)


def _windows(tokens: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """``[begin, end)`` of windows of ``room`` tokens that start every ``stride`` tokens."""
    begin = 0
    while True:
        end = min(begin + room, tokens)
        yield begin, end
        if end == tokens:
            return
        begin += min(room, stride)


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


def _answer_tokens(example: Example, spans: np.ndarray) -> tuple[int, int] | None:
    """The first and last token that overlap the first gold answer; None where no token does."""
    if not example["answers"]:
        return None
    begin = example["answers"][0]["start"]
    end = begin + len(example["answers"][0]["text"])
    overlap = np.flatnonzero(
        (spans[:, 0] < end) & (spans[:, 1] > begin) & (spans[:, 1] > spans[:, 0])
    )
    return (int(overlap[0]), int(overlap[-1])) if len(overlap) else None


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
        return self.token(hidden)  # type: ignore[no-any-return]


def head(hidden: int, labels: Sequence[str]) -> nn.Module:
    """A new head."""
    return Head(hidden)


def loss(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Mean of the cross entropies of start and end over a window's tokens, summed over items."""
    scores = batch.padded(outputs.float(), float("-inf"))  # (S, L, 2)
    gold = torch.tensor([w.gold for w in batch.targets], device=scores.device)  # (S, 2)
    chosen = scores.gather(1, gold[:, None, :]).squeeze(1)
    return (scores.logsumexp(1) - chosen).sum() / 2


def outputs(outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """(length, 2) scores of each window."""
    return [o.float().cpu().numpy() for o in outputs.split(batch.lengths)]  # type: ignore[no-untyped-call]


def decode(
    examples: Sequence[Example],
    features: Features,
    outputs: Sequence[np.ndarray],
    labels: Sequence[str],
    scorer: str,
) -> list[dict[str, Any]]:
    """The text of the best span of each question, over all its windows."""
    best: list[tuple[float, str]] = [(float("-inf"), NO_ANSWER) for _ in examples]
    null = [float("inf")] * len(examples)
    for window, scores in zip(features.targets, outputs, strict=True):
        number = window.example
        null[number] = min(null[number], float(scores[0, 0]) + float(scores[0, 1]))
        found = best_span(scores, window)
        if found and found[0] > best[number][0]:
            value, begin, end = found
            best[number] = (value, examples[number]["context"][begin:end].strip())
    rows = []
    for example, (value, text), nothing in zip(examples, best, null, strict=True):
        answer = "" if scorer == "squad2" and nothing - value > 0.0 else text
        gold = [a["text"] for a in example["answers"]]
        rows.append({"id": example["id"], "prediction": answer, "gold": gold})
    return rows


def best_span(scores: np.ndarray, window: Window) -> tuple[float, int, int] | None:
    """The best allowed span of a window: its score and its code points ``[begin, end)``.

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
    return float(total[i, j]), int(window.spans[starts[i], 0]), int(window.spans[ends[j], 1])


def score(
    examples: Sequence[Example],
    predictions: Sequence[dict[str, Any]],
    scorer: str,
    language: str,
) -> tuple[int, dict[str, float]]:
    """Exact match and F1 of the official scorer, and their mean, which XTREME averages."""
    golds = {e["id"]: [a["text"] for a in e["answers"]] for e in examples}
    answers = {p["id"]: p["prediction"] for p in predictions}
    if scorer == "squad2":
        report = squad_v2(golds, answers)
        result = AnswerScore(report["exact"], report["f1"])
    else:
        result = mlqa(golds, answers, language) if scorer == "mlqa" else squad(golds, answers)
    exact, f1 = result
    return len(golds), {"em_f1": (exact + f1) / 2, "exact_match": exact, "f1": f1}
