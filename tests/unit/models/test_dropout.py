"""Dropout: what is dropped depends on seed, step, item and place in the network, nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from support import tiny
from xstilts.models.batch import one_sequence_instances, pack
from xstilts.models.dropout import AttentionDropout, Dropout, hashed, kept
from xstilts.models.network.attention import (
    _AllAtOnce,
    attend,
    keys_seen,
    self_attention,
    split_heads,
)
from xstilts.models.noise import column_seeds, token_seeds
from xstilts.training.loop import Trainer

STEP_SEED = 12345


def tokens(n: int, seed: int = 0) -> torch.Tensor:
    """Numbers of n tokens."""
    zeros = np.zeros(n, dtype=np.int64)
    return torch.from_numpy(token_seeds(seed, zeros, zeros, np.arange(n)))


def columns(n: int, place: str = "here") -> torch.Tensor:
    """Numbers of n columns of a place."""
    module = Dropout(0.1)
    module.layer_name = place
    return module._column_seeds((n,), torch.device("cpu"))


def mask(rows: int, width: int, p: float) -> torch.Tensor:
    """What stays of so many tokens and columns."""
    return kept(tokens(rows)[:, None], columns(width), p, torch.float64)


@cache
def training_of(task_type: str) -> Trainer:
    """One step holds 14 items of many lengths; the encoder and the head have dropout."""
    folder = Path(mkdtemp())
    tiny.encoder(folder / "encoder", dropout=0.2)
    state = Trainer(tiny.training_job(folder, tiny.task(folder, task_type, batch_size=14)))
    state.encoder.train()
    state.heads.train()
    return state


def gradients(task_type: str, cut: list[list[int]], step: int = 0) -> dict[str, torch.Tensor]:
    """The gradient of one step that is cut into these micro-batches."""
    state = training_of(task_type)
    name = f"t_{task_type}"
    for parameter in state.parameters().values():
        parameter.grad = None
    for micro in cut:
        batch = pack(state.data.features[name], micro, step_seed=STEP_SEED + step)
        outputs = state.heads[name](state.encoder(batch), batch)
        state.data.task_models[name].loss(outputs, batch).backward()
    return {n: p.grad.clone() for n, p in state.parameters().items() if p.grad is not None}


@st.composite
def cuts(draw, n: int = 14) -> list[list[int]]:
    """Items in any order, cut anywhere."""
    items = draw(st.permutations(range(n)))
    ends = sorted(draw(st.sets(st.integers(1, n - 1))))
    return [list(items[a:b]) for a, b in zip([0, *ends], [*ends, n], strict=True)]


@pytest.mark.parametrize("task_type", tiny.ROWS_OF)
@settings(max_examples=12)
@given(cut=cuts())
def test_any_cut_of_a_step_gives_the_same_gradients(task_type, cut):
    """Up to rounding: of every parameter, 1e-5 of its gradient or of a tenth of the whole one.

    (A bias's gradient is a sum that nearly cancels: its own size says little of its rounding.)
    """
    n = len(training_of(task_type).data.features[f"t_{task_type}"])
    whole = gradients(task_type, [list(range(n))])
    found = gradients(task_type, [kept for part in cut if (kept := [i for i in part if i < n])])
    assert found.keys() == whole.keys()
    size = torch.cat([g.flatten() for g in whole.values()]).norm()
    for name, gradient in whole.items():
        assert (found[name] - gradient).norm() <= 1e-5 * max(gradient.norm(), 0.1 * size), name


def test_another_step_drops_others():
    """Or the masks would always be the same ones."""
    everything = [list(range(14))]
    one, two = (gradients("classification", everything, step) for step in (0, 1))
    assert any(not torch.allclose(one[name], two[name]) for name in one)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_p(p):
    """Overall, and in every row and column as chance has it (5 standard deviations)."""
    stays = mask(4000, 400, p)
    for mean, n in ((stays.mean(), 1_600_000), (stays.mean(0), 4000), (stays.mean(1), 400)):
        assert ((mean - (1 - p)).abs() < 5 * (p * (1 - p) / n) ** 0.5).all()


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_how_many_of_a_row_or_column_are_dropped_varies_as_chance_has_it(p):
    """The variance of the counts is the binomial's: neither too even nor in clusters."""
    for counts, n in ((mask(20_000, 400, p).sum(1), 400), (mask(400, 20_000, p).sum(0), 400)):
        assert counts.var().item() == pytest.approx(n * p * (1 - p), rel=0.05)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_elements_are_dropped_independently(p):
    """Correlations between any two columns, and any two rows, are those of chance."""
    for stays in (mask(20_000, 64, p).T, mask(64, 20_000, p)):
        correlation = torch.corrcoef(stays) * 20_000**0.5
        assert (correlation - torch.diag(correlation.diag())).abs().max() < 5.5


@pytest.mark.parametrize("together", [3, 4])
def test_neither_do_three_or_four_elements_hang_together(together):
    """The mean product of so many columns, or rows, drawn at random, is that of chance."""
    rng = np.random.default_rng(0)
    for signs in (2 * mask(20_000, 300, 0.5) - 1, 2 * mask(300, 20_000, 0.5).T - 1):
        groups = [rng.choice(300, together, replace=False) for _ in range(500)]
        sums = torch.stack([signs[:, group].prod(1).sum() for group in groups]) / 20_000**0.5
        assert sums.abs().max() < 4.5
        assert sums.var().item() == pytest.approx(1, abs=0.3)


def test_masks_are_the_same_integers_in_one_operation_or_two():
    """A GPU computes them in one, a CPU in two."""
    numbers = tokens(500)[:, None], columns(300)
    assert torch.equal(hashed(*numbers, in_one=True), hashed(*numbers, in_one=False))


def test_what_is_kept_is_scaled_so_that_the_mean_stays():
    """By the inverse of the probability that is really used, a multiple of 1/65536."""
    module = Dropout(0.1).train()
    out = module(torch.ones(2000, 512), tokens(2000))
    assert out.unique().tolist() == pytest.approx([0.0, 65536 / (65536 - 6554)])
    assert out.mean().item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_that_is_added_is_the_same_dropout(dtype):
    """In fewer operations; with its gradient."""
    module = Dropout(0.3).train()
    x = torch.randn(50, 32).to(dtype).requires_grad_()
    to = torch.randn(50, 32, requires_grad=True)
    results = []
    for out in (module.added(to, x, tokens(50)), to + module(x, tokens(50))):
        results.append([out, *torch.autograd.grad(out.sum(), (to, x))])
    for mine, plain in zip(*results, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-2, atol=1e-2)
    assert torch.equal(module.eval().added(to, x, None), to + x)


def test_places_seeds_items_and_positions_drop_differently():
    """Each is one part of what the mask is a function of."""
    zero, one = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    numbers = [
        token_seeds(*args).item()
        for args in ((1, zero, zero, zero), (2, zero, zero, zero), (1, one, zero, zero),
                     (1, zero, one, zero), (1, zero, zero, one))
    ]  # fmt: skip
    assert len(set(numbers)) == 5
    assert not set(column_seeds("a", 9)) & set(column_seeds("b", 9))


def test_the_masks_are_these():
    """A number that must never change: it decides every training."""
    assert tokens(2, seed=7).tolist() == [3167992149630043406, 629021013599679699]
    stays = kept(tokens(1, seed=7)[:, None], columns(16), 0.5, torch.float32)
    assert "".join(str(int(x)) for x in stays[0]) == "1100000111101111"


def test_nothing_is_dropped_when_not_training():
    """As torch's own."""
    x = torch.randn(3, 8)
    assert torch.equal(Dropout(0.5).eval()(x, None), x)
    assert torch.equal(Dropout(0.0).train()(x, None), x)


def test_a_batch_without_numbers_is_refused():
    """Rather than dropping the same of every batch, or nothing."""
    with pytest.raises(ValueError, match="dropout needs the seeds of tokens"):
        Dropout(0.5).train()(torch.ones(1, 4), None)


@pytest.mark.parametrize("task_type", tiny.ROWS_OF)
def test_every_dropout_of_an_encoder_and_its_heads_is_a_place_of_its_own(task_type):
    """Called once in a forward pass, under a name that no other has; none is torch's."""
    state = training_of(task_type)
    modules = [*state.encoder.modules(), *state.heads.modules()]
    assert not any(isinstance(module, nn.Dropout) for module in modules)
    ours = [module for module in modules if isinstance(module, Dropout | AttentionDropout)]
    assert len({module.layer_name for module in ours}) == len(ours)
    with tiny.dropout_layers_used() as called:
        gradients(task_type, [[0, 1]])
    assert sorted(called) == sorted(module.layer_name for module in ours)


@pytest.mark.parametrize("lengths", [(5, 5), (3, 9, 1)])
def test_attention_by_hand_is_torchs_attention(lengths):
    """With a probability so small that nothing is dropped, padded or not."""
    features = one_sequence_instances(
        [np.zeros(n, dtype=np.int32) for n in lengths], lengths, [None] * len(lengths)
    )
    batch = pack(features, range(len(lengths)), step_seed=1)
    shape = (len(lengths), 2, max(lengths), 4)
    torch.manual_seed(0)
    query, key, value = (torch.randn(shape) for _ in range(3))
    off, on = AttentionDropout(0.0, 2, 9).train(), AttentionDropout(1e-6, 2, 9).train()
    assert on.active
    assert not off.active
    theirs = attend(query, key, value, keys_seen(batch), off, batch)
    ours = attend(query, key, value, keys_seen(batch), on, batch)
    torch.testing.assert_close(batch.flat(ours), batch.flat(theirs))


def test_attention_drops_the_same_weights_whatever_a_sequence_is_batched_with():
    """A longer neighbour pads a sequence; its own weights keep their fate."""
    features = one_sequence_instances(
        [np.zeros(n, dtype=np.int32) for n in (3, 9)], (3, 9), [None, None]
    )
    drop = AttentionDropout(0.5, 2, 9).train()
    alone = drop(torch.ones(1, 2, 3, 3), drop.padded_seeds(pack(features, [0], step_seed=1)))
    padded = drop(torch.ones(2, 2, 9, 9), drop.padded_seeds(pack(features, [1, 0], step_seed=1)))
    assert torch.equal(alone[0], padded[1, :, :3, :3])
    assert 0 < alone.mean() < 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("lengths", [(4, 4, 4), (3, 9, 9, 1), (700, 700)])
def test_attention_is_the_same_however_it_is_computed(lengths, dtype):
    """Sequence by sequence (on a CPU), all at once (elsewhere) and by torch: what is dropped, the
    outcome, and the gradient, which is written by hand."""
    features = one_sequence_instances(
        [np.zeros(n, dtype=np.int32) for n in lengths], lengths, [None] * len(lengths)
    )
    batch = pack(features, range(len(lengths)), step_seed=1)
    drop = AttentionDropout(0.3, 2, 700).train()
    torch.manual_seed(0)
    qkv, wanted = torch.randn(sum(lengths), 3 * 8), torch.randn(sum(lengths), 8)
    found = []
    for way in (self_attention, _AllAtOnce.apply, padded_attention):
        leaf = qkv.to(dtype).requires_grad_()
        out = way(leaf, batch, 2, drop)
        (out * wanted.to(dtype)).sum().backward()
        assert out.dtype == leaf.grad.dtype == dtype
        found.append((out.detach(), leaf.grad))
    size = {torch.float64: 1e-6, torch.bfloat16: 0.05}[dtype]  # weights are computed in float32
    *ours, torchs = found
    for way in ours:
        for mine, theirs in zip(way, torchs, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=size, atol=size)


def test_attention_all_at_once_takes_few_operations():
    """Each is a kernel to start: on a GPU that takes longer than what most of them compute."""
    lengths = (3, 9, 1)
    features = one_sequence_instances(
        [np.zeros(n, dtype=np.int32) for n in lengths], lengths, [None] * len(lengths)
    )
    batch, drop = pack(features, range(3), step_seed=1), AttentionDropout(0.3, 2, 9).train()
    qkv = torch.randn(13, 24, requires_grad=True)
    for _ in range(2):  # what is known of a batch is known to all layers
        with tiny.kernels() as forward:
            out = _AllAtOnce.apply(qkv, batch, 2, drop)
        with tiny.kernels() as backward:
            out.sum().backward()
    assert len(forward) <= 13, forward
    assert len(backward) <= 17, backward


def padded_attention(qkv, batch, heads, drop):
    """Padded, its gradient by torch."""
    query, key, value = split_heads(batch.padded(qkv, 0.0), heads)
    return batch.flat(attend(query, key, value, keys_seen(batch), drop, batch))


def test_micro_batches_change_a_whole_training_only_by_rounding(tmp_path):
    """Dropout on, two epochs, three budgets: the weights agree to float32's precision."""
    results = []
    for number, budget in enumerate((16, 60, 100_000)):
        job = tiny.training_job(tmp_path, tiny.task(tmp_path, learning_rate=1e-3), name=str(number))
        state = Trainer(replace(job, compute=tiny.compute(micro_batch_tokens=budget)))
        list(state.steps())
        results.append(state.checkpoint())
    for other in results[1:]:
        for name, tensor in results[0].body.items():
            torch.testing.assert_close(tensor, other.body[name], rtol=1e-3, atol=2e-5)
