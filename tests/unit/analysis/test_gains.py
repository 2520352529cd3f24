"""Gains are paired differences; their means count every language once."""

import math

import numpy as np
import pandas as pd
import pytest

from xstilts.analysis.gains import GROUPS, by_language, gains, group_of, interval, summary
from xstilts.config.languages import Language
from xstilts.errors import LineageError


def language(code, joshi):
    return Language(code, code.upper(), None, None, joshi, None, None)


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


class TestGains:
    def test_exact_numbers(self):
        """The gain is the score minus the baseline of the same language and seed."""
        rows = gains(TABLE)[["seed", "language", "gain", "score", "baseline"]]
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
        shuffled = gains(TABLE.sample(frac=1, random_state=3)).sort_values(columns)
        ordered = gains(TABLE).sort_values(columns)
        pd.testing.assert_frame_equal(
            shuffled.reset_index(drop=True), ordered.reset_index(drop=True)
        )

    def test_a_copy_of_none_gains_nothing(self):
        """The gain of none, under whatever name, is 0 everywhere."""
        none = TABLE[TABLE["condition"] == "none"]
        copy = pd.concat([none, none.assign(condition="copy")], ignore_index=True)
        assert (gains(copy)["gain"] == 0).all()

    def test_none_alone_has_no_gains(self):
        """A study whose only condition is none has no rows, but the columns."""
        none = TABLE[TABLE["condition"] == "none"]
        assert gains(none).empty
        assert list(gains(none)) == list(gains(TABLE))

    def test_a_missing_baseline_is_an_error(self):
        """No gain is made up where the baseline is missing."""
        orphan = TABLE.drop(TABLE.index[2])
        with pytest.raises(LineageError, match=r"mnli, seed 1, xquad, sw: has no baseline"):
            gains(orphan)

    def test_other_test_items_are_an_error(self):
        """A gain between scores over different test items is refused."""
        other = TABLE.assign(n=[50] * 11 + [49])
        with pytest.raises(LineageError, match="scored on 49 test items, its baseline on 50"):
            gains(other)

    def test_a_warning_of_either_score_marks_the_gain(self):
        """A gain is warned when the score or its baseline is."""
        warned = TABLE.assign(warnings=["", "collapsed"] + [""] * 9 + ["majority_class"])
        rows = gains(warned)
        assert set(rows.loc[rows["warned"], ["language", "seed"]].itertuples(index=False)) == {
            ("de", 1),
            ("sw", 2),
        }

    def test_an_undefined_score_gives_an_undefined_gain(self):
        """An empty score is not a zero."""
        rows = gains(TABLE.assign(score=TABLE["score"].where(TABLE.index != 11)))
        assert rows["gain"].isna().tolist() == [False] * 5 + [True]


class TestByLanguage:
    def test_exact_numbers(self):
        """Gains are averaged over seeds; their spread is the standard deviation between seeds."""
        rows = by_language(gains(TABLE)).set_index("language")
        assert rows["gain"].to_dict() == {"en": 0.5, "de": 2.0, "sw": 0.5}
        assert rows.loc["de", "spread"] == pytest.approx(math.sqrt(2))
        assert rows.loc["sw", ["score", "baseline", "n", "seeds"]].tolist() == [52.5, 52.0, 50, 2]

    def test_swapping_seeds_keeps_the_means(self):
        """Renaming seed 1 to 2 and 2 to 1 changes no mean."""
        swapped = TABLE.assign(seed=3 - TABLE["seed"])
        pd.testing.assert_frame_equal(by_language(gains(swapped)), by_language(gains(TABLE)))

    def test_one_seed_has_no_spread(self):
        """With one seed nothing is known about the spread."""
        assert by_language(gains(TABLE[TABLE["seed"] == 1]))["spread"].isna().all()

    def test_an_undefined_seed_is_left_out_and_counted(self):
        """The mean is over the defined gains, whose number is told."""
        rows = by_language(gains(TABLE.assign(score=TABLE["score"].where(TABLE.index != 11))))
        sw = rows.set_index("language").loc["sw"]
        assert (sw.gain, sw.seeds) == (-1.0, 1)


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


class TestSummary:
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

    def groups(self):
        return summary(gains(self.table(self.GAINS)), LANGUAGES).set_index("group")

    def test_exact_means(self):
        """A group's gain is the mean over its languages; English counts only in ``all``."""
        rows = self.groups()
        assert tuple(rows.index) == GROUPS
        assert rows["languages"].tolist() == [7, 6, 3, 2, 1]
        assert rows["gain"].tolist() == pytest.approx([62 / 7, 2.0, 5.0, 1.5, -6.0])
        assert rows["baseline"].tolist() == [50.0] * 5
        assert rows.loc["low-resource", "score"] == 55.0

    def test_groups_make_up_the_zero_shot_languages(self):
        """Low-resource, other and unknown together are all zero-shot languages."""
        rows = self.groups()
        parts = rows.loc[["low-resource", "other", "unknown class"]]
        assert parts["languages"].sum() == rows.loc["non-English", "languages"]
        total = (parts["gain"] * parts["languages"]).sum() / parts["languages"].sum()
        assert total == pytest.approx(rows.loc["non-English", "gain"])

    def test_no_interval_below_three_languages(self):
        """With fewer than 3 languages there is no interval."""
        rows = self.groups()
        assert rows["low"].isna().tolist() == [False, False, False, True, True]
        assert rows["high"].isna().tolist() == [False, False, False, True, True]

    def test_the_interval_holds_the_mean(self):
        """An interval lies around its mean."""
        low = self.groups().loc["low-resource"]
        assert low.low < low.gain < low.high

    def test_an_undefined_gain_is_not_counted(self):
        """A language without a defined gain is in no mean and in no count."""
        table = self.table(self.GAINS | {"qu": math.nan})
        rows = summary(gains(table), LANGUAGES).set_index("group")
        assert rows.loc["low-resource", ["languages", "gain"]].tolist() == [2, 3.5]

    def test_warned_languages_are_counted(self):
        """The number of languages with a warned cell stands beside the mean."""
        table = self.table(self.GAINS)
        table.loc[table["language"] == "sw", "warnings"] = "majority_class"
        rows = summary(gains(table), LANGUAGES).set_index("group")
        assert rows["warned"].tolist() == [1, 1, 1, 0, 0]

    def test_no_gains_no_rows(self):
        """A study without gains has an empty summary with its columns."""
        empty = summary(gains(TABLE[TABLE["condition"] == "none"]), LANGUAGES)
        assert empty.empty
        assert {"group", "languages", "gain", "low", "high"} <= set(empty)


class TestInterval:
    @pytest.mark.parametrize("values", [[1.5] * 4, [0.0] * 3, [60.1 - 58.6, 70.3 - 68.8, 1.5]])
    def test_equal_values_have_none(self, values):
        """No spread is to be seen, which is not to say that there is none; rounding is none."""
        assert interval(values) is None

    def test_it_is_students(self):
        """Mean ± 4.303 standard errors for 3 values (t with 2 degrees of freedom, 97.5 %)."""
        reach = 4.302653 * 1.0 / 3**0.5
        assert interval([4.0, 5.0, 6.0]) == pytest.approx((5.0 - reach, 5.0 + reach))

    @pytest.mark.parametrize("languages", [3, 6, 40])
    def test_it_covers_about_as_often_as_it_says(self, languages):
        """Few languages or many: the true mean is inside about 95 times in 100."""
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
