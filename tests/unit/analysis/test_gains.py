"""Gains by language are differences of means over seeds, which need not be the same seeds."""

import math

import numpy as np
import pandas as pd
import pytest

from xstilts.analysis.gains import gains_by_language, scores_by_language, standard_error

ROWS = [
    ("none", 1, "sw", 50.0),
    ("none", 2, "sw", 54.0),
    ("none", 3, "sw", 52.0),
    ("none", 1, "de", 70.0),
    ("mnli", 1, "sw", 55.0),
    ("mnli", 7, "sw", 57.0),
    ("mnli", 1, "de", 69.0),
]


def table(rows=ROWS, **columns):
    """A table from (condition, seed, language, score)."""
    frame = pd.DataFrame(rows, columns=["condition", "seed", "language", "score"])
    return frame.assign(encoder="tiny", target="xquad", n=50, warnings="", **columns)


def gain_of(language, rows=ROWS):
    found = gains_by_language(table(rows)).set_index("language")
    return found.loc[language]


def test_a_gain_is_a_difference_of_means():
    """Two seeds of the condition, three of the baseline."""
    gain = gain_of("sw")
    assert (gain.gain, gain.score, gain.baseline) == (4.0, 56.0, 52.0)
    assert (gain.seeds, gain.baseline_seeds, gain.n) == (2, 3, 50)
    assert gain.baseline_spread == pytest.approx(2.0)


def test_one_training_has_no_spread():
    """Its standard deviation is undefined, not zero."""
    assert math.isnan(gain_of("de").spread)


def test_a_language_without_a_baseline_has_no_gain():
    """In a half-finished study."""
    found = gains_by_language(table([*ROWS, ("mnli", 1, "yo", 40.0)]))
    assert list(found["language"]) == ["sw", "de"]


def test_an_undefined_score_is_left_out_of_its_mean():
    """The gain is over the seeds that have a score."""
    gain = gain_of("sw", [*ROWS, ("mnli", 8, "sw", np.nan)])
    assert (gain.gain, gain.seeds) == (4.0, 2)


def test_a_language_whose_scores_are_all_undefined_has_an_undefined_gain():
    """Not a gain of zero."""
    assert math.isnan(gain_of("yo", [("none", 1, "yo", 50.0), ("mnli", 1, "yo", np.nan)]).gain)


def test_a_warning_of_the_baseline_marks_the_gain():
    """A gain over a suspect baseline is suspect."""
    rows = table()
    rows.loc[rows["condition"] == "none", "warnings"] = "majority_class"
    assert gains_by_language(rows)["warned"].all()


def test_scores_by_language_have_a_row_for_the_baseline():
    """In the order of the table."""
    means = scores_by_language(table())
    places = list(zip(means["condition"], means["language"], strict=True))
    assert places == [("none", "sw"), ("none", "de"), ("mnli", "sw"), ("mnli", "de")]


def test_the_standard_error_of_a_score():
    """The binomial's, in per cent; undefined without items."""
    assert standard_error(50.0, 100) == 5.0
    assert math.isnan(standard_error(50.0, 0))
