"""The benchmark of the intervals, with 200 grids of some settings.

A correct interval excludes the truth in 5 % of the grids. The bounds are those that a share of 3 to
7 % stays within by chance with probability 0.999 for each setting.
"""

import importlib.util
import sys

import pytest
from scipy import stats

from support.world import ROOT

GRIDS = 200
LEAST, MOST = stats.binom.ppf(0.0005, GRIDS, 0.03), stats.binom.ppf(0.9995, GRIDS, 0.07)


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location(
        "bench_calibration", ROOT / "bench/calibration.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_calibration"] = module  # where dataclasses look up their types
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "question", ["mean", "group mean", "low minus rest", "slope", "mean over targets"]
)
@pytest.mark.parametrize(("seeds", "run_sd"), [(3, 1.6), (5, 1.0), (10, 0.4)])
@pytest.mark.parametrize("parallel", [False, True])
def test_intervals_hold_the_truth(calibration, question, seeds, run_sd, parallel):
    """With kinship, a tilt along the resource level and conditions of unequal run SD."""
    setting = calibration.Setting(question, seeds, 20, run_sd, 0.5, 0.5, 0.6, parallel)
    row = calibration.simulate(setting, GRIDS)
    assert LEAST <= row.excluded * GRIDS <= MOST
    assert LEAST <= row.excluded_these * GRIDS <= MOST


@pytest.mark.parametrize("question", ["best condition", "best condition, one is better"])
@pytest.mark.parametrize("seeds", [3, 10])
def test_the_best_condition_has_no_winners_curse(calibration, question, seeds):
    setting = calibration.Setting(question, seeds, 8, 1.0, 0.0, 0.0, 0.0, False)
    assert calibration.simulate(setting, GRIDS).excluded * GRIDS <= MOST


def test_the_interval_over_languages_alone_would_fail(calibration):
    """The bounds can tell: without the trainings' part half of the intervals exclude zero."""
    setting = calibration.Setting("mean", 3, 20, 1.6, 0.0, 0.0, 0.0, False)
    world = calibration.World(setting, GRIDS, calibration.np.random.default_rng(1))
    gains = world.language_gains()[..., None] + world.trainings() - world.trainings()
    means = gains.mean(-1)
    p = stats.ttest_1samp(means, 0.0, axis=1).pvalue
    assert (p < 0.05).sum() > MOST
