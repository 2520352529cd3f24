"""TyDi QA's primary tasks: passage selection and minimal answer (Clark et al. 2020).

Source: ``tydi_eval.py`` and ``eval_utils.py`` of google-research-datasets/tydiqa. The score of a
language is an F1 over questions, at the confidence threshold that is best for that language; the
score of a system is the mean over the languages without English (``averages.without_english``). The
gold passage task (GoldP) uses SQuAD v1.1 instead (``question_answering.squad``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xstilts.metrics.summation import harmonic_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

YES_NO = ("none", "yes", "no")
VOTES = 2
"""A question has an answer if at least this many annotators gave one (of three in dev)."""


@dataclass(frozen=True)
class Annotation:
    """One annotator's answer: a passage index and a byte span or yes/no; -1 means none."""

    passage: int = -1
    start: int = -1
    """The first byte of the minimal answer in the UTF-8 text: bytes, not characters."""
    end: int = -1
    """The byte after its last byte."""
    yes_no: str = "none"

    def __post_init__(self) -> None:
        """Raise `ValueError` for impossible spans and for other words than yes, no and none."""
        if (self.start < 0) != (self.end < 0) or self.start > self.end:
            raise ValueError(
                f"byte span {self.start}:{self.end} is impossible; "
                "start <= end, or both negative for no span"
            )
        if self.yes_no not in YES_NO:
            raise ValueError(f"yes_no {self.yes_no!r}; allowed: {', '.join(YES_NO)}")

    @property
    def has_span(self) -> bool:
        """Whether it marks a span."""
        return self.start >= 0

    @property
    def has_minimal(self) -> bool:
        """Whether it gives a minimal answer: a span, yes or no."""
        return self.has_span or self.yes_no != "none"


@dataclass(frozen=True)
class Prediction(Annotation):
    """A system's answer, with its confidence in both parts."""

    passage_score: float = 0.0
    minimal_score: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for a span together with yes or no, as ``eval_utils.py`` does."""
        super().__post_init__()
        if self.has_span and self.yes_no != "none":
            raise ValueError(f"a prediction has a span or yes/no, not both: {self}")


class QuestionScore(NamedTuple):
    """What one question adds to the counts of its language."""

    has_answer: bool
    """At least `VOTES` annotators gave an answer."""
    answered: bool
    """The system gave an answer."""
    credit: float
    """How right it is, 0.0 to 1.0."""
    confidence: float


class BestF1(NamedTuple):
    """In percent, at the best threshold; answers with less confidence than it are dropped."""

    f1: float
    precision: float
    recall: float
    threshold: float


def select_passages(
    golds: Mapping[str, Sequence[Annotation]], predictions: Mapping[str, Prediction]
) -> BestF1:
    """Passage selection (SelectP) on one language's questions, by question id."""
    return _language(score_passage, golds, predictions)


def minimal_answers(
    golds: Mapping[str, Sequence[Annotation]], predictions: Mapping[str, Prediction]
) -> BestF1:
    """Minimal answer (MinSpan) on one language's questions, by question id."""
    return _language(score_minimal_answer, golds, predictions)


def _language(
    score: Callable[[Sequence[Annotation], Prediction | None], QuestionScore],
    golds: Mapping[str, Sequence[Annotation]],
    predictions: Mapping[str, Prediction],
) -> BestF1:
    if not golds:
        raise ValueError("no questions to score; give at least one")
    return best_f1(score(gold, predictions.get(question)) for question, gold in golds.items())


def score_passage(golds: Sequence[Annotation], prediction: Prediction | None) -> QuestionScore:
    """Right if the passage is any annotator's passage and at least `VOTES` annotators chose one."""
    has_answer = sum(gold.passage >= 0 for gold in golds) >= VOTES
    if prediction is None:
        return _missing(has_answer)
    answered = prediction.passage >= 0
    right = has_answer and answered and any(gold.passage == prediction.passage for gold in golds)
    return QuestionScore(has_answer, answered, float(right), prediction.passage_score)


def score_minimal_answer(
    golds: Sequence[Annotation], prediction: Prediction | None
) -> QuestionScore:
    """The best byte overlap with an annotator's span; 1 for an annotator's yes or no."""
    has_answer = sum(gold.has_minimal for gold in golds) >= VOTES
    if prediction is None:
        return _missing(has_answer)
    answered = prediction.has_minimal
    credit = _minimal_credit(golds, prediction) if has_answer and answered else 0.0
    return QuestionScore(has_answer, answered, credit, prediction.minimal_score)


def _minimal_credit(golds: Sequence[Annotation], prediction: Prediction) -> float:
    if prediction.yes_no != "none":
        return float(any(gold.yes_no == prediction.yes_no for gold in golds))
    return max((span_f1(gold, prediction) for gold in golds if gold.has_span), default=0.0)


def span_f1(gold: Annotation, predicted: Annotation) -> float:
    """F1 of the bytes of two spans, 0.0 to 1.0.

    >>> span_f1(Annotation(start=0, end=10), Annotation(start=5, end=10))
    0.6666666666666666
    """
    common = min(gold.end, predicted.end) - max(gold.start, predicted.start)
    if common <= 0:
        return 0.0
    return harmonic_mean(
        common / (predicted.end - predicted.start), common / (gold.end - gold.start)
    )


def _missing(has_answer: bool) -> QuestionScore:
    """A missing prediction counts as an error with confidence 0, as in ``tydi_eval.py``."""
    return QuestionScore(has_answer, not has_answer, 0.0, 0.0)


def best_f1(scores: Iterable[QuestionScore]) -> BestF1:
    """F1 at the confidence threshold that is best for these questions.

    Precision is the credit over the system's answers at or above the threshold, recall the credit
    over the questions that have an answer. If all confidences are equal, all answers count.
    """
    ordered = sorted(scores, key=lambda score: -score.confidence)
    best = BestF1(0.0, 0.0, 0.0, 0.0)
    for threshold, (precision, recall) in _curve(ordered).items():
        f1 = harmonic_mean(precision, recall) * 100
        if f1 > best.f1:
            best = BestF1(f1, precision * 100, recall * 100, threshold)
    return best


def _curve(ordered: Sequence[QuestionScore]) -> dict[float, tuple[float, float]]:
    """Precision and recall by threshold, from the highest down; ties are taken together."""
    with_answer = sum(score.has_answer for score in ordered)
    credit, answered = 0.0, 0
    curve: dict[float, tuple[float, float]] = {}
    for score in ordered:
        credit += score.credit
        answered += score.answered
        curve[score.confidence] = (
            credit / answered if answered else 0.0,
            credit / with_answer if with_answer else 0.0,
        )
    return curve
