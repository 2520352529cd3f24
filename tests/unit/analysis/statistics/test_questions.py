"""Questions of a grid: known effects are found, and what cannot be answered says why."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from support.score_tables import CODES, ENCODER, LANGUAGES, noisy, table
from xstilts.analysis.statistics.questions import Analysis
from xstilts.errors import LineageError, StudyError

ASKED = {"encoder": ENCODER, "condition": "mnli", "targets": ["xnli"]}
TWO = ["xnli", "xquad"]


def analysis(frame):
    return Analysis(frame, LANGUAGES, pretraining={ENCODER: "xlmr"})


def exactly(effect):
    """Scores of 50 and an effect of the language, without any noise."""
    return lambda condition, seed, target, code: 50 + effect(code) * (condition != "none")


class TestKnownEffects:
    def test_the_mean_is_over_languages_then_over_targets(self):
        """Targets count alike, whatever their numbers of languages."""
        one = table(exactly(lambda code: 1.0), targets=["xnli"])
        other = table(exactly(lambda code: 4.0), targets=["xquad"], codes=CODES[:4])
        found = analysis(pd.concat([one, other])).mean(**ASKED | {"targets": TWO})
        assert found.estimate == pytest.approx(2.5)
        assert (found.targets, found.languages, found.families) == (2, 12, 6)

    def test_low_minus_rest(self):
        """Six languages of Joshi class 1 gain a point less than the six of class 4."""
        frame = table(exactly(lambda code: 2.0 - (CODES.index(code) < 6)))
        assert analysis(frame).low_minus_rest(**ASKED).estimate == pytest.approx(-1.0)

    def test_unseen_depends_on_the_encoder(self):
        """Three languages are unseen by the family xlmr; of an unnamed family nothing is known."""
        frame = table(exactly(lambda code: float(CODES.index(code) < 3)))
        asked = ASKED | {"definition": "unseen"}
        assert analysis(frame).low_minus_rest(**asked).estimate == pytest.approx(1.0)
        unknown = Analysis(frame, LANGUAGES).low_minus_rest(**asked)
        assert unknown.reason == "no language has a score"

    def test_slope_for_ten_times_as_much_text(self):
        """The gain rises by half a point for every factor of ten."""
        effect = lambda code: 0.5 * math.log10(LANGUAGES[code].cc100_gib + 0.01)  # noqa: E731
        frame = table(exactly(lambda c: effect(c) if LANGUAGES[c].seen_by("xlmr") else -1.0))
        assert analysis(frame).slope(**ASKED).estimate == pytest.approx(0.5)

    def test_a_large_gain_is_found(self):
        """Five points are many standard errors."""
        found = analysis(table(noisy(gain=5.0, run_sd=0.3))).mean(**ASKED)
        assert found.verdict() == "gain"
        assert found.like_these.p < 0.01

    def test_nothing_with_little_noise_is_negligible(self):
        """The 90 % interval lies within a point."""
        found = analysis(table(noisy(run_sd=0.1, language_sd=0.1, cell_sd=0.1))).mean(**ASKED)
        assert found.verdict() == "negligible"

    def test_the_best_condition_of_two(self):
        """It is chosen on other seeds and families; the better one is better everywhere."""

        def score(condition, seed, target, code):
            return 50 + {"none": 0, "good": 3, "bad": -3}[condition] + seed / 10

        frame = table(score, conditions=["none", "good", "bad"])
        found = analysis(frame).best_condition(encoder=ENCODER, targets="xnli")
        assert found.estimate == pytest.approx(3.0)
        assert found.verdict() == "gain"


class TestWhatCannotBeAnswered:
    def test_one_seed_has_no_interval_but_a_sensitivity(self):
        """The luck of one training cannot be told from an effect."""
        found = analysis(table(noisy(gain=9.0), seeds=[1])).mean(**ASKED)
        assert found.like_these is found.these is None
        assert "one training" in found.reason
        assert found.verdict() == "inconclusive"
        widths = [line.interval.high - line.interval.low for line in found.sensitivity]
        assert widths == sorted(widths)
        assert [line.run_sd for line in found.sensitivity] == [0.5, 1.0, 1.55]

    def test_two_families_on_one_side(self):
        """Languages like these cannot be spoken about; these languages can."""
        codes = [*CODES[:2], *CODES[6:]]
        found = analysis(table(noisy(), codes=codes)).low_minus_rest(**ASKED)
        assert found.like_these is None
        assert found.these is not None
        assert "2 and 6 families" in found.reason

    def test_equal_gains_everywhere_show_no_error(self):
        """Zero variance would give an interval of width zero."""
        found = analysis(table(exactly(lambda code: 1.0))).mean(**ASKED)
        assert found.estimate == pytest.approx(1.0)
        assert found.like_these is None
        assert "gain the same" in found.reason

    def test_ties_between_languages_keep_the_variance_of_trainings(self):
        """All languages gain alike in each training, but trainings differ."""
        frame = table(lambda condition, seed, target, code: 50 + seed * (condition != "none"))
        found = analysis(frame).mean(**ASKED)
        assert found.like_these.standard_error == pytest.approx(1 / math.sqrt(3))

    def test_a_missing_language_is_left_out_and_named(self):
        frame = table(noisy())
        gone = (frame["condition"] == "mnli") & (frame["language"] == "l03")
        found = analysis(frame[~gone]).mean(**ASKED)
        assert found.languages == 11
        assert found.notes == ("no score of mnli: xnli l03",)

    def test_an_incomplete_seed_is_left_out_and_named(self):
        frame = table(noisy())
        gone = (frame["condition"] == "mnli") & (frame["seed"] == 2) & (frame["language"] == "l03")
        found = analysis(frame[~gone]).mean(**ASKED)
        assert (found.seeds, found.baseline_seeds, found.languages) == (2, 3, 12)
        assert found.notes == ("incomplete seeds of mnli: 2",)

    def test_no_score_at_all(self):
        frame = table(noisy())
        found = analysis(frame[frame["condition"] == "none"]).mean(**ASKED)
        assert math.isnan(found.estimate)
        assert found.reason == "no language has a score"

    def test_other_test_items_are_an_error(self):
        frame = table(noisy())
        frame.loc[5, "n"] = 999
        with pytest.raises(LineageError, match="same test items"):
            analysis(frame)

    def test_an_unknown_target_is_named(self):
        with pytest.raises(StudyError, match="did you mean 'xnli'"):
            analysis(table(noisy())).mean(**ASKED | {"targets": "xnil"})


class TestNumbersOfTrainings:
    def test_conditions_may_have_different_seeds(self):
        """Nine trainings of the baseline, three of the condition."""
        frame = table(noisy(), seeds=range(1, 10))
        few = frame[(frame["condition"] == "none") | (frame["seed"] > 6)]
        found = analysis(few).mean(**ASKED)
        assert (found.seeds, found.baseline_seeds) == (3, 9)
        assert found.verdict() in ("gain", "loss", "negligible", "inconclusive")

    def test_one_checkpoint_for_all_seeds_is_one_training(self):
        """Its scores have one spec, so that it adds no variance and counts once."""
        frame = table(noisy())
        none = frame["condition"] == "none"
        frame.loc[none, "score"] = 60.0
        frame.loc[none, "spec"] = "same"
        found = analysis(frame).mean(**ASKED)
        assert (found.seeds, found.baseline_seeds) == (3, 1)
        assert found.like_these is not None
        assert math.isnan(found.spread.baseline)

    def test_equal_scores_of_several_checkpoints_are_several_trainings(self):
        frame = table(noisy())
        frame.loc[frame["condition"] == "none", "score"] = 60.0
        assert analysis(frame).mean(**ASKED).baseline_seeds == 3


def answers(frame):
    """Every question of a table with one condition, as numbers."""
    asked = ASKED | {"targets": TWO}
    found = analysis(frame)
    contrasts = [
        found.mean(**asked),
        found.mean(**asked, group="low-resource"),
        found.low_minus_rest(**asked),
        found.low_minus_rest(**asked, definition="unseen"),
        found.slope(**asked),
        found.best_condition(encoder=ENCODER, targets=TWO),
    ]
    return [
        value
        for c in contrasts
        for value in (c.estimate, c.like_these.standard_error, c.like_these.df)
    ]


class TestOrder:
    FRAME = table(noisy(), targets=TWO)

    @pytest.mark.parametrize("seed", range(3))
    def test_of_rows_changes_nothing(self, seed):
        shuffled = self.FRAME.sample(frac=1, random_state=seed)
        assert answers(shuffled) == pytest.approx(answers(self.FRAME), abs=1e-9)

    def test_of_seeds_changes_nothing(self):
        renamed = self.FRAME.assign(seed=self.FRAME["seed"].map({1: 3, 2: 1, 3: 2}))
        assert answers(renamed) == pytest.approx(answers(self.FRAME), abs=1e-9)

    def test_of_targets_changes_nothing(self):
        renamed = self.FRAME.assign(
            target=self.FRAME["target"].map({"xnli": "xquad", "xquad": "xnli"})
        )
        assert answers(renamed) == pytest.approx(answers(self.FRAME), abs=1e-9)


class TestFloor:
    def test_classes(self):
        """Chance is 50 % of 1,000 items: 52 % is not above it, 56 % is."""
        scores = {"l00": (56, 56), "l01": (51, 56), "l02": (51, 51)}

        def score(condition, seed, target, code):
            return scores.get(code, (80, 80))[condition == "mnli"]

        floor = Analysis(table(score), LANGUAGES, chance={"xnli": 50.0}).floor(
            encoder=ENCODER, targets="xnli"
        )
        assert [floor["xnli", code] for code in CODES[:4]] == [
            "fine",
            "at the floor",
            "uninformative",
            "fine",
        ]


class TestScales:
    def test_logit_undoes_the_floor(self):
        """The same latent gain is small in points near chance, and the same on the logit scale."""
        latent = {"low": -3.0, "high": 0.5}

        def score(condition, seed, target, code):
            level = latent["low" if LANGUAGES[code].low_resource else "high"]
            level += (condition != "none") * 1.0 + 0.001 * seed
            return 50 + 50 / (1 + math.exp(-level))

        asked = Analysis(table(score, items=10**6), LANGUAGES, chance={"xnli": 50.0})
        assert asked.low_minus_rest(**ASKED).estimate < -5
        assert asked.low_minus_rest(**ASKED, scale="logit").estimate == pytest.approx(0, abs=1e-6)

    def test_logit_needs_the_score_of_guessing(self):
        found = analysis(table(noisy())).mean(**ASKED, scale="logit")
        assert found.reason == "the score of guessing is not known of xnli"

    def test_standardised_gains_do_not_depend_on_the_unit_of_the_metric(self):
        frame = table(noisy(gain=2.0))
        tenfold = frame.assign(score=frame["score"] * 10)
        found, other = (analysis(f).mean(**ASKED, scale="standardised") for f in (frame, tenfold))
        assert found.estimate == pytest.approx(other.estimate)


class TestOnlyAboveTheFloor:
    def test_languages_that_only_guess_are_left_out(self):
        """Six languages at chance gain nothing, the other six gain 4 points."""

        def score(condition, seed, target, code):
            low = LANGUAGES[code].low_resource
            return 50 + 0.1 * seed if low else 70 + 4 * (condition != "none") + 0.1 * seed

        asked = Analysis(table(score), LANGUAGES, chance={"xnli": 50.0})
        assert asked.mean(**ASKED).estimate == pytest.approx(2.0)
        found = asked.mean(**ASKED, only_above_floor=True)
        assert found.estimate == pytest.approx(4.0)
        assert found.languages == 6

    def test_the_baseline_that_a_unit_counts_against_does_not_choose_it(self):
        """One lucky seed of the baseline lifts a language over the floor, for the others only."""

        def score(condition, seed, target, code):
            if code == "l00":
                return 50.0 if (condition, seed) != ("none", 1) else 68.0
            return 70.0

        asked = Analysis(table(score), LANGUAGES, chance={"xnli": 50.0})
        found = asked.mean(**ASKED, only_above_floor=True)
        # against seeds 2 and 3 the language counts with a gain of zero, against seed 1 it does not
        assert found.estimate == pytest.approx(0.0)
        assert asked.mean(**ASKED).estimate == pytest.approx(-0.5)


WRITTEN = {
    code: replace(language, script="Latn" if number % 3 else "Arab")
    for number, (code, language) in enumerate(LANGUAGES.items())
}


def in_script(score, languages=WRITTEN):
    return Analysis(table(score), languages, pretraining={ENCODER: "xlmr"})


class TestSlopeWithCovariates:
    """What differs between languages beside their amount of text can be held equal."""

    def test_it_is_that_of_least_squares_with_these_columns(self):
        written = in_script(noisy(gain=1.0))
        found = written.slope(**ASKED, covariates=("seen", "script"))
        pair = written.scores.pair(ENCODER, "mnli", "none", written.units("xnli", CODES))
        gains = pair.condition.scores.mean(axis=1) - pair.baseline.scores.mean(axis=1)
        columns = [
            [1.0, language.seen["xlmr"], language.script == "Latn", language.resource_level]
            for language in WRITTEN.values()
        ]
        wanted, *_ = np.linalg.lstsq(np.array(columns, dtype=float), gains, rcond=None)
        assert found.estimate == pytest.approx(wanted[-1])
        assert found.like_these is not None

    def test_a_gain_of_the_languages_that_the_encoder_has_seen_is_no_slope(self):
        """Seen languages have more text, so that there is a slope without the covariate."""

        def score(condition, seed, target, code):
            seen = WRITTEN[code].seen["xlmr"]
            return 60.0 + seed + (4.0 if condition == "mnli" and seen else 0.0)

        written = in_script(score)
        assert written.slope(**ASKED).estimate > 0.5
        found = written.slope(**ASKED, covariates=("seen",))
        assert found.estimate == pytest.approx(0, abs=1e-9)

    def test_a_language_of_unknown_script_is_left_out(self):
        unknown = WRITTEN | {"l03": replace(WRITTEN["l03"], script=None)}
        written = in_script(noisy(gain=1.0), unknown)
        found = written.slope(**ASKED, covariates=("script",))
        assert (found.languages, written.slope(**ASKED).languages) == (11, 12)
        assert "l03" in found.notes[0]
