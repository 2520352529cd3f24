"""Colours of gains that everybody can read."""

import numpy as np

from xstilts.analysis.report import heatmap


def test_every_shade_can_be_read():
    """The ink of every shade has a contrast of at least 4.5 (WCAG AA)."""
    shades = [heatmap.NEUTRAL] + [
        heatmap.colour(step, ends)
        for ends in (heatmap.GAIN, heatmap.LOSS)
        for step in range(1, heatmap.STEPS + 1)
    ]
    assert min(heatmap.contrast(heatmap.ink_on(c), c) for c in shades) >= 4.5


def test_shades_darken_away_from_zero():
    """A larger gain or loss is never lighter than a smaller one."""
    for ends in (heatmap.GAIN, heatmap.LOSS):
        colours = [heatmap.colour(step, ends) for step in range(1, heatmap.STEPS + 1)]
        contrasts = [heatmap.contrast((255, 255, 255), colour) for colour in colours]
        assert contrasts == sorted(contrasts)


def test_one_odd_gain_does_not_bleach_the_others():
    """The scale ends where 95 % of the gains end."""
    assert heatmap.limit_of(np.array([0.5] * 99 + [60.0])) == 1


def test_no_gains_have_a_scale():
    """An empty study has a scale all the same."""
    assert heatmap.limit_of(np.array([])) == 1
