"""The kinds of task. Each file owns its kind: features, head, loss, decoding and scoring.

A format is a module with these names; `Format` is their type, `get` finds one by a card's name.
Nothing is imported here that a single format does not need: the digest of a stage's code covers
exactly the formats that the stage runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import nn

    from xstilts.data.examples import Example
    from xstilts.models.batch import Batch, Features
    from xstilts.models.tokenizer import Limits, Tokenizer


class Format(Protocol):
    """What every format module provides."""

    def encode(
        self,
        examples: Sequence[Example],
        tokenizer: Tokenizer,
        labels: Sequence[str],
        limits: Limits,
        *,
        training: bool,
    ) -> Features:
        """Tokenise examples. In training, items without a usable target are left out, counted."""

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head. Called with hidden states (T, H) and a `Batch`, it gives the outputs."""

    def loss(self, outputs: Any, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """The sum of the items' losses, each weighted as its features say.

        ``smoothing``: share of the target that all classes have alike (Szegedy et al. 2016).
        """

    def outputs(self, outputs: Any, batch: Batch) -> list[np.ndarray]:
        """The head's outputs as one array per item."""

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[dict[str, Any]]:
        """One prediction per scored example, as a row of the predictions file."""

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[dict[str, Any]],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """How many things were scored, and the metrics in per cent."""


class Pooled(Format, Protocol):
    """A format whose examples are encoded in parts, because languages may share some of them."""

    def parts(self, examples: Sequence[Example]) -> list[list[int]]:
        """The places of each part's examples; every example is in one part."""


class Tuned(Format, Protocol):
    """A format some of whose scorers need a number that is chosen on other examples."""

    TUNED: Sequence[str]

    def tune(self, examples: Sequence[Example], predictions: Sequence[dict[str, Any]]) -> float:
        """The number that is best for these predictions of these examples."""

    def tuned(
        self, predictions: Sequence[dict[str, Any]], threshold: float
    ) -> list[dict[str, Any]]:
        """Predictions to which the number is applied: only these can be scored."""


def parts(form: Format, examples: Sequence[Example]) -> list[list[int]]:
    """The places of the examples that are encoded together; one part where nothing is shared."""
    if hasattr(form, "parts"):
        return cast("Pooled", form).parts(examples)
    return [list(range(len(examples)))]


def tuned(form: Format, scorer: str) -> Tuned | None:
    """The format, if this scorer of it is tuned."""
    return cast("Tuned", form) if scorer in getattr(form, "TUNED", ()) else None


def get(name: str) -> Format:
    """The format of this name (checked when its card was read)."""
    return cast("Format", import_module(f"xstilts.tasks.{name}.model"))


def collapsed(predictions: Sequence[dict[str, Any]]) -> bool:
    """Whether a model says the same of everything where the gold answers differ.

    Tags are compared one by one, everything else whole.
    """
    said, gold = (
        {str(x) for p in predictions for x in (p[side] if _tags(p) else [p[side]])}
        for side in ("prediction", "gold")
    )
    return len(said) == 1 and len(gold) > 1


def _tags(prediction: dict[str, Any]) -> bool:
    return isinstance(prediction["prediction"], list)
