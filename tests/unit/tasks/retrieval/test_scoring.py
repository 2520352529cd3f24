"""The scores of retrieval are those of the official scripts, to the last bit."""

from __future__ import annotations

from xstilts.metrics.accuracy import accuracy
from xstilts.tasks.retrieval.scoring import SCORING


def test_the_accuracy_of_the_nearest_is_rounded_as_officially():
    """A cell and `xstilts score`, which takes `accuracy`, have one rounding: (n / N) * 100."""
    for right in range(0, 1001, 7):
        found = ["c" if i < right else "x" for i in range(1000)]
        rows = [{"id": str(i), "prediction": p, "gold": ["c"]} for i, p in enumerate(found)]
        _, metrics = SCORING.score([], rows, "nearest", "de")
        assert metrics["accuracy"] == right / 1000 * 100 == accuracy(["c"] * 1000, found)
