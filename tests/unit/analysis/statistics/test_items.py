"""Noise of test items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.score_tables import CODES, ENCODER, LANGUAGES, table
from xstilts.analysis.statistics.contrast import ItemNoise
from xstilts.analysis.statistics.items import Influences, WeightedScores, item_covariance
from xstilts.analysis.statistics.questions import Analysis
from xstilts.analysis.statistics.score_table import Unit

ITEMS, SEEDS = 400, 3


def influences(scores, numbers=None):
    """Of items whose mean is the score; ``scores``: shape (seeds, items)."""
    items = np.arange(scores.shape[1]) if numbers is None else np.asarray(numbers)
    return Influences(items, (scores - scores.mean(axis=1, keepdims=True)) / scores.shape[1])


def persistent_variance(condition, baseline):
    """The variance of a mean gain by the choice of items, by the textbook: (seeds, items) each."""
    items = condition.shape[1]
    gains = condition.mean(axis=0) - baseline.mean(axis=0)
    variance = np.var(gains, ddof=1)
    for scores in (condition, baseline):
        if len(scores) > 1:
            deviations = scores - scores.mean(axis=1, keepdims=True)
            variance -= np.var(deviations, axis=0, ddof=1).sum() / (items - 1) / len(scores)
    return max(0.0, variance) / items


def effect(codes, conditions, weights=None):
    """The mean gain over some languages of a condition over a baseline."""
    shares = np.full(len(codes), 1 / len(codes)) if weights is None else np.asarray(weights)
    sides = dict(zip(conditions, (shares, -shares), strict=True))
    units = tuple(Unit("xnli", code) for code in codes)
    return WeightedScores(ENCODER, units, shares, sides)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.integers(2, 12))
def test_one_language_has_the_variance_of_the_textbook(seed, seeds, of_baseline, items):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 10, items)
    condition, baseline = (
        shared * part + rng.normal(0, 5, (number, items))
        for part, number in ((3, seeds), (1, of_baseline))
    )
    found = item_covariance(
        {("mnli", "sw"): influences(condition), ("none", "sw"): influences(baseline)}
    )
    noise = found.noise(effect(["sw"], ["mnli", "none"]))
    assert noise.all == pytest.approx(persistent_variance(condition, baseline), abs=1e-9)
    assert noise.shared == 0


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 3))
def test_languages_with_the_same_items_have_the_variance_of_their_weighted_sum(
    seed, languages, seeds
):
    """By brute force: the weighted sum of each item over languages is one score."""
    rng = np.random.default_rng(seed)
    codes = CODES[:languages]
    weights = rng.normal(0, 1, languages)
    scores = {
        (name, code): rng.normal(0, 9, (seeds, 20)) + rng.normal(0, 9, 20)
        for name in ("mnli", "none")
        for code in codes
    }
    found = item_covariance({cell: influences(points) for cell, points in scores.items()})
    condition, baseline = (
        sum(w * scores[name, code] for w, code in zip(weights, codes, strict=True))
        for name in ("mnli", "none")
    )
    noise = found.noise(effect(codes, ["mnli", "none"], weights))
    assert noise.all == pytest.approx(persistent_variance(condition, baseline), abs=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 10**6))
def test_languages_with_items_of_their_own_add_up(seed):
    rng = np.random.default_rng(seed)
    scores = {
        (name, code): rng.normal(0, 9, (3, 20)) + rng.normal(0, 30, 20)
        for name in ("mnli", "none")
        for code in CODES[:4]
    }
    found = item_covariance(
        {
            (name, code): influences(points, np.arange(20) + 20 * CODES.index(code))
            for (name, code), points in scores.items()
        }
    )
    whole = sum(
        persistent_variance(scores["mnli", code], scores["none", code]) for code in CODES[:4]
    )
    noise = found.noise(effect(CODES[:4], ["mnli", "none"]))
    assert noise.all == pytest.approx(whole / 16)
    assert noise.shared == 0


def test_languages_that_share_some_of_their_items_share_the_noise_of_these():
    """Half of the items of each language are in the other; each moves its language by its share."""
    rng = np.random.default_rng(5)
    gains = rng.normal(0, 10, 3_000)
    first, second = np.arange(2_000), np.arange(1_000, 3_000)
    nothing = np.zeros((1, 2_000))
    found = item_covariance(
        {
            ("mnli", "sw"): influences(gains[first][None], first),
            ("none", "sw"): influences(nothing, first),
            ("mnli", "ur"): influences(gains[second][None], second),
            ("none", "ur"): influences(nothing, second),
        }
    )
    noise = found.noise(effect(["sw", "ur"], ["mnli", "none"]))
    assert noise.all == pytest.approx(100 / 2_000 * (1 / 2 + 1 / 4), rel=0.1)
    assert noise.shared == pytest.approx(100 / 2_000 / 2, rel=0.1)


def test_persistent_noise_is_what_repeats_with_other_trainings():
    """Items gain with SD 10 in all trainings, and with SD 20 in single ones."""
    rng = np.random.default_rng(1)
    condition = rng.normal(0, 10, 20_000) + rng.normal(0, 20, (SEEDS, 20_000))
    baseline = rng.normal(0, 20, (5, 20_000))
    found = item_covariance(
        {("mnli", "sw"): influences(condition), ("none", "sw"): influences(baseline)}
    )
    noise = found.noise(effect(["sw"], ["mnli", "none"]))
    assert noise.all * 20_000 == pytest.approx(100, rel=0.1)


def test_what_items_add_to_all_languages_cancels_in_a_difference_between_languages():
    rng = np.random.default_rng(2)
    common = rng.normal(0, 30, (SEEDS, ITEMS))
    cells = {("mnli", code): influences(common) for code in CODES[:4]}
    cells |= {("none", code): influences(np.zeros((SEEDS, ITEMS))) for code in CODES[:4]}
    noise = item_covariance(cells).noise(
        effect(CODES[:4], ["mnli", "none"], [0.5, 0.5, -0.5, -0.5])
    )
    assert noise == ItemNoise(all=pytest.approx(0, abs=1e-9), shared=0.0)


def test_a_score_whose_items_are_not_known_leaves_the_noise_unknown():
    found = item_covariance({("mnli", "sw"): influences(np.zeros((1, 5)))})
    assert found.noise(effect(["sw"], ["mnli", "none"])) is None


# --- in answers -----------------------------------------------------------------------------------


def grid_of_items(shared, conditions=("none", "mnli")):
    """Scores of items whose gains all languages share, or each has its own: (seeds, items)."""
    rng = np.random.default_rng(3)
    common = {name: rng.normal(0, 30, ITEMS) for name in conditions}
    scores = {}
    for code in CODES:
        for name in conditions:
            gains = common[name] if shared else rng.normal(0, 30, ITEMS)
            points = 50 + rng.normal(0, 5, (SEEDS, ITEMS))
            scores[name, code] = points + (gains if name != "none" else 0.0)
    return scores


def noise_of(scores, shared):
    covariance = item_covariance(
        {
            (name, code): influences(points, np.arange(ITEMS) + ITEMS * place * (not shared))
            for (name, code), points in scores.items()
            for place in [CODES.index(code)]
        }
    )
    return lambda effect: covariance.noise(effect)


def analysis_of(scores, conditions=("none", "mnli"), **options):
    frame = table(
        lambda condition, seed, target, code: scores[condition, code][seed - 1].mean(),
        conditions=conditions,
        items=ITEMS,
    )
    return Analysis(frame, LANGUAGES, **options)


def asked(scores, **options):
    return analysis_of(scores, **options).mean(encoder=ENCODER, condition="mnli", targets="xnli")


def test_shared_items_do_not_average_out_over_languages():
    """Their noise is 30 / sqrt(400) points, however many languages there are."""
    scores = grid_of_items(shared=True)
    blind, found = asked(scores), asked(scores, noise=noise_of(scores, shared=True))
    assert blind.like_these.standard_error < 0.3
    assert found.like_these.standard_error == pytest.approx(1.5, rel=0.1)
    assert found.these.standard_error == pytest.approx(1.5, rel=0.1)
    assert (blind.has_item_noise, found.has_item_noise) == (False, True)


def test_own_items_count_for_these_languages_only():
    """For languages like these they are a part of how languages differ."""
    scores = grid_of_items(shared=False)
    blind, found = asked(scores), asked(scores, noise=noise_of(scores, shared=False))
    assert found.like_these.standard_error == pytest.approx(blind.like_these.standard_error)
    assert found.these.standard_error == pytest.approx(1.5 / np.sqrt(12), rel=0.1)


def test_the_best_condition_has_the_shared_noise_of_the_conditions_that_are_chosen():
    """One condition is always the best, so that its noise counts and not that of the others."""
    conditions = ("none", "mnli", "squad")
    scores = grid_of_items(shared=True, conditions=conditions)
    scores = {k: v + 20 * (k[0] == "squad") for k, v in scores.items()}
    asked = {"encoder": ENCODER, "targets": "xnli"}
    noise = noise_of(scores, shared=True)
    best = analysis_of(scores, conditions, noise=noise).best_condition(**asked)
    squad = analysis_of(scores, conditions, noise=noise).mean(**asked, condition="squad")
    assert best.spread.items == pytest.approx(squad.spread.items)
    assert best.like_these.standard_error > 1.4


def test_other_scales_have_no_item_noise():
    scores = grid_of_items(shared=True)
    found = analysis_of(scores, noise=noise_of(scores, shared=True)).mean(
        encoder=ENCODER, condition="mnli", targets="xnli", scale="standardised"
    )
    assert not found.has_item_noise
