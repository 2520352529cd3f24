"""Question answering over whole documents: TyDi QA's passage selection and minimal answer.

Follows the BERT baseline that came with TyDi QA (Clark et al. 2020; ``baseline/`` of
google-research-datasets/tydiqa, after Alberti et al. 2019), which reads the document through
windows and points at a span:

- the first 45 passage candidates, each after a marker with its number, are read in windows of
  ``max_length`` tokens that start every ``doc_stride`` tokens; other text is not read;
- a window that shows the whole answer is trained towards it: the minimal span, or the whole passage
  where only a passage (or yes or no) was given; any other window points at its first token and is
  trained on with probability 0.1;
- a window's answer type (none, yes, no, minimal, passage) is trained beside start and end, with the
  mean of the three losses;
- a question's answer is the best span of all its windows by start + end score less the score of the
  first token: of the 30 best starts and ends, at most 100 tokens. Its passage is the predicted
  passage, and the score is the confidence in both.

It differs in this: markers are ordinary pieces (``[3]``), because other vocabularies have no unused
entries; a span has to lie in one passage; a yes or no is learnt (the baseline's preprocessing loses
these labels and it never answers so) and given where the best window's type says so; which windows
without an answer are trained on is drawn by a hash of the question's id.

Documents are code points here; passages and answers are bytes of their UTF-8 form, as officially.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.models.dropout import name_dropout_layers
from xstilts.models.heads import SentenceHead, TokenHead, place_losses
from xstilts.models.tokenizer import windows_of
from xstilts.seeds import order_key
from xstilts.tasks.base import TaskModel
from xstilts.tasks.document_qa.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xstilts.data.examples import Example
    from xstilts.models.tokenizer import Tokenizer, Tokens
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow

NONE, YES, NO, MINIMAL, PASSAGE = range(5)
MOST_PASSAGES, BEST, LONGEST_ANSWER = 45, 30, 100
UNANSWERED_SHARE = 0.1
NOTHING = -10_000.0
"""Confidence where no span is possible, as in the baseline."""


@dataclass(frozen=True)
class Document:
    """A document's passages in tokens, end to end with their markers.

    ``ids`` (n,); ``spans`` (n, 2): code points in the document, (-1, -1) of a marker; ``passage``
    (n,): the index of each token's passage, -1 of a marker.
    """

    ids: np.ndarray
    spans: np.ndarray
    passage: np.ndarray


@dataclass(frozen=True)
class Gold:
    """What a window is trained towards: an answer type, and places of the first and last token."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True)
class Window:
    """What one sequence shows of its example's document: the tokens from ``begin`` on, at
    ``offset`` in the sequence."""

    example: int
    spans: np.ndarray
    passage: np.ndarray
    offset: int
    gold: Gold


def _documents(examples: Sequence[Example], tokenizer: Tokenizer) -> Iterator[Document]:
    """The documents in tokens; each passage is tokenised on its own."""
    markers = tokenizer([f"[{i}]" for i in range(MOST_PASSAGES)])
    for example in examples:
        text = example["document"]
        points = code_points(text)
        chosen = [
            (i, int(points[p["start"]]), int(points[p["end"]]))
            for i, p in enumerate(example["passages"][:MOST_PASSAGES])
            if p["start"] >= 0
        ]
        tokens = tokenizer([text[begin:end] for _, begin, end in chosen])
        yield _joined(
            [
                (i, begin, markers[i], found)
                for (i, begin, _), found in zip(chosen, tokens, strict=True)
            ]
        )


def _joined(passages: Sequence[tuple[int, int, Tokens, Tokens]]) -> Document:
    """Marker, passage, marker, passage ...; ``(index, first code point, marker, tokens)`` each."""
    ids, spans, places = [np.empty(0, np.int32)], [np.empty((0, 2), np.int32)], []
    for index, begin, marker, tokens in passages:
        ids += [marker.ids, tokens.ids]
        spans += [np.full((len(marker.ids), 2), -1, np.int32), tokens.spans + begin]
        places += [-1] * len(marker.ids) + [index] * len(tokens.ids)
    return Document(np.concatenate(ids), np.concatenate(spans), np.asarray(places, np.int32))


def _chosen(name: str, begin: int) -> bool:
    """Whether a window without an answer is trained on: one in ten, the same in every study."""
    return int(order_key("unanswered", name, begin)[:8], 16) < UNANSWERED_SHARE * 16**8


# --- answers as tokens ---------------------------------------------------------------------------


def code_points(text: str) -> np.ndarray:
    """For each byte offset of the UTF-8 text, how many code points begin before it.

    >>> code_points("aé今").tolist()
    [0, 1, 2, 2, 3, 3, 3]
    """
    data = np.frombuffer(text.encode(), np.uint8)
    return np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])


def byte_offset(text: str, point: int) -> int:
    """The byte at which a code point begins."""
    return len(text[:point].encode())


def _answered(example: Example) -> bool:
    return any(a["passage"] >= 0 for a in example["annotations"])


def _answer(example: Example, document: Document) -> Gold | None:
    """The answer that is trained towards, as tokens of the document: the most exact annotation.

    None where there is none, or where no token of the passages that are read covers it.
    """
    given = [a for a in example["annotations"] if a["passage"] >= 0]
    with_span = [a for a in given if a["start"] >= 0]
    with_word = [a for a in given if a["yes_no"] != "none"]
    for annotation in (with_span or with_word or given)[:1]:
        kind = MINIMAL if with_span else {"yes": YES, "no": NO}.get(annotation["yes_no"], PASSAGE)
        inside = document.passage == annotation["passage"]
        if with_span:
            points = code_points(example["document"])
            begin, end = points[annotation["start"]], points[annotation["end"]]
            spans = document.spans
            inside &= (spans[:, 0] < end) & (spans[:, 1] > begin) & (spans[:, 1] > spans[:, 0])
        found = np.flatnonzero(inside)
        if len(found):
            return Gold(kind, int(found[0]), int(found[-1]))
    return None


def _gold(answer: Gold | None, begin: int, end: int, offset: int) -> Gold:
    if answer is None or answer.start < begin or answer.end >= end:
        return Gold(NONE, 0, 0)
    return Gold(answer.kind, answer.start - begin + offset, answer.end - begin + offset)


class Head(nn.Module):
    """A start and an end score for every token, five answer types for every window."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.token = TokenHead(hidden, 2)
        self.sentence = SentenceHead(hidden, 5)
        name_dropout_layers(self, "head")

    def forward(self, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(T, H) -> (T, 2) and (S, 5)."""
        return self.token(hidden, batch), self.sentence(hidden, batch)


# --- predictions ---------------------------------------------------------------------------------


def _row(
    example: Example, value: float, passage: int, begin: int, end: int, yes_no: str
) -> dict[str, Any]:
    text = example["document"]
    said = text[begin:end] if begin >= 0 else ""
    if said.strip():  # white space alone stays as it is: an answer, though a wrong one
        begin, end = begin + len(said) - len(said.lstrip()), end - len(said) + len(said.rstrip())
    spanned = begin >= 0 and yes_no == "none"
    return {
        "id": example["id"],
        "passage": passage,
        "start": byte_offset(text, begin) if spanned else -1,
        "end": byte_offset(text, end) if spanned else -1,
        "yes_no": yes_no,
        "score": value,
        "prediction": said.strip() if yes_no == "none" else yes_no,
        "gold": example["annotations"],
    }


def best_span(scores: np.ndarray, window: Window) -> tuple[float, int, int, int] | None:
    """The best span of a window: its score, its passage and its code points ``[begin, end)``.

    None where no two of the best starts and ends lie in one passage, at most 100 tokens apart.
    """
    tokens = len(window.spans)
    scores = scores.astype(np.float64)
    starts, ends = (
        np.argsort(-scores[1:, side], kind="stable")[:BEST] + 1 - window.offset for side in (0, 1)
    )
    starts, ends = (side[(side >= 0) & (side < tokens)] for side in (starts, ends))
    starts, ends = (side[window.passage[side] >= 0] for side in (starts, ends))
    if not len(starts) or not len(ends):
        return None
    size = ends[None, :] - starts[:, None] + 1
    allowed = (size >= 1) & (size <= LONGEST_ANSWER)
    allowed &= window.passage[starts][:, None] == window.passage[ends][None, :]
    if not allowed.any():
        return None
    total = scores[starts + window.offset, 0][:, None] + scores[ends + window.offset, 1][None, :]
    i, j = np.unravel_index(np.where(allowed, total, -np.inf).argmax(), total.shape)
    first, last = int(starts[i]), int(ends[j])
    value = float(total[i, j] - scores[0].sum())
    return (
        value,
        int(window.passage[first]),
        int(window.spans[first, 0]),
        int(window.spans[last, 1]),
    )


# --- the model -----------------------------------------------------------------------------------


class DocumentQAModel(TaskModel):
    """A passage of a document, and a span, yes or no in it."""

    schema = SCHEMA

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """One item a window; in training all with an answer and a tenth of the others."""
        tokenizer = context.tokenizer
        questions = tokenizer(e["question"] for e in examples)
        documents = _documents(examples, tokenizer)
        counts: Counter[str] = Counter()
        sequences, second, windows = [], [], []
        special = tokenizer.special_tokens
        longest_question = special.question_room(context.limits)
        for number, (example, document) in enumerate(zip(examples, documents, strict=True)):
            question = questions[number].ids[-longest_question:]  # the end of it, as the baseline
            counts["truncated_questions"] += len(questions[number].ids) > longest_question
            counts["passages_not_read"] += max(0, len(example["passages"]) - MOST_PASSAGES)
            answer = _answer(example, document)
            counts["unreachable_answers"] += answer is None and _answered(example)
            room = context.limits.max_length - special.pair_specials - len(question)
            offset = len(special.prefix) + len(question) + len(special.middle)
            for begin, end in windows_of(len(document.ids), room, context.limits.doc_stride):
                gold = _gold(answer, begin, end, offset)
                if context.training and gold.kind == NONE and not _chosen(example["id"], begin):
                    continue
                shown = slice(begin, end)
                ids, where = tokenizer.pair(question, document.ids[shown])
                sequences.append(ids)
                second.append(where)
                windows.append(
                    Window(number, document.spans[shown], document.passage[shown], offset, gold)
                )
        return one_sequence_instances(sequences, second, windows, counts=+counts)

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head."""
        return Head(hidden)

    def loss(
        self, outputs: tuple[torch.Tensor, torch.Tensor], batch: Batch, smoothing: float = 0.0
    ) -> torch.Tensor:
        """Mean of the cross entropies of start, end and answer type, summed over windows."""
        gold = uploaded(
            np.array([(w.gold.start, w.gold.end, w.gold.kind) for w in batch.targets]),
            outputs[0].device,
        )
        places = place_losses(outputs[0], gold[:, :2], batch, smoothing).sum()
        types = nn.functional.cross_entropy(
            outputs[1].float(), gold[:, 2], reduction="sum", label_smoothing=smoothing
        )
        return (places + types) / 3

    def outputs(self, outputs: tuple[torch.Tensor, torch.Tensor], batch: Batch) -> list[np.ndarray]:
        """For each window its five type scores, then start and end of every token: (5 + 2 n,)."""
        types = outputs[1].float().cpu().numpy()
        tokens = outputs[0].float().cpu().split(batch.lengths)  # type: ignore[no-untyped-call]
        return [
            np.concatenate([kind, window.numpy().ravel()])
            for kind, window in zip(types, tokens, strict=True)
        ]

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """Passage, byte span or yes/no, and the confidence in them, of each question."""
        best: list[tuple[float, int, int, int, str]] = [(NOTHING, -1, -1, -1, "none")] * len(
            examples
        )
        for window, values in zip(features.targets, outputs, strict=True):
            found = best_span(values[5:].reshape(-1, 2), window)
            if found and found[0] > best[window.example][0]:
                value, passage, begin, end = found
                kind = YES + int(values[YES:5].argmax())
                word = {YES: "yes", NO: "no"}.get(kind, "none")
                best[window.example] = (value, passage, begin, end, word)
        return [_row(example, *found) for example, found in zip(examples, best, strict=True)]


MODEL = DocumentQAModel()
