"""Noise of test items."""

import numpy as np
import pytest

from support.score_tables import CODES, ENCODER, LANGUAGES, table
from xstilts.analysis.statistics.items import ItemScores, bootstrap_variance, persistent_variance
from xstilts.analysis.statistics.questions import Analysis
from xstilts.analysis.statistics.score_table import Unit

ITEMS, SEEDS = 400, 3


def test_persistent_noise_is_what_repeats_with_other_trainings():
    """Items gain with SD 10 in all trainings, and with SD 20 in single ones."""
    rng = np.random.default_rng(1)
    items = rng.normal(0, 10, (20_000, 1))
    condition = items + rng.normal(0, 20, (20_000, SEEDS))
    baseline = rng.normal(0, 20, (20_000, 5))
    assert persistent_variance(condition, baseline) * 20_000 == pytest.approx(100, rel=0.1)


def test_what_a_training_adds_to_all_items_is_no_item_noise():
    rng = np.random.default_rng(2)
    condition = np.ones((ITEMS, 1)) * rng.normal(0, 50, (1, SEEDS))
    assert persistent_variance(condition, np.zeros((ITEMS, SEEDS))) == pytest.approx(0)


def grid_of_items(shared):
    """Scores of items whose gains all languages share, or each has its own."""
    rng = np.random.default_rng(3)
    common = rng.normal(0, 30, ITEMS)
    scores = {}
    for code in CODES:
        gains = common if shared else rng.normal(0, 30, ITEMS)
        unit = Unit("xnli", code)
        scores[ENCODER, "none", unit] = rng.normal(50, 5, (ITEMS, SEEDS))
        scores[ENCODER, "mnli", unit] = gains[:, None] + rng.normal(50, 5, (ITEMS, SEEDS))
    return scores


def asked(scores, **options):
    frame = table(
        lambda condition, seed, target, code: scores[ENCODER, condition, Unit(target, code)][
            :, seed - 1
        ].mean(),
        items=ITEMS,
    )
    analysis = Analysis(frame, LANGUAGES, **options)
    return analysis.mean(encoder=ENCODER, condition="mnli", targets="xnli")


def test_shared_items_do_not_average_out_over_languages():
    """Their noise is 30 / sqrt(400) points, however many languages there are."""
    scores = grid_of_items(shared=True)
    blind = asked(scores)
    found = asked(scores, noise=ItemScores(scores, parallel=["xnli"]))
    assert blind.like_these.standard_error < 0.3
    assert found.like_these.standard_error == pytest.approx(1.5, rel=0.1)
    assert found.these.standard_error == pytest.approx(1.5, rel=0.1)


def test_own_items_count_for_these_languages_only():
    """For languages like these they are a part of how languages differ."""
    scores = grid_of_items(shared=False)
    blind, found = asked(scores), asked(scores, noise=ItemScores(scores))
    assert found.like_these.standard_error == pytest.approx(blind.like_these.standard_error)
    assert found.these.standard_error == pytest.approx(1.5 / np.sqrt(12), rel=0.1)


def test_without_the_items_of_a_language_there_is_no_item_noise():
    scores = grid_of_items(shared=False)
    known = {key: value for key, value in scores.items() if key[2].language != "l03"}
    assert np.isnan(asked(scores, noise=ItemScores(known)).spread.items)


def test_the_bootstrap_of_a_mean_is_the_variance_of_the_mean():
    rng = np.random.default_rng(4)
    right = rng.integers(0, 2, (ITEMS, 1)).astype(float)
    counted = [np.column_stack([right, np.ones(ITEMS)])]
    nothing = [np.column_stack([np.zeros(ITEMS), np.ones(ITEMS)])]
    found = bootstrap_variance(counted, nothing, lambda sums: 100 * sums[0] / sums[1])
    assert found == pytest.approx(100**2 * float(right.var()) / ITEMS, rel=0.15)
