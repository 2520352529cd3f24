"""Averages over languages, tasks and groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics import averages

CODES = averages.LANGUAGES["xtreme-r"]["panx"]


def test_sizes_of_the_benchmarks():
    """The language lists have the sizes of evaluate.py, English included where it is listed."""
    sizes = {name: {t: len(c) for t, c in b.items()} for name, b in averages.LANGUAGES.items()}
    assert sizes == {
        "xtreme": {
            "xnli": 15, "mlqa": 7, "tydiqa": 9, "pawsx": 7, "panx": 40, "udpos": 33,
            "bucc2018": 4, "tatoeba": 36, "xquad": 11,
        },
        "xtreme-r": {
            "xnli": 15, "mlqa": 7, "tydiqa": 9, "panx": 48, "udpos": 38, "tatoeba": 41,
            "xcopa": 11, "mewslix": 11, "xquad": 12,
        },
    }  # fmt: skip
    panx = averages.LANGUAGES["xtreme-r"]["panx"]
    assert panx[:3] == ("ar", "he", "vi")
    assert panx[35:] == tuple("kk tr et fi hu qu pl uk az lt pa gu ro".split())  # noqa: SIM905
    for benchmark in averages.LANGUAGES.values():
        assert all(len(set(codes)) == len(codes) for codes in benchmark.values())
        assert all("en" in benchmark[t] for t in ("xnli", "panx", "udpos", "xquad", "tydiqa"))


def test_language_mean_includes_english():
    """The official mean takes all languages; ours beside it leaves English out."""
    scores = {"en": {"f1": 90.0}, "sw": {"f1": 50.0}, "te": {"f1": 40.0}}
    assert averages.language_mean(scores) == {"f1": 60.0}
    assert averages.without_english(scores) == {"f1": 45.0}


def test_order_decides_the_last_bit():
    """Languages are added in the order given, the others after them by code."""
    values = {"a": {"f1": 0.1}, "b": {"f1": 0.2}, "c": {"f1": 0.3}}
    first = averages.language_mean(values, ["a", "b", "c"])["f1"]
    second = averages.language_mean(values, ["c", "b"])["f1"]
    assert (first, second) == ((0.1 + 0.2 + 0.3) / 3, (0.3 + 0.2 + 0.1) / 3)
    assert first != second


@given(st.dictionaries(st.sampled_from(CODES), st.floats(0, 100), min_size=1))
def test_language_mean_lies_between(values):
    """A mean lies between the lowest and the highest language, but for rounding.

    Each of n additions rounds by at most 2**-53 of the sum: far less than 1e-9 for 48 languages.
    """
    scores = {language: {"f1": value} for language, value in values.items()}
    mean = averages.language_mean(scores)["f1"]
    assert min(values.values()) - 1e-9 <= mean <= max(values.values()) + 1e-9


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        ({"exact_match": 60.0, "f1": 70.0}, 65.0),
        ({"f1": 70.0, "precision": 1.0, "recall": 2.0}, 70.0),
        ({"accuracy": 50.0}, 50.0),
        ({"map@20": 10.0}, 10.0),
    ],
)
def test_task_score(average, expected):
    """Question answering is the mean of exact match and F1, other tasks their main metric."""
    assert averages.task_score(average) == expected


def test_overall_is_a_mean_of_tasks():
    """The overall score weighs tasks, not groups, and needs all of them."""
    tasks = dict.fromkeys(averages.XTREME_TASKS, 0.0) | {"xquad": 90.0}
    assert averages.xtreme_mean(tasks) == 10.0
    assert averages.group_scores(tasks, "xtreme") == {
        "classification": 0.0, "tagging": 0.0, "qa": 30.0, "retrieval": 0.0,
    }  # fmt: skip
    del tasks["panx"], tasks["mlqa"]
    assert set(averages.group_scores(tasks, "xtreme")) == {"classification", "retrieval"}
    with pytest.raises(ValueError, match=r"^XTREME has no overall score without panx, mlqa$"):
        averages.xtreme_mean(tasks)


def test_xtreme_r_counts_lareqa():
    """Our XTREME-R mean is over 10 tasks; xcopa is in two official groups, lareqa in none."""
    tasks = dict.fromkeys(averages.XTREME_R_TASKS, 50.0) | {"lareqa": 0.0}
    assert len(averages.XTREME_R_TASKS) == 10
    assert averages.xtreme_r_mean(tasks) == 45.0
    assert averages.group_scores(tasks, "xtreme-r") == dict.fromkeys(
        ["classification", "tagging", "qa", "retrieval", "multi_choice"], 50.0
    )
    del tasks["lareqa"]
    with pytest.raises(ValueError, match=r"^XTREME-R has no overall score without lareqa$"):
        averages.xtreme_r_mean(tasks)


def test_errors():
    """Unequal metrics, no languages, unknown benchmarks and metrics are refused by name."""
    with pytest.raises(ValueError, match=r"^sw has the metrics \['em'\], but en has \['f1'\]$"):
        averages.language_mean({"en": {"f1": 1.0}, "sw": {"em": 1.0}})
    with pytest.raises(ValueError, match=r"^no languages to average; give at least one$"):
        averages.without_english({"en": {"f1": 1.0}})
    with pytest.raises(ValueError, match=r"^unknown benchmark 'xtrem'; did you mean 'xtreme'"):
        averages.group_scores({}, "xtrem")
    with pytest.raises(ValueError, match=r"^no task score in \['bleu'\]; need f1, accuracy"):
        averages.task_score({"bleu": 1.0})
