"""Averages over languages, tasks and groups as in XTREME's ``evaluate.py``, and our own.

Official (Hu et al. 2020; Ruder et al. 2021): a task's score is the plain mean over its languages,
English included; question answering takes the mean of exact match and F1; the overall score is the
mean over tasks, not over groups, and is defined only if every task has a score. Languages are added
in the order of ``evaluate.py``, which decides the last bits of the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.errors import unknown
from xstilts.metrics.summation import mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Scores = Mapping[str, Mapping[str, float]]

_PANX = (
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th "
    "sw yo my zh kk tr et fi hu"
)
_UDPOS = (
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi "
    "yo zh"
)
_TATOEBA = (
    "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh "
    "kk tr et fi hu"
)
_SHARED = {
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "mlqa": "en es de ar hi vi zh",
    "tydiqa": "en ar bn fi id ko ru sw te",
}
_XTREME = _SHARED | {
    "pawsx": "de en es fr ja ko zh",
    "panx": _PANX,
    "udpos": _UDPOS,
    "bucc2018": "de fr ru zh",
    "tatoeba": _TATOEBA,
    "xquad": "en es de el ru tr ar vi th zh hi",
}
_XTREME_R = _SHARED | {
    "panx": f"{_PANX} qu pl uk az lt pa gu ro",
    "udpos": f"{_UDPOS} lt pl uk wo ro",
    "tatoeba": f"{_TATOEBA} az lt pl uk ro",
    "xcopa": "et ht id it qu sw ta th tr vi zh",
    "mewslix": "ar de en es fa ja pl ro ta tr uk",
    "xquad": "en es de el ru tr ar vi th zh hi ro",
}

LANGUAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "xtreme": {task: tuple(codes.split()) for task, codes in _XTREME.items()},
    "xtreme-r": {task: tuple(codes.split()) for task, codes in _XTREME_R.items()},
}
"""The languages of each task, in official order. LAReQA has one score for all languages."""

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "xtreme": {
        "classification": ("pawsx", "xnli"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("bucc2018", "tatoeba"),
    },
    # as in evaluate.py: xcopa is in two groups, lareqa in none
    "xtreme-r": {
        "classification": ("xnli", "xcopa"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("tatoeba", "mewslix"),
        "multi_choice": ("xcopa",),
    },
}

XTREME_TASKS = (
    "pawsx", "xnli", "panx", "udpos", "bucc2018", "tatoeba", "xquad", "mlqa", "tydiqa",
)  # fmt: skip
XTREME_R_TASKS = (
    "xnli", "panx", "udpos", "tatoeba", "xcopa", "lareqa", "mewslix", "xquad", "mlqa", "tydiqa",
)  # fmt: skip


def language_mean(scores: Scores, order: Iterable[str] = ()) -> dict[str, float]:
    """The mean of each metric over all languages of ``scores``, English included.

    ``scores`` maps languages to metrics; ``order`` says which languages are added first.

    >>> language_mean({"en": {"f1": 80.0}, "sw": {"f1": 60.0}})
    {'f1': 70.0}
    """
    if not scores:
        raise ValueError("no languages to average; give at least one")
    languages = in_order(scores, order)
    first = languages[0]
    for language in languages:
        if set(scores[language]) != set(scores[first]):
            raise ValueError(
                f"{language} has the metrics {sorted(scores[language])}, "
                f"but {first} has {sorted(scores[first])}"
            )
    return {
        metric: mean([scores[language][metric] for language in languages])
        for metric in scores[first]
    }


def in_order(languages: Collection[str], order: Iterable[str]) -> list[str]:
    """Sort languages: first those of ``order`` in that order, then the others by code.

    >>> in_order({"sw", "am", "en"}, ["en", "de"])
    ['en', 'am', 'sw']
    """
    known = [language for language in order if language in languages]
    return known + sorted(set(languages) - set(known))


def without_english(scores: Scores, order: Iterable[str] = ()) -> dict[str, float]:
    """The mean over all languages except English: TyDi QA's own rule and the zero-shot mean."""
    return language_mean({code: s for code, s in scores.items() if code != "en"}, order)


def task_score(average: Mapping[str, float]) -> float:
    """The single score of a task (``avg_metric``) from its averages over languages.

    Question answering: the mean of exact match and F1. Other tasks: F1, accuracy or MAP@20.

    >>> task_score({"exact_match": 60.0, "f1": 70.0}), task_score({"f1": 70.0, "recall": 1.0})
    (65.0, 70.0)
    """
    if "exact_match" in average and "f1" in average:
        return (average["exact_match"] + average["f1"]) / 2
    for metric in ("f1", "accuracy", "map@20"):
        if metric in average:
            return average[metric]
    raise ValueError(f"no task score in {sorted(average)}; need f1, accuracy or map@20")


def group_scores(tasks: Mapping[str, float], benchmark: str) -> dict[str, float]:
    """The mean of each official group of tasks; a group needs the scores of all its tasks."""
    if benchmark not in GROUPS:
        raise ValueError(unknown("benchmark", benchmark, GROUPS))
    return {
        group: mean([tasks[task] for task in members])
        for group, members in GROUPS[benchmark].items()
        if all(task in tasks for task in members)
    }


def xtreme_mean(tasks: Mapping[str, float]) -> float:
    """XTREME's overall score: the mean over its 9 tasks (not over its groups).

    ``evaluate.py`` adds them in the order of a set, so that its last bit varies between runs;
    here the order is fixed.
    """
    return _mean_of_all(XTREME_TASKS, tasks, "XTREME")


def xtreme_r_mean(tasks: Mapping[str, float]) -> float:
    """Our mean over XTREME-R's 10 tasks, LAReQA included; the official script has none."""
    return _mean_of_all(XTREME_R_TASKS, tasks, "XTREME-R")


def _mean_of_all(names: Collection[str], tasks: Mapping[str, float], benchmark: str) -> float:
    missing = [name for name in names if name not in tasks]
    if missing:
        raise ValueError(f"{benchmark} has no overall score without {', '.join(missing)}")
    return mean([tasks[name] for name in names])
