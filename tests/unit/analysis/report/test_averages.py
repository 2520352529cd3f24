"""Averages over targets count every target once."""

import math

import pandas as pd
import pytest

from support.synthetic import LANGUAGES
from xstilts.analysis.report.averages import averages
from xstilts.analysis.report.results import Results
from xstilts.analysis.statistics.questions import Analysis
from xstilts.config.languages import read_languages
from xstilts.metrics.averages import LANGUAGES as OFFICIAL
from xstilts.metrics.averages import XTREME_TASKS


def row_of(scores, tmp_path, types=None):
    """The averages of ``none`` from scores by target and language."""
    rows = [
        ("none", 1, target, code, score)
        for target, by_code in scores.items()
        for code, score in by_code.items()
    ]
    frame = pd.DataFrame(rows, columns=["condition", "seed", "target", "language", "score"])
    kinds = types or {}
    table = frame.assign(
        encoder="tiny",
        task_type=[kinds.get(target, "classification") for target in frame["target"]],
        metric="accuracy",
        n=50,
        warnings="",
        spec="",
    )
    path = tmp_path / "languages.tsv"
    path.write_text(LANGUAGES, encoding="utf-8")
    analysis = Analysis(table, read_languages(path))
    return averages(Results(analysis, "tiny", (), tuple(scores))).frame.iloc[0]


def test_with_and_without_english_and_retrieval(tmp_path):
    """A mean over targets of means over languages."""
    scores = {"a": {"en": 90.0, "sw": 70.0}, "b": {"sw": 40.0}}
    row = row_of(scores, tmp_path, {"b": "retrieval"})
    assert row["all"] == pytest.approx((80 + 40) / 2)
    assert row["all_zero_shot"] == pytest.approx((70 + 40) / 2)
    assert (row["without_retrieval"], row["without_retrieval_zero_shot"]) == (80.0, 70.0)


def test_an_official_average_needs_all_tasks_and_languages(tmp_path):
    """Over the official languages only."""
    scores = {t: dict.fromkeys(OFFICIAL["xtreme"][t], 60.0) for t in XTREME_TASKS}
    scores["xnli"]["yo"] = 0.0  # not one of XTREME's
    row = row_of(scores, tmp_path)
    assert row["xtreme"] == pytest.approx(60.0)
    assert math.isnan(row["xtreme-r"])
    del scores["xnli"]["sw"]
    assert math.isnan(row_of(scores, tmp_path)["xtreme"])
