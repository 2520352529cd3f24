"""The mean gains as a short table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.language_groups import LOW, ZERO_SHOT
from xstilts.analysis.report import numbers
from xstilts.analysis.report.results import results_of
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from xstilts.analysis.report.results import Effect
    from xstilts.analysis.statistics.questions import Analysis

HEAD = ("encoder", "condition", "target", "zero-shot gain", "verdict", "low-resource gain")
ONE_TRAINING = (
    "A condition that was trained once has no interval: the luck of one training cannot be told "
    "from an effect.\n"
)


def text_summary(analysis: Analysis) -> str:
    """The gains as plain text: a line for each encoder, condition and target.

    Each line has the mean gain over the zero-shot languages with its 95 % interval for languages
    like these and the verdict, then the mean gain over the low-resource ones among them. The number
    of languages stands in parentheses.
    """
    lines: list[tuple[str, ...]] = [HEAD]
    effects: list[Effect] = []
    for encoder in analysis.scores.encoders:
        results = results_of(analysis, encoder)
        for effect in results.means:
            if effect.group == ZERO_SHOT:
                low = results.mean(effect.condition, effect.target, LOW)
                gain, verdict = _gain(effect), effect.verdict
                lines.append((encoder, effect.condition, effect.target, gain, verdict, _gain(low)))
                effects.append(effect)
    if not effects:
        return f"No gains: there is no score of a condition besides {NONE!r}, the baseline.\n"
    once = any(effect.contrast.sensitivity for effect in effects)
    return _aligned(lines) + (ONE_TRAINING if once else "")


def _gain(effect: Effect | None) -> str:
    """``+1.2 [+0.3, +2.0] (44)``."""
    if effect is None or not effect.contrast.languages:
        return numbers.MISSING
    like_these = effect.contrast.like_these
    parts = [
        numbers.signed(effect.contrast.estimate),
        numbers.bracketed(*like_these.interval) if like_these else "",
        f"({effect.contrast.languages})",
    ]
    return " ".join(filter(None, parts))


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in (lines[0], rule, *lines[1:])
    )
