"""Figures of effects with their intervals: by language, target, family; conditions by targets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xstilts.analysis.language_groups import ZERO_SHOT
from xstilts.analysis.report import numbers
from xstilts.analysis.report.data_table import Column
from xstilts.analysis.report.figures import plots
from xstilts.analysis.report.figures.plots import Categories
from xstilts.analysis.report.figures.values import HeatCell, HeatMap, Mark, ReportFigure, Strip
from xstilts.analysis.report.resources import level_of, ordered_by_level
from xstilts.analysis.report.results import ALL_TARGETS, Effect
from xstilts.analysis.report.tables import (
    CONDITION,
    COUNTS,
    EFFECT,
    NOTE,
    TARGET,
    VERDICT,
    effect_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.figure import Figure

    from xstilts.analysis.report.results import Results
    from xstilts.analysis.statistics.contrast import Verdict

LANGUAGE = Column("language", "name", "group")
DEFINITION = Column("low-resource by", "text", "group")
MOST_STRIPS = 12
"""A figure with more conditions shows the first ones; its table has all."""
DIFFERENCE_WORDS: dict[Verdict, str] = {"gain": "more", "loss": "less", "negligible": "as much"}
INTERVALS = (
    "The thin line is the 95 % interval for languages like these, the thick one that for exactly "
    "these languages; a mark is filled where the first excludes zero."
)


def gain_by_language(results: Results) -> ReportFigure:
    """The gain of each zero-shot language, mean over targets, by resource level."""
    languages = results.analysis.languages
    codes = ordered_by_level(results.languages, languages)
    effects = _effects(results, {code: [code] for code in codes})
    table = effect_table(
        f"{results.encoder}/gain_by_language",
        "Gain by language, mean over targets, the least resourced language first",
        results.encoder,
        effects,
        (CONDITION, LANGUAGE, EFFECT[0], EFFECT[2], *COUNTS[:2]),
    )
    levels = Counter(level_of(code, languages) for code in codes)
    return ReportFigure(
        table=table,
        title=_share_title(effects, "gains by language"),
        description="Gain of each language, mean over targets, one strip for each condition; "
        "languages from the least to the best resourced. One language is no sample of languages, "
        "so that only the interval for this very language exists.",
        drawing=_strips(results, effects, Categories(codes, tuple(levels.items()))),
    )


def overview(results: Results) -> ReportFigure:
    """Mean gains over all zero-shot languages: conditions by targets."""
    effects = [effect for effect in results.means if effect.group == ZERO_SHOT]
    by_place = {(e.condition, e.target): e for e in effects}
    targets = tuple(dict.fromkeys(e.target for e in effects))
    cells = [
        [HeatCell(by_place[c, t].contrast.estimate, by_place[c, t].verdict) for t in targets]
        for c in results.conditions
    ]
    single = [effect for effect in effects if effect.target != ALL_TARGETS]
    found = Counter(effect.verdict for effect in single)
    firm = [e for e in single if e.verdict in ("gain", "loss")]
    kept = sum(e.q is not None and e.q < 0.05 for e in firm)
    gains, losses = found["gain"], found["loss"]
    title = (
        f"{numbers.count(gains, 'gain')}, {numbers.count(losses, 'loss', 'losses')}, "
        f"{found['negligible']} negligible and {found['inconclusive']} inconclusive among "
        f"{numbers.count(len(single), 'pair')} of condition and target"
    )
    if all(effect.contrast.sensitivity for effect in effects):
        title = "Differences between single trainings: none of them is a verdict"
    elif firm:
        title += f"; {kept} of the {len(firm)} stand after correction for their number"
    return ReportFigure(
        table=effect_table(
            f"{results.encoder}/overview",
            "Mean gain over all zero-shot languages",
            results.encoder,
            effects,
            (CONDITION, TARGET, *EFFECT, Column("q", "p", "q"), VERDICT, *COUNTS, NOTE),
            anchor="overview",
        ),
        title=title,
        description="Mean gain over all zero-shot languages, conditions by targets. The colours of "
        "a column end at its largest effect; inconclusive effects are pale and grey.",
        drawing=plots.heat_map(HeatMap(results.conditions, targets, cells)) if cells else None,
    )


def low_minus_rest(results: Results) -> ReportFigure:
    """The gain of low-resource languages minus that of the others, by target."""
    effects = results.low_minus_rest
    targets = tuple(dict.fromkeys(e.target for e in effects))
    whole = [e for e in effects if e.target == targets[0]] if targets else []
    return ReportFigure(
        table=effect_table(
            f"{results.encoder}/low_minus_rest",
            "Gain of low-resource languages minus gain of the others, within targets: by Joshi "
            "class 0-2, and by other definitions",
            results.encoder,
            [*effects, *results.low_minus_rest_by_others],
            (CONDITION, TARGET, DEFINITION, *EFFECT, VERDICT, *COUNTS, NOTE),
            anchor="low_minus_rest",
            words=DIFFERENCE_WORDS,
        ),
        title=_difference_title(whole),
        description="Gain of low-resource languages minus gain of the others, by target, one strip "
        "for each condition. " + INTERVALS,
        drawing=_strips(results, effects, Categories(targets), "low-resource minus rest, points"),
    )


def family_and_script(results: Results) -> ReportFigure:
    """Mean gains by family, then by script of the languages."""
    families = _grouped(results, lambda code: results.analysis.languages[code].family)
    scripts = _grouped(results, lambda code: results.analysis.languages[code].script)
    groups = {**families, **scripts}
    effects = _effects(results, groups)
    return ReportFigure(
        table=effect_table(
            f"{results.encoder}/family_and_script",
            "Mean gain by family and by script, mean over targets",
            results.encoder,
            effects,
            (CONDITION, Column("family or script", "name", "group"), *EFFECT, *COUNTS),
        ),
        title=_share_title(effects, "mean gains by family or script"),
        description="Mean gain over the languages of a family or script, mean over targets, one "
        "strip for each condition. A family is one draw from the world's families, so that "
        "its languages have the interval for exactly these languages only.",
        drawing=_strips(
            results,
            effects,
            Categories(
                tuple(f"{group} ({len(codes)})" for group, codes in groups.items()),
                [("families", len(families)), ("scripts", len(scripts))],
            ),
        ),
    )


def _grouped(results: Results, name_of: Callable[[str], str | None]) -> dict[str, list[str]]:
    """The zero-shot languages by what ``name_of`` gives, the largest group first."""
    found: dict[str, list[str]] = {}
    for code in results.languages:
        name = name_of(code) if code in results.analysis.languages else None
        if name:
            found.setdefault(name, []).append(code)
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def _effects(results: Results, groups: Mapping[str, Sequence[str]]) -> list[Effect]:
    """The mean gains over groups of languages: all groups of a condition, then of the next."""
    found = {
        (condition, group): results.of_languages(condition, codes)
        for group, codes in groups.items()  # all conditions of a group share its design
        for condition in results.conditions
    }
    return [
        Effect(condition, "", group, found[condition, group])
        for condition in results.conditions
        for group in groups
    ]


def _strips(
    results: Results,
    effects: Sequence[Effect],
    categories: Categories,
    label: str = "gain, points",
) -> Figure | None:
    marks: dict[str, list[Mark | None]] = {}
    for effect in effects:
        marks.setdefault(effect.condition, []).append(Mark.of(effect.contrast))
    shown = [Strip(name, marks[name]) for name in results.conditions if any(marks.get(name, ()))]
    return plots.strips(shown[:MOST_STRIPS], categories, label) if shown else None


# --- findings ------------------------------------------------------------------------------------


def _share_title(effects: Sequence[Effect], what: str) -> str:
    """How many of the effects exclude zero for exactly these languages."""
    intervals = [e.contrast.these.interval for e in effects if e.contrast.these]
    if not intervals:
        return f"Without a second seed no interval can be given for {what}"
    firm = sum(interval.excludes_zero for interval in intervals)
    return (
        f"{firm} of {len(intervals):,} {what} exclude zero for exactly these languages; "
        f"{len(intervals) / 20:.0f} would by chance alone"
    )


def _difference_title(effects: Sequence[Effect]) -> str:
    """For which conditions low-resource languages gain less, more, or as much."""
    if not effects:
        return "No target has low-resource languages and others"
    said = [
        f"{word} from {_listed(e for e in effects if e.verdict == verdict)}"
        for verdict, word in DIFFERENCE_WORDS.items()
        if any(e.verdict == verdict for e in effects)
    ]
    open_ = sum(e.verdict == "inconclusive" for e in effects)
    if not said:
        return "Whether low-resource languages gain less or more than the others stays open"
    rest = f"; open for {numbers.count(open_, 'condition')}" if open_ else ""
    return f"Low-resource languages gain {', '.join(said)} than the others{rest}"


def _listed(effects: Iterable[Effect]) -> str:
    return ", ".join(f"{e.condition} ({numbers.signed(e.contrast.estimate)})" for e in effects)
