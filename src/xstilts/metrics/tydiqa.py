"""TyDi QA's primary tasks: passage selection and minimal answer (Clark et al. 2020).

Source: ``tydi_eval.py`` and ``eval_utils.py`` of google-research-datasets/tydiqa. The score of a
language is an F1 over questions, at the confidence threshold that is best for that language; the
score of a system is the mean over the languages without English (``averages.without_english``). Not
for the gold passage task, which uses SQuAD v1.1 (``answers.squad``).
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
    """The byte after its last."""
    yes_no: str = "none"

    def __post_init__(self) -> None:
        """Refuse half-open and reversed spans, and other words than yes, no and none."""
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
        """Refuse a span together with yes or no, as ``eval_utils.py`` does for predictions."""
        super().__post_init__()
        if self.has_span and self.yes_no != "none":
            raise ValueError(f"a prediction has a span or yes/no, not both: {self}")


class Outcome(NamedTuple):
    """What one question adds to the counts."""

    wanted: bool
    """The annotators found an answer."""
    given: bool
    """The system gave one."""
    credit: float
    """0.0 to 1.0."""
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
    return _language(passage_outcome, golds, predictions)


def minimal_answers(
    golds: Mapping[str, Sequence[Annotation]], predictions: Mapping[str, Prediction]
) -> BestF1:
    """Minimal answer (MinSpan) on one language's questions, by question id."""
    return _language(minimal_outcome, golds, predictions)


def _language(
    outcome: Callable[[Sequence[Annotation], Prediction | None], Outcome],
    golds: Mapping[str, Sequence[Annotation]],
    predictions: Mapping[str, Prediction],
) -> BestF1:
    if not golds:
        raise ValueError("no questions to score; give at least one")
    return best_f1(outcome(gold, predictions.get(question)) for question, gold in golds.items())


def passage_outcome(golds: Sequence[Annotation], prediction: Prediction | None) -> Outcome:
    """Right if the predicted passage is any annotator's passage, and enough annotators have one."""
    wanted = sum(gold.passage >= 0 for gold in golds) >= VOTES
    if prediction is None:
        return _missing(wanted)
    given = prediction.passage >= 0
    right = wanted and given and any(gold.passage == prediction.passage for gold in golds)
    return Outcome(wanted, given, float(right), prediction.passage_score)


def minimal_outcome(golds: Sequence[Annotation], prediction: Prediction | None) -> Outcome:
    """The best byte overlap with an annotator's span; 1 for an annotator's yes or no."""
    wanted = sum(gold.has_minimal for gold in golds) >= VOTES
    if prediction is None:
        return _missing(wanted)
    given = prediction.has_minimal
    credit = _minimal_credit(golds, prediction) if wanted and given else 0.0
    return Outcome(wanted, given, credit, prediction.minimal_score)


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


def _missing(wanted: bool) -> Outcome:
    """No prediction: an error in either case, with confidence 0, as ``tydi_eval.py`` has it."""
    return Outcome(wanted, not wanted, 0.0, 0.0)


def best_f1(outcomes: Iterable[Outcome]) -> BestF1:
    """F1 at the confidence threshold that is best for these outcomes.

    Precision is the credit over the answers given at or above the threshold, recall is the credit
    over all answers wanted. With equal confidences everywhere there is one threshold: all answers.
    """
    ordered = sorted(outcomes, key=lambda outcome: -outcome.confidence)
    best = BestF1(0.0, 0.0, 0.0, 0.0)
    for threshold, (precision, recall) in _curve(ordered).items():
        f1 = harmonic_mean(precision, recall) * 100
        if f1 > best.f1:
            best = BestF1(f1, precision * 100, recall * 100, threshold)
    return best


def _curve(ordered: Sequence[Outcome]) -> dict[float, tuple[float, float]]:
    """Precision and recall by threshold, from the highest down; ties are taken together."""
    wanted = sum(outcome.wanted for outcome in ordered)
    credit, given = 0.0, 0
    curve: dict[float, tuple[float, float]] = {}
    for outcome in ordered:
        credit += outcome.credit
        given += outcome.given
        curve[outcome.confidence] = (
            credit / given if given else 0.0,
            credit / wanted if wanted else 0.0,
        )
    return curve
