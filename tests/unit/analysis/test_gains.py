"""Gains are paired differences; their means count every language once."""

import math

import numpy as np
import pandas as pd
import pytest

from xstilts.analysis.gains import Gains, Place, interval, standard_error
from xstilts.analysis.language_groups import GROUPS, group_of
from xstilts.config.languages import Language
from xstilts.errors import LineageError


def language(code, joshi):
    return Language(code, code.upper(), None, None, joshi, None)


LANGUAGES = {
    c: language(c, j)
    for c, j in {"en": 5, "de": 5, "ru": 4, "sw": 2, "yo": 2, "qu": 1, "xx": None}.items()
}


def scores(rows):
    """A table from (condition, seed, language, score)."""
    frame = pd.DataFrame(rows, columns=["condition", "seed", "language", "score"])
    return frame.assign(encoder="tiny", target="xquad", n=50, warnings="", spec="")


TABLE = scores(
    [
        ("none", 1, "en", 80.0),
        ("none", 1, "de", 70.0),
        ("none", 1, "sw", 50.0),
        ("none", 2, "en", 82.0),
        ("none", 2, "de", 68.0),
        ("none", 2, "sw", 54.0),
        ("mnli", 1, "en", 81.0),
        ("mnli", 1, "de", 73.0),
        ("mnli", 1, "sw", 49.0),
        ("mnli", 2, "en", 82.0),
        ("mnli", 2, "de", 69.0),
        ("mnli", 2, "sw", 56.0),
    ]
)


PLACE = Place("tiny", "mnli", "xquad")
BASELINE = Place("tiny", "none", "xquad")


def paired(table):
    return Gains(table, LANGUAGES).paired


def by_language(table):
    return Gains(table, LANGUAGES).by_language


class TestPaired:
    def test_exact_numbers(self):
        """The gain is the score minus the baseline of the same language and seed."""
        rows = paired(TABLE)[["seed", "language", "gain", "score", "baseline"]]
        assert list(rows.itertuples(index=False, name=None)) == [
            (1, "en", 1.0, 81.0, 80.0),
            (1, "de", 3.0, 73.0, 70.0),
            (1, "sw", -1.0, 49.0, 50.0),
            (2, "en", 0.0, 82.0, 82.0),
            (2, "de", 1.0, 69.0, 68.0),
            (2, "sw", 2.0, 56.0, 54.0),
        ]

    def test_order_of_rows_does_not_matter_to_the_pairing(self):
        """Rows are paired by what they are, not by where they stand."""
        columns = ["language", "seed"]
        shuffled = paired(TABLE.sample(frac=1, random_state=3)).sort_values(columns)
        ordered = paired(TABLE).sort_values(columns)
        pd.testing.assert_frame_equal(
            shuffled.reset_index(drop=True), ordered.reset_index(drop=True)
        )

    def test_a_copy_of_none_gains_nothing(self):
        """The gain of none, under whatever name, is 0 everywhere."""
        none = TABLE[TABLE["condition"] == "none"]
        copy = pd.concat([none, none.assign(condition="copy")], ignore_index=True)
        assert (paired(copy)["gain"] == 0).all()

    def test_none_alone_has_no_gains(self):
        """A study whose only condition is none has no rows, but the columns."""
        none = TABLE[TABLE["condition"] == "none"]
        assert paired(none).empty
        assert list(paired(none)) == list(paired(TABLE))

    def test_a_seed_that_only_the_condition_has_is_paired_with_the_mean_baseline(self):
        """Conditions may have other seeds than the baseline."""
        more = pd.concat([TABLE, scores([("mnli", 3, "sw", 55.0)])], ignore_index=True)
        pair = paired(more).query("seed == 3").iloc[0]
        assert (pair.baseline, pair.gain) == (52.0, 3.0)

    def test_more_seeds_of_the_baseline_change_no_gain_of_a_pair(self):
        """They have no pair."""
        more = pd.concat([TABLE, scores([("none", 3, "sw", 55.0)])], ignore_index=True)
        pd.testing.assert_frame_equal(paired(more), paired(TABLE))

    def test_a_missing_baseline_is_an_error(self):
        """No gain is made up where the baseline is missing."""
        orphan = TABLE.drop(TABLE.index[2])
        with pytest.raises(LineageError, match=r"mnli, seed 1, xquad, sw: has no baseline"):
            paired(orphan)

    def test_other_test_items_are_an_error(self):
        """A gain between scores over different test items is refused."""
        other = TABLE.assign(n=[50] * 11 + [49])
        with pytest.raises(LineageError, match="scored on 49 test items, its baseline on 50"):
            paired(other)

    def test_a_warning_of_either_score_marks_the_gain(self):
        """A gain is warned when the score or its baseline is."""
        warned = TABLE.assign(warnings=["", "collapsed"] + [""] * 9 + ["majority_class"])
        rows = paired(warned)
        assert set(rows.loc[rows["warned"], ["language", "seed"]].itertuples(index=False)) == {
            ("de", 1),
            ("sw", 2),
        }

    def test_an_undefined_score_gives_an_undefined_gain(self):
        """An empty score is not a zero."""
        rows = paired(TABLE.assign(score=TABLE["score"].where(TABLE.index != 11)))
        assert rows["gain"].isna().tolist() == [False] * 5 + [True]


class TestByLanguage:
    def test_exact_numbers(self):
        """Gains are averaged over seeds; their spread is the standard deviation between seeds."""
        rows = by_language(TABLE).set_index("language")
        assert rows["gain"].to_dict() == {"en": 0.5, "de": 2.0, "sw": 0.5}
        assert rows.loc["de", "spread"] == pytest.approx(math.sqrt(2))
        assert rows.loc["sw", ["score", "baseline", "n", "seeds"]].tolist() == [52.5, 52.0, 50, 2]

    def test_swapping_seeds_keeps_the_means(self):
        """Renaming seed 1 to 2 and 2 to 1 changes no mean."""
        swapped = TABLE.assign(seed=3 - TABLE["seed"])
        pd.testing.assert_frame_equal(by_language(swapped), by_language(TABLE))

    def test_one_seed_has_no_spread(self):
        """With one seed the spread is unknown."""
        assert by_language(TABLE[TABLE["seed"] == 1])["spread"].isna().all()

    def test_an_undefined_seed_is_left_out_and_counted(self):
        """The mean is over the defined gains, and the row says how many they are."""
        rows = by_language(TABLE.assign(score=TABLE["score"].where(TABLE.index != 11)))
        sw = rows.set_index("language").loc["sw"]
        assert (sw.gain, sw.seeds) == (-1.0, 1)


class TestOneLanguage:
    def test_a_gain_has_its_seeds(self):
        """The gain, its spread between seeds, both scores, the test items and every seed."""
        gain = Gains(TABLE, LANGUAGES).gain(PLACE, "de")
        assert (gain.gain, gain.score, gain.baseline, gain.items) == (2.0, 71.0, 69.0, 50)
        assert gain.spread == pytest.approx(math.sqrt(2))
        assert gain.seeds == ((1, 3.0), (2, 1.0))
        assert not gain.warned

    def test_a_score_has_its_seeds_and_warnings(self):
        """The mean over the seeds that are defined; the spread needs two of them."""
        table = TABLE.assign(warnings=[""] * 7 + ["odd"] + [""] * 4)
        score = Gains(table, LANGUAGES).score(PLACE, "de")
        assert (score.mean, score.items, score.seeds) == (71.0, 50, ((1, 73.0), (2, 69.0)))
        assert score.spread == pytest.approx(math.sqrt(8))
        assert score.warnings == ("odd",)
        undefined = table.assign(score=table["score"].where(table.index != 7))
        score = Gains(undefined, LANGUAGES).score(PLACE, "de")
        assert score.mean == 69.0
        assert math.isnan(score.spread)

    def test_another_metric_is_read_from_its_column(self):
        """A metric that no score of a target has is none of its metrics."""
        table = TABLE.assign(metric_f1=TABLE["score"] / 2, metric_recall=math.nan)
        gains = Gains(table, LANGUAGES)
        assert gains.metrics("xquad") == ["f1"]
        assert gains.score(PLACE, "de", "f1").mean == 35.5


class TestGroups:
    @pytest.mark.parametrize(
        ("code", "group"),
        [
            ("en", None),
            ("de", "other"),
            ("sw", "low-resource"),
            ("xx", "unknown class"),
            ("not in the table", "unknown class"),
        ],
    )
    def test_group_of(self, code, group):
        """Joshi 0-2 is low-resource, 3-5 other; no class is unknown; English is in no group."""
        assert group_of(code, LANGUAGES) == group


class TestMeans:
    def table(self, gain_of):
        """One seed; every baseline is 50."""
        none = [("none", 1, code, 50.0) for code in LANGUAGES]
        return scores(none + [("mnli", 1, code, 50.0 + gain_of[code]) for code in LANGUAGES])

    GAINS: dict[str, float] = {  # noqa: RUF012
        "en": 100.0 - 50,
        "de": 1.0,
        "ru": 2.0,
        "sw": 3.0,
        "yo": 4.0,
        "qu": 8.0,
        "xx": -6.0,
    }

    def groups(self, table=None):
        """The mean gains by group."""
        table = self.table(self.GAINS) if table is None else table
        means = Gains(table, LANGUAGES).by_group
        assert {place for place, _ in means} == {PLACE}
        return {group: mean for (_, group), mean in means.items()}

    def test_exact_means(self):
        """A group's gain is the mean over its languages; English counts only in ``all``."""
        means = self.groups()
        assert tuple(means) == GROUPS
        assert [mean.gain.languages for mean in means.values()] == [7, 6, 3, 2, 1]
        gains = [mean.gain.mean for mean in means.values()]
        assert gains == pytest.approx([62 / 7, 2.0, 5.0, 1.5, -6.0])
        assert [mean.baseline for mean in means.values()] == [50.0] * 5
        assert means["low-resource"].score == 55.0

    def test_groups_make_up_the_zero_shot_languages(self):
        """Low-resource, other and unknown together are all zero-shot languages."""
        means = self.groups()
        parts = [means[group].gain for group in ("low-resource", "other", "unknown class")]
        languages = sum(part.languages for part in parts)
        assert languages == means["non-English"].gain.languages
        total = sum(part.mean * part.languages for part in parts) / languages
        assert total == pytest.approx(means["non-English"].gain.mean)

    def test_no_interval_below_three_languages(self):
        """With fewer than 3 languages there is no interval."""
        intervals = [mean.gain.interval for mean in self.groups().values()]
        assert [interval is None for interval in intervals] == [False, False, False, True, True]

    def test_the_interval_holds_the_mean(self):
        """An interval lies around its mean."""
        low = self.groups()["low-resource"].gain
        assert low.interval.low < low.mean < low.interval.high

    def test_an_undefined_gain_is_not_counted(self):
        """A language without a defined gain is in no mean and in no count."""
        means = self.groups(self.table(self.GAINS | {"qu": math.nan}))
        gain = means["low-resource"].gain
        assert (gain.languages, gain.mean) == (2, 3.5)

    def test_a_mean_over_no_language_is_undefined(self):
        """It is NaN without an interval, not zero."""
        mean = Gains(TABLE, LANGUAGES).mean_gain(PLACE, []).gain
        assert math.isnan(mean.mean)
        assert (mean.languages, mean.interval) == (0, None)

    def test_warned_languages_are_counted(self):
        """A mean says how many of its languages have a score with a warning."""
        table = self.table(self.GAINS)
        table.loc[table["language"] == "sw", "warnings"] = "majority_class"
        assert [mean.warned for mean in self.groups(table).values()] == [1, 1, 1, 0, 0]

    def test_no_gains_no_means(self):
        """A study with the baseline alone has no mean gain."""
        assert Gains(TABLE[TABLE["condition"] == "none"], LANGUAGES).by_group == {}

    def test_mean_scores_need_no_gain(self):
        """The baseline has mean scores too; undefined scores are left out and counted."""
        table = TABLE.assign(score=TABLE["score"].where(~TABLE.index.isin([2, 5])))
        mean = Gains(table, LANGUAGES).mean_score(BASELINE, ["en", "de", "sw"])
        assert (mean.mean, mean.languages, mean.of_languages) == (75.0, 2, 3)
        assert not mean.warned

    def test_a_warning_marks_the_mean_score(self):
        """One warned score of any seed is enough."""
        table = TABLE.assign(warnings=["odd"] + [""] * 11)
        gains = Gains(table, LANGUAGES)
        assert gains.mean_score(BASELINE, ["en", "de"]).warned
        assert not gains.mean_score(BASELINE, ["de"]).warned


class TestInterval:
    @pytest.mark.parametrize("values", [[1.5] * 4, [0.0] * 3, [60.1 - 58.6, 70.3 - 68.8, 1.5]])
    def test_equal_values_have_none(self, values):
        """The spread is unknown then; rounding errors do not count as a spread."""
        assert interval(values) is None

    def test_it_is_students(self):
        """Mean ± 4.303 standard errors for 3 values (t with 2 degrees of freedom, 97.5 %)."""
        reach = 4.302653 * 1.0 / 3**0.5
        assert interval([4.0, 5.0, 6.0]) == pytest.approx((5.0 - reach, 5.0 + reach))

    @pytest.mark.parametrize("languages", [3, 6, 40])
    def test_it_covers_the_true_mean_95_times_in_100(self, languages):
        """About, with few languages and with many."""
        rng = np.random.default_rng(7)
        draws = rng.normal(1.0, 3.0, (1_000, languages))
        inside = [low <= 1.0 <= high for low, high in map(interval, draws)]
        assert 0.93 <= np.mean(inside) <= 0.97

    def test_near_the_normal_interval(self):
        """For many symmetric values it is mean ± 1.96 standard errors, within a tenth of them."""
        values = np.random.default_rng(1).normal(0.0, 5.0, 400)
        error = values.std(ddof=1) / 20
        expected = (values.mean() - 1.96 * error, values.mean() + 1.96 * error)
        assert interval(values) == pytest.approx(expected, abs=error / 10)


class TestStandardError:
    @pytest.mark.parametrize(("score", "n", "error"), [(50, 100, 5.0), (80, 400, 2.0), (0, 9, 0)])
    def test_exact_numbers(self, score, n, error):
        """The square root of p (100 - p) / n."""
        assert standard_error(score, n) == pytest.approx(error)

    def test_without_items_it_is_undefined(self):
        """Not zero."""
        assert math.isnan(standard_error(50.0, 0))
