"""The update of a step is AdamW after clipping, and survives a lack of memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.errors import TrainingError
from xstilts.training.update import Update

TITLE = "step 1 of mnli"
H = Hyperparameters(weight_decay=0.1, learning_rate=0.01)


def parameters() -> dict[str, nn.Parameter]:
    """A matrix, a bias, a norm, and a head that no step trains."""
    draw = torch.Generator().manual_seed(1)
    shapes = {"a.weight": (3, 2), "a.bias": (3,), "norm.weight": (3,), "idle.weight": (2,)}
    return {n: nn.Parameter(torch.randn(s, generator=draw)) for n, s in shapes.items()}


def update_of(named) -> Update:
    return Update(named, {named["norm.weight"]}, H)


def give_gradients(named, size: float = 1.0) -> None:
    draw = torch.Generator().manual_seed(2)
    for name, p in named.items():
        if not name.startswith("idle"):
            p.grad = size * torch.randn(p.shape, generator=draw)


@pytest.mark.parametrize("size", [0.01, 100.0])
def test_it_is_adamw_after_clipping(size):
    """The plain way in float64, two steps: small gradients as they are, large ones clipped."""
    named = parameters()
    plain = {name: nn.Parameter(p.detach().double()) for name, p in named.items()}
    decayed = [plain["a.weight"], plain["idle.weight"]]
    undecayed = [plain["a.bias"], plain["norm.weight"]]
    adamw = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": undecayed, "weight_decay": 0.0}],
        lr=0.01,
        eps=H.adam_epsilon,
    )
    update = update_of(named)
    for _ in range(2):
        give_gradients(named, size)
        for name, p in plain.items():
            grad = named[name].grad
            p.grad = None if grad is None else grad.double()
        wanted = nn.utils.clip_grad_norm_(plain.values(), 1.0)
        adamw.step()
        norm = update.step(TITLE, 0.01, 1.0)
        torch.testing.assert_close(norm.double(), wanted)
    for name, p in named.items():
        torch.testing.assert_close(p.detach().double(), plain[name].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("failed", range(6))
def test_a_lack_of_memory_changes_nothing(failed, monkeypatch):
    """Whichever moment does not fit: the second attempt ends as an undisturbed update."""
    whole, named = parameters(), parameters()
    for each in (whole, named):
        give_gradients(each)
    update_of(whole).step(TITLE, 0.01, 1.0)
    zeros_like, calls = torch.zeros_like, []

    def short_of_memory(*args, **kwargs):
        calls.append(1)
        if len(calls) == failed + 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return zeros_like(*args, **kwargs)

    monkeypatch.setattr(torch, "zeros_like", short_of_memory)
    update_of(named).step(TITLE, 0.01, 1.0)
    assert len(calls) > failed + 1
    for name, p in named.items():
        assert torch.equal(p, whole[name]), name


def test_moments_that_never_fit_are_a_clear_error(monkeypatch):
    named = parameters()
    give_gradients(named)

    def no_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "zeros_like", no_memory)
    with pytest.raises(TrainingError, match="step 1 of mnli: out of memory; the encoder and"):
        update_of(named).step(TITLE, 0.01, 1.0)


def test_moments_are_restored():
    """An update that goes on from them gives the same bits; an idle head has none."""
    named, again = parameters(), parameters()
    give_gradients(named)
    update, other = update_of(named), update_of(again)
    update.step(TITLE, 0.01, 1.0)
    moments = {name: value.clone() for name, value in update.moments().items()}
    assert not [name for name in moments if "idle" in name]
    with torch.no_grad():
        for name, p in again.items():
            p.copy_(named[name])
    other.restore(moments)
    give_gradients(again)
    for each in (update, other):
        each.step(TITLE, 0.01, 1.0)
    for name, p in named.items():
        assert torch.equal(p, again[name]), name


def test_half_a_state_is_refused():
    named = parameters()
    with pytest.raises(KeyError, match="exp_avg"):
        update_of(named).restore({"step.a.bias": torch.zeros(())})
