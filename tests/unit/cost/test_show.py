"""The plan as text."""

from __future__ import annotations

from xstilts.cost.estimate import estimate
from xstilts.cost.show import as_text


def test_the_plan_is_shown_in_short_lines(grid, costs):
    shown = as_text(estimate(grid, costs, device="box"), 8)
    assert "2 to do,      0 done" in shown
    assert "on 8 devices" in shown
    assert all(len(line) <= 110 for line in shown.splitlines())
