"""The estimator beside independent ones, and what must not change its numbers."""

import math

import hypothesis.extra.numpy as arrays
import mixedlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from support.score_tables import ENCODER, noisy, table
from xstilts.analysis.statistics.contrast import Runs, Uncertainty, contrast
from xstilts.analysis.statistics.design import mean_over_targets, within_targets
from xstilts.analysis.statistics.questions import Analysis
from xstilts.config.languages import Language

FAMILIES = ["f1", "f2", "f3", "f1", "f4", "f2", "f5", "f1"]
TARGETS = ["a", "a", "a", "a", "b", "b", "b", "b"]
LEVEL = [0.0, 1.0, 2.0, 0.5, 1.5, 0.2, 2.2, 0.9]
"""Eight units of two targets."""

points = st.floats(0, 100).map(lambda x: round(x, 2))
scores = arrays.arrays(np.float64, (8, 4), elements=points)
DESIGNS = {
    "mean": lambda order: mean_over_targets(
        [TARGETS[i] for i in order], [FAMILIES[i] for i in order]
    ),
    "slope": lambda order: within_targets(
        [TARGETS[i] for i in order], [FAMILIES[i] for i in order], [LEVEL[i] for i in order]
    ),
}


def numbers(found):
    """All numbers of a contrast."""
    if found.like_these is None:
        return [found.estimate]
    return [
        found.estimate,
        found.like_these.standard_error,
        found.like_these.df,
        found.these.standard_error,
        found.these.df,
    ]


class TestOrder:
    @pytest.mark.parametrize("design", DESIGNS)
    @given(scores, scores, st.permutations(range(8)), st.permutations(range(4)))
    @settings(max_examples=30, deadline=None)
    def test_changes_no_number(self, design, condition, baseline, units, seeds):
        """Of units, so of languages, families and targets; and of seeds."""
        make = DESIGNS[design]
        straight = contrast(make(range(8)), Runs(condition), Runs(baseline))
        moved = contrast(
            make(units),
            Runs(condition[np.ix_(units, seeds)]),
            Runs(baseline[np.ix_(units, list(reversed(seeds)))]),
        )
        assert numbers(moved) == pytest.approx(numbers(straight), rel=1e-9, abs=1e-9)

    @given(scores, scores)
    @settings(max_examples=30, deadline=None)
    def test_of_the_two_conditions_turns_the_sign_only(self, condition, baseline):
        design = DESIGNS["mean"](range(8))
        there = contrast(design, Runs(condition), Runs(baseline))
        back = contrast(design, Runs(baseline), Runs(condition))
        assert numbers(back)[1:] == pytest.approx(numbers(there)[1:], abs=1e-9)
        assert back.estimate == pytest.approx(-there.estimate, abs=1e-9)


class TestShift:
    @given(scores, scores, st.floats(-50, 50))
    @settings(max_examples=30, deadline=None)
    def test_an_effect_moves_the_estimate_and_nothing_else(self, condition, baseline, effect):
        design = DESIGNS["mean"](range(8))
        found = contrast(design, Runs(condition), Runs(baseline))
        shifted = contrast(design, Runs(condition + effect), Runs(baseline))
        assert shifted.estimate == pytest.approx(found.estimate + effect, abs=1e-9)
        if found.like_these:
            assert shifted.like_these.standard_error == pytest.approx(
                found.like_these.standard_error, abs=1e-6
            )


class TestIndependentFits:
    @pytest.mark.parametrize("seed", range(4))
    def test_a_mixed_model_has_the_same_standard_error(self, seed):
        """REML with crossed languages and trainings (mixedlm), each language its own family.

        In a balanced grid both are the same function of mean squares. The mixed model pools the
        trainings of both conditions, so that its degrees of freedom are others.
        """
        codes = [f"l{number:02}" for number in range(12)]
        languages = {c: Language(c, c, None, f"family of {c}", 1, 1.0) for c in codes}
        frame = table(noisy(gain=1.0, seed=seed), seeds=(1, 2, 3, 4), codes=codes)
        found = Analysis(frame, languages).mean(encoder=ENCODER, condition="mnli", targets="xnli")
        frame["treated"] = (frame["condition"] == "mnli") * 1.0
        frame["training"] = frame["condition"] + frame["seed"].astype(str)
        frame["pair"] = frame["condition"] + frame["language"]
        model = mixedlm.lmer(
            "score ~ treated + (1 | training) + (1 | language) + (1 | pair)", data=frame
        )
        assert found.estimate == pytest.approx(model.fixef()["treated"], abs=1e-6)
        error = math.sqrt(np.asarray(model.vcov())[1, 1])
        assert found.like_these.standard_error == pytest.approx(error, rel=1e-3)

    def test_these_languages_is_welchs_test_of_the_trainings_means(self):
        rng = np.random.default_rng(1)
        condition, baseline = rng.normal(60, 1, (8, 5)), rng.normal(60, 3, (8, 3))
        found = contrast(DESIGNS["mean"](range(8)), Runs(condition), Runs(baseline))
        welch = stats.ttest_ind(condition.mean(axis=0), baseline.mean(axis=0), equal_var=False)
        assert found.these.p == pytest.approx(welch.pvalue)
        assert found.these.interval == pytest.approx(tuple(welch.confidence_interval()))

    def test_one_training_of_each_side_leaves_the_t_test_over_languages(self):
        """Checkpoints that all seeds share have no variance of trainings."""
        rng = np.random.default_rng(2)
        condition, baseline = rng.normal(60, 1, (8, 1)), rng.normal(60, 1, (8, 1))
        design = mean_over_targets(["a"] * 8, [f"f{i}" for i in range(8)])
        found = contrast(design, Runs(condition, one=True), Runs(baseline, one=True))
        test = stats.ttest_1samp((condition - baseline)[:, 0], 0.0)
        assert found.like_these.p == pytest.approx(test.pvalue)


class TestUncertainty:
    @given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(1, 50))
    @settings(max_examples=50, deadline=None)
    def test_intervals_and_p_values_agree(self, estimate, error, df):
        """A 95 % interval excludes zero just if p is below 5 %."""
        found = Uncertainty(estimate, error, df)
        assert found.interval.excludes_zero == (found.p < 0.05)
        assert found.p_above(1.0) + found.p_below(1.0) == pytest.approx(1.0)

    def test_the_four_words(self):
        words = [
            Uncertainty(estimate, error, 10).verdict(margin=1.0)
            for estimate, error in ((2.0, 0.5), (-2.0, 0.5), (0.1, 0.2), (0.5, 1.0))
        ]
        assert words == ["gain", "loss", "negligible", "inconclusive"]
