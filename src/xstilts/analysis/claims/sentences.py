"""The sentences of claim results, built from their numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xstilts.analysis.claims.pooled import MEAN
from xstilts.analysis.report.numbers import bracketed, count, plain, signed
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xstilts.analysis.claims.result import Adjusted, ClaimResult, Comparison, Verdict
    from xstilts.analysis.language_groups import Covariate
    from xstilts.config.claims import Claim, Estimand
    from xstilts.config.resolve import ScoreKey
    from xstilts.grid.keys import EvaluationKey

_LISTED = 4
"""So many comparisons are named; of more the sentence gives the range and counts."""


def of_scores(result: ClaimResult, verdict: Verdict, depends: Mapping[str, Verdict]) -> str:
    """What the comparisons say: estimates with intervals, on how many trainings and languages.

    ``depends``: the verdicts that differ from it because of the floor.
    """
    parts = [_comparisons(result), _basis(result), _development(result), _adjusted(result)]
    if depends:
        found = ", ".join(f"{name} it is {other}" for name, other in depends.items())
        parts.append(
            f"The verdict depends on the floor: as they are the scores give {verdict}, {found}."
        )
    elif verdict == "inconclusive":
        parts.append(_reason(result))
    return " ".join(filter(None, parts)) + published_sizes(result)


def _comparisons(result: ClaimResult) -> str:
    comparisons, estimand = result.contrasts, result.estimand
    if len(comparisons) <= _LISTED:
        named = ", ".join(f"{name_of(c, comparisons)} {_number(c, estimand)}" for c in comparisons)
    else:
        estimates = [comparison.contrast.estimate for comparison in comparisons]
        words = Counter(_word(c, estimand) for c in comparisons)
        found = ", ".join(f"{words[word]} {word}" for word in _WORDS if words[word])
        named = (
            f"{len(comparisons)} comparisons from {signed(min(estimates))} to "
            f"{signed(max(estimates))} ({found})"
        )
    mean = f"; on average {_number(result.mean, estimand)}" if result.mean else ""
    return f"{named}{mean}, in {result.unit}."


_WORDS = ("above zero", "below zero", "undecided")


def _word(comparison: Comparison, estimand: Estimand) -> str:
    uncertainty = comparison.uncertainty(estimand)
    if uncertainty is None or not uncertainty.interval.excludes_zero:
        return "undecided"
    return "above zero" if uncertainty.interval.above_zero else "below zero"


def _number(comparison: Comparison, estimand: Estimand) -> str:
    """``+1.2 [+0.3, +2.1]``; the estimate alone where it has no interval."""
    uncertainty = comparison.uncertainty(estimand)
    estimate = signed(comparison.contrast.estimate)
    return f"{estimate} {bracketed(*uncertainty.interval)}" if uncertainty else estimate


def name_of(comparison: Comparison, among: Sequence[Comparison]) -> str:
    """A comparison by what tells it from the others: its condition, baseline and target."""
    name = "mean" if comparison.condition == MEAN else comparison.condition
    if comparison.against != NONE and comparison.condition != MEAN:
        name += f" against {comparison.against}"
    if len({other.targets for other in among}) > 1:
        name += f" on {', '.join(comparison.targets)}"
    return name


def _basis(result: ClaimResult) -> str:
    """On how many trainings and languages the comparisons rest."""
    contrasts = [comparison.contrast for comparison in result.contrasts]
    seeds = sorted({contrast.seeds for contrast in contrasts})
    baseline = sorted({contrast.baseline_seeds for contrast in contrasts})
    languages = sorted({contrast.languages for contrast in contrasts})
    families = sorted({contrast.families for contrast in contrasts})
    basis = (
        f"{_range(seeds, 'training')} of a condition and {_range(baseline, 'training')} of what it "
        f"is compared with, {_range(languages, 'language')} of "
        f"{_range(families, 'family', 'families')}."
    )
    return basis + _without_items(result)


def _development(result: ClaimResult) -> str:
    """Which targets are judged by development scores; empty for a claim about test scores."""
    found = result.development
    if found is None:
        return ""
    begin = "Scores are of" if found.use == "compared" else "Conditions are chosen on"
    rest = ""
    if found.on_test:
        own = "a training of its own" if len(found.on_test) == 1 else "trainings of their own"
        rest = f", and of test data for {', '.join(found.on_test)} without {own}"
    return f"{begin} English development data for {count(found.targets, 'target')}{rest}."


_COVARIATES: dict[Covariate, str] = {"seen": "seen languages", "script": "Latin script"}


def name_of_adjusted(adjusted: Adjusted) -> str:
    """What is held equal: ``seen languages and Latin script held equal``."""
    return f"{' and '.join(_COVARIATES[name] for name in adjusted.held)} held equal"


def _adjusted(result: ClaimResult) -> str:
    """The slope with other differences between languages held equal; empty without a slope."""
    found = ", ".join(
        f"{name_of_adjusted(one)} {_number(one.comparison, result.estimand)}"
        for one in result.adjusted
    )
    return f"With {found}." if found else ""


def _without_items(result: ClaimResult) -> str:
    """That the intervals lack the noise of test items; empty where they have it or are none."""
    lacking = [
        comparison
        for comparison in result.contrasts
        if comparison.uncertainty(result.estimand) and not comparison.contrast.has_item_noise
    ]
    return " The noise of test items is not in the intervals." if lacking else ""


def _range(numbers: Sequence[int], one: str, many: str | None = None) -> str:
    if not numbers:
        return f"no {one}"
    if numbers[0] == numbers[-1]:
        return count(numbers[0], one, many)
    return f"{numbers[0]} to {count(numbers[-1], one, many)}"


def _reason(result: ClaimResult) -> str:
    """Why nothing is decided: the reason for no interval, or intervals that are too wide."""
    without = [c.contrast for c in result.contrasts if c.uncertainty(result.estimand) is None]
    reasons = [contrast.reason for contrast in without if contrast.reason]
    if reasons:
        one = any(1 in (contrast.seeds, contrast.baseline_seeds) for contrast in without)
        return f"Inconclusive{' (one training)' if one else ''}: {reasons[0]}."
    return "The intervals are too wide to decide."


def published_sizes(result: ClaimResult) -> str:
    """The published sizes, and whether the intervals hold them; empty if there are none."""
    if not result.published:
        return ""
    compared = {
        c.condition: "inside the interval" if inside else "outside the interval"
        for c in result.contrasts
        if (inside := c.holds_published(result.estimand)) is not None
    }
    listed = ", ".join(
        f"{name} {plain(value)}" + (f" ({compared[name]})" if name in compared else "")
        for name, value in result.published
    )
    return f" Published: {listed}."


# --- what is missing ------------------------------------------------------------------------------


def absent(lacking: Mapping[str, Sequence[str]], claim: Claim) -> str:
    """What the study lacks, by kind (condition, target, language); which study has it."""
    kinds = [
        f"the {_plural(kind, names)} {_some(names)}" for kind, names in lacking.items() if names
    ]
    return f"This study lacks {' and '.join(kinds)}.{study_of(claim)}"


def _plural(word: str, names: Sequence[str]) -> str:
    return word if len(names) == 1 else f"{word}s"


def nothing_to_compare(claim: Claim) -> str:
    """No target of the study has the languages that a claim is about."""
    if claim.low_minus_rest:
        needed = "both low-resource languages and others"
    elif claim.slope:
        needed = "languages with different amounts of pretraining text"
    else:
        needed = "the languages that the claim is about, or no condition is compared"
    return f"No target of this study has {needed}.{study_of(claim)}"


def study_of(claim: Claim) -> str:
    """Which study measures a claim; empty if the claim names none."""
    return f" {claim.study} has what the claim needs." if claim.study else ""


def missing(keys: Sequence[ScoreKey]) -> str:
    """How many scores are missing, of which conditions and targets."""
    return _missing(count(len(keys), "score is", "scores are"), keys, "on")


def missing_dev(keys: Sequence[EvaluationKey]) -> str:
    """How many trainings record no development score, of which conditions and targets."""
    counted = count(len(keys), "development score is", "development scores are")
    return (
        f"{_missing(counted, keys, 'for')} A training records it in the stamp of its checkpoint, "
        "unless its last checkpoint is kept without a choice."
    )


def _missing(counted: str, keys: Sequence[ScoreKey] | Sequence[EvaluationKey], on: str) -> str:
    conditions = dict.fromkeys(key.condition for key in keys)
    targets = dict.fromkeys(key.target for key in keys)
    return (
        f"{counted} missing: of the {_plural('condition', list(conditions))} {_some(conditions)}, "
        f"{on} the {_plural('target', list(targets))} {_some(targets)}."
    )


def _some(names: Iterable[str], most: int = 4) -> str:
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest


# --- disagreement ---------------------------------------------------------------------------------


def disagreement(verdict: Verdict, others: Mapping[str, Verdict]) -> str:
    """The other ways to measure that give another verdict; empty if all agree."""
    return "; ".join(f"{name}: {found}" for name, found in others.items() if found != verdict)
