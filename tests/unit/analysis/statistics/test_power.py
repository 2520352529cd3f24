"""The power that is promised before a grid is bought."""

import numpy as np
import pytest
from scipy import stats

from xstilts.analysis.statistics.design import mean_over_targets
from xstilts.analysis.statistics.power import (
    MEDIUM,
    NOISY,
    QUIET,
    Plan,
    Spreads,
    expected_error,
    measured,
    needed_items,
    needed_seeds,
    power,
    power_of_equivalence,
)
from xstilts.analysis.statistics.variance import components

LIKE, THESE = "languages like these", "these languages"
PLAN = Plan(languages=20, targets=1, seeds=5, baseline_seeds=5)


def simulated(spreads, plan, grids, gain=0.0, seed=1):
    """Scores of one target as the spreads say; shapes (grids, languages, seeds)."""
    rng = np.random.default_rng(seed)

    def trainings(seeds):
        common = spreads.run * rng.normal(size=(grids, 1, seeds))
        return common + spreads.interaction * rng.normal(size=(grids, plan.languages, seeds))

    languages = gain + spreads.language * rng.normal(size=(grids, plan.languages, 1))
    return trainings(plan.seeds) + languages, trainings(plan.baseline_seeds)


@pytest.mark.parametrize("spreads", [QUIET, MEDIUM])
def test_the_power_is_what_simulated_grids_have(spreads):
    """Within 0.07 of 2,000 grids: it is computed from expected variances."""
    condition, baseline = simulated(spreads, PLAN, 2_000, gain=1.0)
    names = [f"l{number}" for number in range(PLAN.languages)]
    parts = components(mean_over_targets(["t"] * PLAN.languages, names), condition, baseline)
    variance, df = parts.like_these()
    found = np.mean(parts.estimate > stats.t.ppf(0.975, df) * np.sqrt(variance))
    assert power(expected_error(spreads, PLAN, LIKE), 1.0) == pytest.approx(found, abs=0.07)


def test_more_seeds_find_more():
    plans = [Plan(20, 1, seeds, seeds) for seeds in (3, 5, 10, 100)]
    powers = [power(expected_error(MEDIUM, plan, LIKE), 1.0) for plan in plans]
    assert powers == sorted(powers)
    equal = [power_of_equivalence(expected_error(MEDIUM, plan, LIKE)) for plan in plans]
    assert equal == sorted(equal)


def test_languages_bound_what_seeds_can_find():
    """With many trainings only the spread between languages is left."""
    many = expected_error(MEDIUM, Plan(20, 1, 10_000, 10_000), LIKE)
    assert many.standard_error == pytest.approx(MEDIUM.language / np.sqrt(20), rel=0.01)
    assert many.df == pytest.approx(19, rel=0.01)
    assert expected_error(MEDIUM, Plan(20, 1, 10_000, 10_000), THESE).standard_error < 0.02


def test_needed_seeds_are_the_fewest():
    seeds = needed_seeds(QUIET, PLAN, 1.0, LIKE)
    enough = power(expected_error(QUIET, Plan(20, 1, seeds, seeds), LIKE), 1.0)
    fewer = power(expected_error(QUIET, Plan(20, 1, seeds - 1, seeds - 1), LIKE), 1.0)
    assert enough >= 0.8 > fewer


def test_no_number_of_seeds_makes_up_for_languages_that_differ():
    assert needed_seeds(NOISY, Plan(4, 1, 3, 3), 0.5, LIKE) is None


def test_parallel_items_need_more_of_them():
    """Noise of items that all languages share does not average out over languages."""
    spreads = Spreads(run=0.2, language=0.5, interaction=0.2, item=30.0)
    own = needed_items(spreads, PLAN, 1.0, LIKE)
    shared = needed_items(spreads, Plan(20, 1, 5, 5, parallel=True), 1.0, LIKE)
    assert shared > 10 * own


def test_spreads_are_measured_from_scores():
    plan = Plan(languages=30, targets=1, seeds=6, baseline_seeds=6)
    condition, baseline = simulated(MEDIUM, plan, 200)
    found = measured(list(zip(condition, baseline, strict=True)))
    assert found.run == pytest.approx(MEDIUM.run, rel=0.1)
    assert found.language == pytest.approx(MEDIUM.language, rel=0.1)
    assert found.interaction == pytest.approx(MEDIUM.interaction, rel=0.1)


def test_one_seed_measures_nothing():
    with pytest.raises(ValueError, match="two seeds"):
        measured([(np.zeros((5, 1)), np.zeros((5, 1)))])
