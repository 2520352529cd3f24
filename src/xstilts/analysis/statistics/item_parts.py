"""What each test item adds to a score, from the stored predictions.

Every metric of the task types is a ratio of sums over items: accuracy is right items over items,
chunk F1 is twice the right chunks over gold and predicted chunks. So one formula gives the
influence of an item on any of them (the infinitesimal jackknife, Efron 1982, chapter 6). It is the
first-order form of a bootstrap of items, costs a thousandth of it, and tells what repeats with
other trainings from what does not. A threshold that is chosen for the best score (BUCC, TyDi QA) is
taken as given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xstilts.metrics.question_answering import AnswerScore, mlqa, squad, squad_v2
from xstilts.metrics.ranking import average_precision
from xstilts.metrics.tydiqa import (
    Annotation,
    Prediction,
    best_f1,
    score_minimal_answer,
    score_passage,
)
from xstilts.tasks.span_qa.schema import REBUILT
from xstilts.tasks.tagging.scoring import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from xstilts.analysis.statistics.design import Floats
    from xstilts.metrics.chunk_f1 import Rule


@dataclass(frozen=True)
class ItemParts:
    """A score as a ratio of sums over its test items.

    ``numerators`` and ``denominators``: of each item, shape (items,); their names are ``ids``.
    """

    ids: Sequence[str]
    numerators: Floats
    denominators: Floats

    @property
    def score(self) -> float:
        """The score in per cent; 0 where all denominators are 0."""
        whole = float(self.denominators.sum())
        return 100 * float(self.numerators.sum()) / whole if whole else 0.0

    @property
    def influences(self) -> Floats:
        """What each item adds to the score, in points, to first order, shape (items,).

        They sum to zero. The variance of the score by the choice of the items is the sum of their
        squares.
        """
        whole = float(self.denominators.sum())
        if not whole:
            return np.zeros_like(self.numerators)
        return (100 * self.numerators - self.score * self.denominators) / whole


class Predicted(NamedTuple):
    """The predictions of a score, and how they are scored.

    ``n``: how many things were scored, as the score records it.
    """

    table: pa.Table
    n: int
    scorer: str
    metric: str
    language: str


def item_parts(task_type: str, predicted: Predicted) -> ItemParts | None:
    """The items of a score; None for a type or a metric of which they cannot be told."""
    parts_of = _PARTS.get(task_type)
    return parts_of(predicted) if parts_of else None


# --- accuracy and F1 of counts --------------------------------------------------------------------


class Counts(NamedTuple):
    """Right, predicted and gold things of each item, shape (items,) each."""

    right: Floats
    predicted: Floats
    gold: Floats


def _of_counts(ids: Sequence[str], metric: str, counts: Counts) -> ItemParts | None:
    right, predicted, gold = counts
    ratios = {
        "f1": (2 * right, predicted + gold),
        "precision": (right, predicted),
        "recall": (right, gold),
    }
    return ItemParts(ids, *ratios[metric]) if metric in ratios else None


def _mean(ids: Sequence[str], values: Sequence[float] | Floats) -> ItemParts:
    return ItemParts(ids, np.asarray(values, dtype=np.float64), np.ones(len(ids)))


def _ids(table: pa.Table) -> list[str]:
    return [str(one) for one in table["id"].to_pylist()]


def _one_answer(predicted: Predicted) -> ItemParts | None:
    """Classification and multiple choice."""
    if predicted.metric != "accuracy":
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    answers, gold = (predicted.table[name].cast(pa.string()) for name in ("prediction", "gold"))
    return _mean(_ids(predicted.table), pc.equal(answers, gold).to_numpy())


# --- retrieval ------------------------------------------------------------------------------------


def _retrieval(predicted: Predicted) -> ItemParts | None:
    rows = predicted.table.to_pylist()
    if predicted.scorer == "bucc":
        return _mined_pairs(rows, predicted.metric, predicted.n)
    ids = [row["id"] for row in rows]
    if (predicted.scorer, predicted.metric) == ("map20", "map_at_20"):
        return _mean(ids, [average_precision(row["prediction"], row["gold"]) for row in rows])
    if (predicted.scorer, predicted.metric) == ("nearest", "accuracy"):
        return _mean(ids, [row["prediction"] in row["gold"] for row in rows])
    return None


def _mined_pairs(rows: Sequence[Mapping[str, Any]], metric: str, n: int) -> ItemParts | None:
    """Queries with the pairs that were mined of them, and then the gold pairs of the others."""
    pairs: dict[str, set[str]] = {row["id"]: set() for row in rows}
    gold = {row["id"]: set(row["gold"]) for row in rows}
    for row in rows:
        if row["kept"]:
            pairs[row["id"]].add(row["prediction"])
    counts = [(len(pairs[q] & gold[q]), len(pairs[q]), len(gold[q])) for q in pairs]
    others = n - sum(map(len, gold.values()))
    ids = [*pairs, *(f"gold pair {number} that was not mined" for number in range(others))]
    return _of_counts(ids, metric, _as_counts([*counts, *[(0, 0, 1)] * others]))


def _as_counts(rows: Sequence[tuple[float, float, float]]) -> Counts:
    return Counts(*np.asarray(rows, dtype=np.float64).reshape(-1, 3).T)


# --- tagging --------------------------------------------------------------------------------------


def _tagging(predicted: Predicted) -> ItemParts | None:
    ids = _ids(predicted.table)
    found, gold = (predicted.table[name].to_pylist() for name in ("prediction", "gold"))
    if predicted.metric == "accuracy":
        right = [sum(map(str.__eq__, *pair)) for pair in zip(found, gold, strict=True)]
        return ItemParts(ids, np.asarray(right, np.float64), np.asarray([*map(len, gold)], float))
    rule = RULES.get(predicted.scorer)
    return _of_counts(ids, predicted.metric, chunk_counts(gold, found, rule)) if rule else None


def chunk_counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], rule: Rule
) -> Counts:
    """Right, predicted and gold chunks of each sentence; ``rule`` reads the chunks."""
    starts = np.array([0, *accumulate(len(sentence) + 1 for sentence in gold)])
    expected, found = set(rule(gold)), set(rule(predicted))

    def by_sentence(chunks: set[Any]) -> Floats:
        places = np.fromiter((chunk.start for chunk in chunks), np.intp, len(chunks))
        sentences = np.searchsorted(starts, places, side="right") - 1
        return np.bincount(sentences, minlength=len(gold)).astype(np.float64)

    return Counts(by_sentence(expected & found), by_sentence(found), by_sentence(expected))


# --- question answering ---------------------------------------------------------------------------


def _span_qa(predicted: Predicted) -> ItemParts | None:
    metric, _, rebuilt = predicted.metric.partition(f"_{REBUILT}")
    weights = {"exact_match": (1.0, 0.0), "f1": (0.0, 1.0), "em_f1": (0.5, 0.5)}.get(metric)
    if weights is None or rebuilt:
        return None
    column = REBUILT if predicted.metric.endswith(REBUILT) else "prediction"
    answers, golds = (predicted.table[name].to_pylist() for name in (column, "gold"))
    scores = np.array(
        [
            _answer_score(predicted.scorer, predicted.language, answer, tuple(gold))
            for answer, gold in zip(answers, golds, strict=True)
        ]
    ).reshape(-1, 2)
    return _mean(_ids(predicted.table), scores @ np.array(weights) / 100)


@lru_cache(maxsize=200_000)
def _answer_score(scorer: str, language: str, answer: str, gold: tuple[str, ...]) -> AnswerScore:
    """The score of one answer; many trainings give the same."""
    golds, answers = {"": gold}, {"": answer}
    if scorer == "squad2":
        report = squad_v2(golds, answers)
        return AnswerScore(report["exact"], report["f1"])
    return mlqa(golds, answers, language) if scorer == "mlqa" else squad(golds, answers)


def _document_qa(predicted: Predicted) -> ItemParts | None:
    task, _, measure = predicted.metric.partition("_")
    score_of = {"passage": score_passage, "minimal": score_minimal_answer}.get(task)
    if score_of is None:
        return None
    rows = predicted.table.to_pylist()
    scores = [score_of([*map(_annotation, row["gold"])], _prediction(row)) for row in rows]
    threshold = best_f1(scores).threshold
    counts = [
        (score.credit * kept, score.answered * kept, score.has_answer)
        for score in scores
        for kept in [score.confidence >= threshold]
    ]
    return _of_counts([row["id"] for row in rows], measure, _as_counts(counts))


def _annotation(given: Mapping[str, Any]) -> Annotation:
    return Annotation(given["passage"], given["start"], given["end"], given["yes_no"])


def _prediction(row: Mapping[str, Any]) -> Prediction:
    place = row["passage"], row["start"], row["end"], row["yes_no"]
    return Prediction(*place, row["score"], row["score"])


_PARTS: dict[str, Callable[[Predicted], ItemParts | None]] = {
    "classification": _one_answer,
    "multiple_choice": _one_answer,
    "retrieval": _retrieval,
    "tagging": _tagging,
    "span_qa": _span_qa,
    "document_qa": _document_qa,
}
