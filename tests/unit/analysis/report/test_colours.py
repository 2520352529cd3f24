"""Colours carry the sign and the size of a gain, and the number on them can be read."""

import math

import pytest

from xstilts.analysis.report import colours


@pytest.mark.parametrize("gain", [-9.0, -5.0, -2.5, -0.1, 0.0, 0.1, 2.5, 5.0, 9.0])
def test_numbers_can_be_read_on_every_colour(gain):
    """WCAG asks for a contrast of 4.5."""
    background = colours.shade(gain, 5.0)
    assert colours.contrast(colours.ink_on(background), background) >= 4.5


def test_gains_are_blue_and_losses_orange():
    """The larger channel tells them apart."""
    red, _, blue = colours.shade(4.0, 5.0)
    assert blue > red
    red, _, blue = colours.shade(-4.0, 5.0)
    assert red > blue


def test_the_scale_ends_at_its_limit():
    """A larger gain has the last colour."""
    assert colours.shade(50.0, 5.0) == colours.shade(5.0, 5.0)


def test_an_undefined_gain_has_no_colour():
    """White, as the page."""
    assert colours.shade(math.nan, 5.0) == (255, 255, 255)


def test_a_faded_colour_is_lighter():
    """It lies between white and the colour."""
    assert colours.in_hex(colours.faded((0, 100, 200), 0.5)) == "#80b2e4"
