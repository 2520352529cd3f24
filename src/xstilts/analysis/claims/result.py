"""What a grid says about one claim: the verdict, its sentence, and what both rest on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xstilts.analysis.language_groups import Covariate
    from xstilts.analysis.statistics.contrast import Contrast, Uncertainty
    from xstilts.config.claims import Estimand
    from xstilts.config.resolve import ScoreKey

Verdict = Literal[
    "supported", "contradicted", "negligible", "inconclusive", "not measured", "not testable"
]
VERDICTS: tuple[Verdict, ...] = (
    "supported", "contradicted", "negligible", "inconclusive", "not measured", "not testable",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A condition compared with another on some targets."""

    condition: str
    against: str
    targets: tuple[str, ...]
    contrast: Contrast
    published: float | None = None
    """The published size, in points."""

    def uncertainty(self, estimand: Estimand) -> Uncertainty | None:
        """The uncertainty under an estimand; None where the contrast has none."""
        contrast = self.contrast
        return contrast.these if estimand == "these_languages" else contrast.like_these

    def holds_published(self, estimand: Estimand) -> bool | None:
        """Whether the 95 % interval holds the published size; None without both of them."""
        uncertainty = self.uncertainty(estimand)
        if self.published is None or uncertainty is None:
            return None
        low, high = uncertainty.interval
        return low <= self.published <= high


Use = Literal["compared", "chosen on"]


@dataclass(frozen=True)
class Development:
    """What a claim asks of development scores: it compares them, or a condition is chosen on them.

    ``targets``: how many have such scores; ``on_test``: those whose test scores stand in, because
    no training is for them.
    """

    use: Use
    targets: int
    on_test: tuple[str, ...]


@dataclass(frozen=True)
class Adjusted:
    """The mean of a claim's slopes with something held equal: seen, script, or both."""

    held: tuple[Covariate, ...]
    verdict: Verdict
    comparison: Comparison


@dataclass(frozen=True)
class ClaimResult:
    """The verdict on one claim, for one encoder."""

    id: str
    text: str
    verdict: Verdict
    sentence: str
    """Why: the numbers, or what is missing."""
    source: str
    encoder: str = ""
    """Empty for a claim that is not about an encoder."""
    evidence: str = ""
    """What is known of the claim without this grid."""
    note: str = ""
    """How the measure differs from that of the source."""
    unit: str = "points"
    estimand: Estimand = "languages_like_these"
    development: Development | None = None
    """None for a claim about test scores alone."""
    contrasts: tuple[Comparison, ...] = ()
    mean: Comparison | None = None
    """The mean of several comparisons, which share their baseline."""
    adjusted: tuple[Adjusted, ...] = ()
    """Of a claim about a slope: its sensitivity to what else differs between languages."""
    published: tuple[tuple[str, float], ...] = ()
    """Published sizes, by name; they decide nothing."""
    missing: tuple[ScoreKey, ...] = ()
    """Scores that the claim needs and that do not exist, or are out of date."""
    command: str = ""
    """The command that computes what is missing."""
    disagreement: str = ""
    """What another definition or estimand says, where it gives another verdict."""

    def judged(self, verdict: Verdict, sentence: str) -> ClaimResult:
        """This result with a verdict and its sentence."""
        return replace(self, verdict=verdict, sentence=sentence)
