"""Extractive question answering: SQuAD v1.1, MLQA and SQuAD v2.

* SQuAD v1.1 (Rajpurkar et al. 2016; ``evaluate-v1.1.py``): XQuAD, TyDi QA GoldP, AfriQA, SQuAD.
* MLQA (Lewis et al. 2020; ``mlqa_evaluation_v1.py``): Unicode punctuation, articles of each
  language, Chinese by character.
* SQuAD v2 (Rajpurkar et al. 2018; ``evaluate-v2.0.py``, as in transformers' ``squad_metrics``).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from xstilts.errors import unknown
from xstilts.metrics.summation import sequential_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    Normalize = Callable[[str], str]


class AnswerScore(NamedTuple):
    """Exact match and token F1, in percent."""

    exact_match: float
    f1: float


# --- normalisation -------------------------------------------------------------------------------

_NO_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
_HAN = re.compile("[\u4e00-\u9fa5]")

MLQA_ARTICLES: dict[str, re.Pattern[str] | None] = {
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "hi": None,
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    # MLQA meant the leading article, but this pattern deletes the two letters everywhere
    "ar": re.compile(r"\sال^|ال"),
    "zh": None,
}
"""MLQA's articles by language; None: MLQA removes none. MLQA has no rule for other languages."""


def normalize_squad(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces, in every language.

    >>> normalize_squad("The  Cat, sat!")
    'cat sat'
    """
    bare = text.lower().translate(_NO_ASCII_PUNCTUATION)
    return " ".join(_ENGLISH_ARTICLES.sub(" ", bare).split())


def normalize_mlqa(text: str, language: str) -> str:
    """MLQA's normal form; ``language`` is the language of the context and the answer.

    >>> normalize_mlqa("«El» 电化", "es"), normalize_mlqa("电化abc", "zh")
    ('电化', '电 化 abc')
    """
    if language not in MLQA_ARTICLES:
        raise ValueError(unknown("MLQA language", language, MLQA_ARTICLES))
    bare = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
    articles = MLQA_ARTICLES[language]
    if articles:
        bare = articles.sub(" ", bare)
    if language == "zh":
        bare = _HAN.sub(r" \g<0> ", bare)
    return " ".join(bare.split())


@cache
def _is_punctuation(letter: str) -> bool:
    """Unicode category P, or ASCII punctuation (which has symbols such as $ + <)."""
    return unicodedata.category(letter).startswith("P") or letter in string.punctuation


# --- one prediction ------------------------------------------------------------------------------


def exact_match(
    prediction: str, golds: Collection[str], normalize: Normalize = normalize_squad
) -> float:
    """1.0 if the prediction equals any gold answer in normal form, else 0.0."""
    answer = normalize(prediction)
    return float(any(answer == normalize(gold) for gold in _checked_golds(golds)))


def token_f1(
    prediction: str, golds: Collection[str], normalize: Normalize = normalize_squad
) -> float:
    """The best F1 over the gold answers of bags of tokens, 0.0 to 1.0.

    Without a common token it is 0, also when both sides are empty (where the exact match is 1).

    >>> token_f1("the big cat", ["cat"])
    0.6666666666666666
    """
    answer = normalize(prediction).split()
    return max(_overlap(answer, normalize(gold).split()) for gold in _checked_golds(golds))


def _overlap(predicted: Sequence[str], gold: Sequence[str]) -> float:
    common = (Counter(predicted) & Counter(gold)).total()
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _checked_golds(golds: Collection[str]) -> Collection[str]:
    if isinstance(golds, str):
        raise TypeError(f"gold answers must be a collection of texts, got the text {golds!r}")
    if not golds:
        raise ValueError("no gold answer; this metric needs at least one a question")
    return golds


# --- data sets -----------------------------------------------------------------------------------


def squad(golds: Mapping[str, Collection[str]], predictions: Mapping[str, str]) -> AnswerScore:
    """SQuAD v1.1 scores of answers by question id; a question without prediction counts as 0.

    >>> squad({"q1": ["308"], "q2": ["136"]}, {"q1": "308", "q2": "5"})
    AnswerScore(exact_match=50.0, f1=50.0)
    """
    return _dataset(golds, predictions, normalize_squad)


def mlqa(
    golds: Mapping[str, Collection[str]], predictions: Mapping[str, str], language: str
) -> AnswerScore:
    """MLQA scores; ``language`` is that of the contexts and answers, not of the questions."""
    return _dataset(golds, predictions, lambda text: normalize_mlqa(text, language))


def _dataset(
    golds: Mapping[str, Collection[str]], predictions: Mapping[str, str], normalize: Normalize
) -> AnswerScore:
    if not golds:
        raise ValueError("no questions to score; give at least one")
    exact = f1 = 0.0
    for question, answers in golds.items():
        if not answers:
            raise ValueError(f"question {question!r} has no gold answer; give at least one")
        if question in predictions:
            exact += exact_match(predictions[question], answers, normalize)
            f1 += token_f1(predictions[question], answers, normalize)
    return AnswerScore(100.0 * exact / len(golds), 100.0 * f1 / len(golds))


# --- SQuAD v2 ------------------------------------------------------------------------------------


def exact_match_v2(prediction: str, golds: Collection[str]) -> float:
    """As in v1.1, but ``golds`` may be empty: then the empty text is the gold answer.

    >>> exact_match_v2("", []), exact_match_v2("cat", [])
    (1.0, 0.0)
    """
    return exact_match(prediction, _answerable(golds))


def token_f1_v2(prediction: str, golds: Collection[str]) -> float:
    """As in v1.1, but if either side has no tokens, F1 is 1 if both have none, else 0."""
    answer = normalize_squad(prediction).split()
    return max(_overlap_v2(answer, normalize_squad(gold).split()) for gold in _answerable(golds))


def _overlap_v2(predicted: Sequence[str], gold: Sequence[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    return _overlap(predicted, gold)


def _answerable(golds: Collection[str]) -> list[str]:
    """The golds that are not empty in normal form; the empty text if there are none."""
    return [gold for gold in golds if normalize_squad(gold)] or [""]


def squad_v2(
    golds: Mapping[str, Collection[str]],
    predictions: Mapping[str, str],
    no_answer: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """All numbers of the SQuAD v2 script; a question without gold answers is unanswerable.

    ``no_answer`` gives the probability (0 by default) that there is no answer; above
    ``threshold`` the prediction counts as empty. ``best_*`` choose the threshold on the questions
    that they score, so do not report them as test results. Raises `ValueError` for a question
    without prediction: the official script drops such questions, which raises the score.
    """
    missing = [question for question in golds if question not in predictions]
    if missing or not golds:
        raise ValueError(
            f"no prediction for question {missing[0]!r}" if missing else "no questions"
        )
    # the script walks the file of probabilities, or the predictions where there is none
    listed = predictions if no_answer is None else no_answer
    order = [*(question for question in listed if question in golds), *golds]
    p_no_answer = {question: (no_answer or {}).get(question, 0.0) for question in order}
    report: dict[str, float] = {}
    best: dict[str, float] = {}
    for name, metric in (("exact", exact_match_v2), ("f1", token_f1_v2)):
        raw = {question: metric(predictions[question], golds[question]) for question in golds}
        cut = _with_threshold(raw, golds, p_no_answer, threshold)
        report |= _by_answerability(name, cut, golds)
        best[f"best_{name}"], best[f"best_{name}_thresh"] = _best_threshold(
            raw, golds, predictions, p_no_answer
        )
    return report | {"total": float(len(golds))} | best


def _with_threshold(
    scores: Mapping[str, float],
    golds: Mapping[str, Collection[str]],
    p_no_answer: Mapping[str, float],
    threshold: float,
) -> dict[str, float]:
    return {
        question: float(not golds[question]) if p_no_answer[question] > threshold else score
        for question, score in scores.items()
    }


def _by_answerability(
    name: str, scores: Mapping[str, float], golds: Mapping[str, Collection[str]]
) -> dict[str, float]:
    answered = [score for question, score in scores.items() if golds[question]]
    unanswerable = [score for question, score in scores.items() if not golds[question]]
    report = {name: 100.0 * sequential_sum(scores.values()) / len(scores)}
    if answered:
        report[f"HasAns_{name}"] = 100.0 * sequential_sum(answered) / len(answered)
    if unanswerable:
        report[f"NoAns_{name}"] = 100.0 * sequential_sum(unanswerable) / len(unanswerable)
    return report


def _best_threshold(
    scores: Mapping[str, float],
    golds: Mapping[str, Collection[str]],
    predictions: Mapping[str, str],
    p_no_answer: Mapping[str, float],
) -> tuple[float, float]:
    """The best score over thresholds and the first threshold that gives it.

    It starts with all predictions empty and adds the questions' predictions one by one, by rising
    probability of no answer; equal ones stay in the order of ``p_no_answer``. It may stop inside a
    group of equal probabilities, as the script does.
    """
    current = best = float(sum(not answers for answers in golds.values()))
    threshold = 0.0
    for question in sorted(p_no_answer, key=lambda question: p_no_answer[question]):
        if golds[question]:
            current += scores[question]
        elif predictions[question]:
            current -= 1.0
        if current > best:
            best, threshold = current, p_no_answer[question]
    return 100.0 * best / len(golds), threshold
