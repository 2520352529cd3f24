"""The update of a step: AdamW (Loshchilov and Hutter 2019) of gradients that are clipped.

Clipping happens inside the update: the fused kernel divides each gradient as it reads it, which
spares a pass over all gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from xstilts.models.out_of_memory import with_all_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xstilts.config.hyperparameters import Hyperparameters

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_ROUNDING = 1e-6  # which torch's `clip_grad_norm_` adds to a norm, so that it is never 0


class Update:
    """AdamW over named parameters; those without a gradient in a step keep their values."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        norms: set[nn.Parameter],
        hyperparameters: Hyperparameters,
    ) -> None:
        """Weight decay is on matrices, not on biases and ``norms`` (as in BERT and jiant)."""
        self._parameters = dict(parameters)
        decayed: list[nn.Parameter] = []
        undecayed: list[nn.Parameter] = []
        for name, parameter in parameters.items():
            is_undecayed = name.endswith("bias") or parameter in norms
            (undecayed if is_undecayed else decayed).append(parameter)
        h = hyperparameters
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": h.weight_decay},
                {"params": undecayed, "weight_decay": 0.0},
            ],
            lr=h.learning_rate,
            eps=h.adam_epsilon,
            fused=True,
        )

    def step(self, title: str, learning_rate: float, clip_norm: float) -> torch.Tensor:
        """Update every parameter that has a gradient; gives the norm () of all gradients.

        Together they count as if their norm was at most ``clip_norm``. Memory is allocated before
        anything is updated; where it runs out, once more with the cache emptied. Raises
        `TrainingError` with ``title`` where it runs out again.
        """
        with_all_memory(title, self._allocate_moments)
        grads = [p.grad for p in self._parameters.values() if p.grad is not None]
        norm = with_all_memory(title, lambda: nn.utils.get_total_norm(grads))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # the optimiser reads this attribute as torch.amp's gradient scalers set it
        self.optimizer.grad_scale = ((norm + _ROUNDING) / clip_norm).clamp(min=1.0)  # type: ignore[attr-defined]
        self.optimizer.step()
        return norm

    def _allocate_moments(self) -> None:
        """Those of parameters that have had no gradient before.

        The optimiser would allocate some after it has updated others, and a moment that did not
        fit would leave its parameter with half a state.
        """
        for parameter in self._parameters.values():
            if parameter.grad is not None and parameter not in self.optimizer.state:
                self.optimizer.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }

    def moments(self) -> dict[str, torch.Tensor]:
        """The optimiser's state, named ``<moment>.<parameter>``."""
        states = {name: self.optimizer.state.get(p, {}) for name, p in self._parameters.items()}
        return {f"{m}.{name}": state[m] for name, state in states.items() for m in state}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `moments` gave; a parameter that has had no gradient has none.

        Raises `KeyError` where a parameter has some of its moments only.
        """
        states: dict[torch.Tensor, dict[str, torch.Tensor]] = {
            p: {m: tensors[f"{m}.{name}"].to(p.device) for m in _MOMENTS}
            for name, p in self._parameters.items()
            if any(f"{m}.{name}" in tensors for m in _MOMENTS)
        }
        self.optimizer.state.clear()
        self.optimizer.state.update(states)
