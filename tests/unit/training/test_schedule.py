"""The schedule of a training: what every step trains on, and at which rate."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.config.study import Mlm, Multi
from xstilts.training.schedule import MLM_TASK, Schedule, apportioned


def plan_of(sizes, multi=None, seed=1, mlm=None, by_task=None, more_steps=0, **changes) -> Schedule:
    """A schedule of tasks of these sizes; ``by_task`` changes hyperparameters of single ones."""
    hyperparameters = {
        name: tiny.hyperparameters(**(changes | (by_task or {}).get(name, {})))
        for name in sizes
        if name != MLM_TASK
    }
    return Schedule(hyperparameters, sizes, multi or Multi(), seed, mlm, more_steps)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 3))
def test_every_item_is_seen_once_an_epoch(size, batch, epochs):
    """Steps times batch size cover the items, each epoch in another order."""
    plan = plan_of({"a": size}, batch_size=batch, epochs=epochs)
    per_epoch = -(-size // batch)
    assert plan.total == epochs * per_epoch
    for epoch in range(epochs):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        items = [i for step in steps for i in plan.batch(step)[1].tolist()]
        assert sorted(items) == list(range(size))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 30))
def test_more_steps_follow_those_of_the_epochs(size, batch, more):
    """The epochs go on, with the same batches before them."""
    own = plan_of({"a": size}, batch_size=batch)
    plan = plan_of({"a": size}, batch_size=batch, more_steps=more)
    assert plan.total == own.total + more
    for step in range(own.total):
        assert plan.batch(step)[1].tolist() == own.batch(step)[1].tolist()


def test_epochs_differ_in_their_order():
    """So that batches are not the same ones again."""
    plan = plan_of({"a": 40}, batch_size=40, epochs=2)
    assert plan.batch(0)[1].tolist() != plan.batch(1)[1].tolist()


def test_a_batch_depends_on_its_step_alone():
    """Asked in any order, by any process, a step has the same items: what resuming needs."""
    plan, other = (plan_of({"a": 23, "b": 9}, epochs=3) for _ in range(2))
    forward = [(n, i.tolist()) for n, i in map(plan.batch, range(plan.total))]
    backward = [(n, i.tolist()) for n, i in map(other.batch, reversed(range(other.total)))]
    assert forward == backward[::-1]


def test_another_seed_gives_another_order():
    """Of the items, and of the tasks."""
    one, two = (plan_of({"a": 40, "b": 40}, seed=seed) for seed in (1, 2))
    assert one.order != two.order
    assert (
        plan_of({"a": 40}).batch(0)[1].tolist() != plan_of({"a": 40}, seed=2).batch(0)[1].tolist()
    )


@pytest.mark.parametrize(("epochs", "total"), [(0.5, 5), (0.01, 1), (1.5, 15)])
def test_parts_of_an_epoch_are_rounded_and_never_nothing(epochs, total):
    """Ten batches an epoch."""
    assert plan_of({"a": 40}, batch_size=4, epochs=epochs).total == total


def test_max_steps_ends_a_training_earlier():
    """It never makes one longer."""
    assert plan_of({"a": 40}, epochs=1, max_steps=3).total == 3
    assert plan_of({"a": 40}, epochs=1, max_steps=300).total == 10


def test_several_tasks_are_sampled_in_proportion_to_their_size():
    """Each has its epochs of batches, mixed."""
    plan = plan_of({"a": 80, "b": 40, "c": 4})
    assert Counter(plan.order) == {"a": 40, "b": 20, "c": 2}
    assert plan.order != sorted(plan.order)
    for name, size in (("a", 80), ("b", 40), ("c", 4)):
        turns = [plan.batch(s)[1].tolist() for s in range(plan.total) if plan.order[s] == name]
        half = [i for items in turns[: len(turns) // 2] for i in items]
        assert sorted(half) == list(range(size))


def test_a_cap_limits_what_a_big_task_counts_for():
    """It counts for so many examples an epoch, but goes on through all that it has."""
    plan = plan_of({"a": 80, "b": 40}, Multi(cap=40))
    assert Counter(plan.order) == {"a": 20, "b": 20}
    seen = [i for s in range(plan.total) if plan.order[s] == "a" for i in plan.batch(s)[1].tolist()]
    assert sorted(seen) == list(range(80))


def test_a_temperature_levels_the_tasks():
    """p ~ size ** (1/T): two tasks of 64 and 4 batches at T = 2 have 8 : 2 of the same total."""
    plan = plan_of({"a": 256, "b": 16}, Multi(temperature=2), epochs=1)
    assert Counter(plan.order) == {"a": 54, "b": 14}
    assert plan.total == 68


def test_one_task_knows_neither_cap_nor_temperature():
    """They are settings of several tasks."""
    assert plan_of({"a": 80}, Multi(cap=4, temperature=3), epochs=1).total == 20


def test_the_learning_rate_rises_and_falls_linearly():
    """To its peak over the warm-up, then towards zero, which it reaches after the last step."""
    plan = plan_of({"a": 40}, epochs=2, warmup=0.2, learning_rate=0.4)
    rates = [plan.learning_rate(step, "a") for step in range(20)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    falls = {round(a - b, 12) for a, b in pairwise(rates[4:])}
    assert falls == {0.025}
    assert rates[-1] == pytest.approx(0.025)


def test_without_warm_up_the_first_step_has_the_peak():
    """A share of 0 is no step."""
    plan = plan_of({"a": 40}, warmup=0, learning_rate=0.4)
    assert plan.learning_rate(0, "a") == 0.4


# --- several tasks -------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9))
def test_steps_are_divided_without_loss(total, weights):
    """As proportional as whole numbers can be, at least one each, and none is lost."""
    counts = apportioned(total, weights)
    assert sum(counts) == max(total, len(weights))
    assert min(counts) >= 1
    if min(w * total / sum(weights) for w in weights) >= 1:
        exact = [w * total / sum(weights) for w in weights]
        assert all(abs(c - e) < 1 for c, e in zip(counts, exact, strict=True))


def test_the_temperature_acts_on_sizes_not_on_steps():
    """p ~ min(size, cap) ** (1/T), whatever the batch sizes and epochs; the total stays."""
    by_task = {"a": {"batch_size": 8, "epochs": 1}, "b": {"batch_size": 1, "epochs": 3}}
    plan = plan_of({"a": 400, "b": 25}, Multi(cap=100, temperature=2), by_task=by_task)
    assert plan.total == 13 + 75
    assert Counter(plan.order) == {"a": 59, "b": 29}  # 10 : 5


def test_language_modelling_comes_on_top_of_the_tasks_own_steps():
    """Its rate is a share of all steps; the task sees the same batches as without it."""
    alone = plan_of({"a": 40}, epochs=3)
    mixed = plan_of({"a": 40, MLM_TASK: 9}, epochs=3, mlm=Mlm(rate=0.25, batch_size=2))
    assert Counter(mixed.order) == {"a": alone.total, MLM_TASK: alone.total // 3}
    ours = [mixed.batch(s)[1].tolist() for s in range(mixed.total) if mixed.order[s] == "a"]
    assert ours == [alone.batch(s)[1].tolist() for s in range(alone.total)]
    texts = [mixed.batch(s)[1].tolist() for s in range(mixed.total) if mixed.order[s] == MLM_TASK]
    assert all(1 <= len(items) <= 2 for items in texts)
    assert sorted(i for items in texts[:5] for i in items) == list(range(9))
