"""The mean of comparisons is a comparison of mean scores, seed by seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from support.score_tables import CODES, ENCODER, LANGUAGES, noisy, table
from xstilts.analysis.claims.pooled import MEAN, MEAN_AGAINST, Cells, pooled, union
from xstilts.analysis.statistics.items import Influences, WeightedScores, item_covariance
from xstilts.analysis.statistics.questions import Analysis
from xstilts.analysis.statistics.score_table import ScoreTable, Unit

ALL = frozenset(CODES)
CONDITIONS = ("none", "mnli", "squad", "ccg")


def mean_of(rows, comparisons):
    """The contrast of the mean of some comparisons."""
    whole = union(comparisons)
    analysis = Analysis(*_analysed(rows, comparisons))
    return analysis.mean(
        encoder=ENCODER,
        condition=whole.condition,
        against=whole.against,
        targets=whole.targets,
        group=whole.codes,
    )


def _analysed(rows, comparisons, untrained=()):
    made = pooled(ScoreTable(rows, untrained), ENCODER, comparisons)
    return made.table, LANGUAGES, None, made.untrained


def test_the_estimate_is_the_mean_of_the_estimates():
    """And counts the shared baseline once."""
    rows = table(noisy(gain=1.0), conditions=CONDITIONS)
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    analysis = Analysis(rows, LANGUAGES)
    alone = [
        analysis.mean(encoder=ENCODER, condition=c.condition, targets="xnli", group=ALL)
        for c in comparisons
    ]
    found = mean_of(rows, comparisons)
    assert found.estimate == pytest.approx(sum(c.estimate for c in alone) / 3)
    assert (found.seeds, found.baseline_seeds, found.languages) == (3, 3, 12)


def test_trainings_of_several_conditions_average_out_but_the_baseline_does_not():
    """So the mean of nine gains that all owe to one baseline is not nine times as sure."""

    def score(condition, seed, target, code):
        return 60.0 + (4.0 * (seed - 2) if condition == "none" else 0.0)

    rows = table(score, conditions=CONDITIONS)
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    found = mean_of(rows, comparisons)
    alone = Analysis(rows, LANGUAGES).mean(
        encoder=ENCODER, condition="mnli", targets="xnli", group=ALL
    )
    assert found.these.standard_error == pytest.approx(alone.these.standard_error)


def test_comparisons_may_be_about_languages_of_their_own():
    """As claims about translated training data are: German training is scored in German."""
    rows = table(noisy(), conditions=CONDITIONS)
    comparisons = [
        Cells("mnli", "none", ("xnli",), frozenset({"l00"})),
        Cells("squad", "none", ("xnli",), frozenset({"l01"})),
    ]
    made = pooled(ScoreTable(rows), ENCODER, comparisons).table
    assert set(made["language"]) == {"l00", "l01"}
    of_mean = made[(made["condition"] == MEAN) & (made["language"] == "l01")]
    of_squad = rows[(rows["condition"] == "squad") & (rows["language"] == "l01")]
    assert list(of_mean["score"]) == list(of_squad["score"])


def test_a_seed_that_one_condition_lacks_is_left_out():
    """Its mean would be of other conditions than that of the other seeds."""
    rows = table(noisy(), conditions=CONDITIONS)
    rows = rows[~((rows["condition"] == "ccg") & (rows["seed"] == 2))]
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    made = pooled(ScoreTable(rows), ENCODER, comparisons).table
    assert set(made.loc[made["condition"] == MEAN, "seed"]) == {1, 3}
    assert set(made.loc[made["condition"] == MEAN_AGAINST, "seed"]) == {1, 2, 3}


def test_an_undefined_score_makes_the_mean_of_its_seed_undefined():
    """It is not the mean of the others."""
    rows = table(noisy(), conditions=CONDITIONS)
    broken = (rows["condition"] == "ccg") & (rows["seed"] == 2) & (rows["language"] == "l03")
    rows.loc[broken, "score"] = math.nan
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    made = pooled(ScoreTable(rows), ENCODER, comparisons).table
    of_l03 = made[(made["condition"] == MEAN) & (made["language"] == "l03")]
    assert set(of_l03["seed"]) == {1, 3}


def test_an_encoder_that_no_seed_trains_stays_one_training():
    """Its scores of all seeds are the same numbers, which show no variance."""
    rows = table(noisy(), conditions=CONDITIONS)
    untrained = [(ENCODER, "none", "xnli")]
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    made, _, _, without_training = _analysed(rows, comparisons, untrained)
    assert without_training == [(ENCODER, MEAN_AGAINST, "xnli")]
    assert made.loc[made["condition"] == MEAN_AGAINST, "spec"].nunique() == 1


def test_the_noise_of_items_of_a_mean_is_that_of_the_items_of_mean_scores():
    """By brute force: the members' influences are averaged, item by item."""
    rng = np.random.default_rng(1)
    codes = CODES[:3]
    points = {(name, code): rng.normal(0, 1, (3, 50)) for name in CONDITIONS for code in codes}
    for code in codes:
        members = [points[name, code] for name in CONDITIONS[1:]]
        points[MEAN, code], points[MEAN_AGAINST, code] = np.mean(members, 0), points["none", code]
    covariance = item_covariance(
        {cell: Influences(np.arange(50), of_seeds) for cell, of_seeds in points.items()}
    )
    weights = np.full(3, 1 / 3)
    units = tuple(Unit("xnli", code) for code in codes)
    effect = WeightedScores(ENCODER, units, weights, {MEAN: weights, MEAN_AGAINST: -weights})
    comparisons = [Cells(name, "none", ("xnli",), ALL) for name in CONDITIONS[1:]]
    rows = table(noisy(), conditions=CONDITIONS, codes=codes)
    made = pooled(ScoreTable(rows), ENCODER, comparisons)
    found = made.noise(covariance.noise)(effect)
    assert found.all > 0
    # trainings of different conditions share no noise of single trainings, which is taken out
    means_only = {cell: Influences(np.arange(50), p.mean(0)[None]) for cell, p in points.items()}
    assert made.noise(item_covariance(means_only).noise)(effect) == pytest.approx(
        item_covariance(means_only).noise(effect)
    )
