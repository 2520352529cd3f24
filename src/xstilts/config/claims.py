"""Claims: statements about a grid, each with what is measured and the rule that judges it.

A claims file holds named lists of tasks and a list of claims. A claim says its text, where it comes
from, one measure (`MEASURES`) and, for a measure of scores, the rules of its verdicts
(`xstilts.config.claim_rule`). docs/claims.md explains every key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from xstilts.config.claim_rule import Rule, parse_rule
from xstilts.config.conditions import NONE
from xstilts.config.yaml_models import Model, Name, Number, load, read_yaml, yaml_kind
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

EVERY = "every"
"""In place of a list: all conditions but the baseline and the controls; all targets."""
OWN = "own"
"""As languages: those that the name of the condition holds (German for ``mnli@de``)."""

OFFICIAL = "xtreme"
"""As languages: those that XTREME's evaluator scores, English included; none may be lacking."""

Estimand = Literal["languages_like_these", "these_languages"]
Definition = Literal["joshi", "unseen", "size"]
Test = Literal["interval", "one_sided"]
Split = Literal["test", "dev"]
_SPLIT = (
    "the scores that are compared: of test data, or of the English development data of the "
    "targets' own trainings; a target without such a training is compared on test data"
)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _rule(text: str) -> str:
    parse_rule(text)
    return text


def _languages(value: object) -> object:
    if value not in ("all", OFFICIAL, "zero_shot", "low_resource", OWN):
        raise ValueError(
            f"{value!r} is neither all, nor xtreme, nor zero_shot, nor low_resource, nor own, "
            "nor a list of codes"
        )
    return value


Id = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
RuleText = Annotated[Name, AfterValidator(_rule)]
NameList = Annotated[list[Name], Field(min_length=1)]
Names = Annotated[
    Annotated[Name, Tag("<value>")] | Annotated[NameList, Tag("<list>")],
    Discriminator(yaml_kind),
]
Languages = Annotated[
    Annotated[
        Literal["all", "xtreme", "zero_shot", "low_resource", "own"],
        BeforeValidator(_languages),
        Tag("<value>"),
    ]
    | Annotated[NameList, Tag("<list>")],
    Discriminator(yaml_kind),
]

# --- measures of scores ---------------------------------------------------------------------------


class Comparisons(Model):
    """Which conditions are compared with which, on which targets."""

    conditions: Names = Field([], description="conditions, or the name of a group, or every")
    against: Names = Field(NONE, description="each condition is compared with each of these")
    pairs: dict[Name, Name] = Field(
        default_factory=dict,
        description="condition -> what it is compared with, in place of conditions and against",
    )
    targets: Names = Field(description="targets, or the name of a group, or every")
    targets_apart: bool = Field(
        False, description="a comparison for each target, in place of their mean"
    )
    estimand: Estimand = Field(
        "languages_like_these",
        description="what an interval is about: languages like these, or just these languages",
    )
    test: Test = Field(
        "interval",
        description="> and < by the 95 % interval, or by a one-sided test at 5 %",
    )

    @model_validator(mode="after")
    def _has_comparisons(self) -> Self:
        if bool(self.conditions) == bool(self.pairs):
            raise ValueError("needs either conditions or pairs")
        return self


class Gain(Comparisons):
    """The mean over targets of the mean over languages of a difference of scores."""

    languages: Languages = Field("all", description="over which languages of a target")
    definitions: Annotated[list[Definition], Field(min_length=1)] = Field(
        ["joshi"], description="of low_resource: the first decides, the others are shown"
    )
    metric: Name | None = Field(None, description="another metric of the targets than the primary")
    split: Split = Field("test", description=_SPLIT)

    @model_validator(mode="after")
    def _dev_is_english(self) -> Self:
        if self.split == "dev" and (self.languages not in ("all", OFFICIAL) or self.metric):
            raise ValueError(
                "split: development scores are of English data and the primary metric: "
                "with dev, languages must be all or xtreme, and metric must be left out"
            )
        return self


class LowMinusRest(Comparisons):
    """The gain of low-resource languages less that of the rest, within each target."""

    definitions: Annotated[list[Definition], Field(min_length=1)] = Field(
        ["joshi"], description="of low-resource: the first decides, the others are shown"
    )


class Slope(Comparisons):
    """The change of a gain for ten times as much pretraining text, within each target."""


class BestCondition(Model):
    """The gain of the best condition, chosen on other seeds than it is scored on."""

    targets: Names = Field(description="targets, or the name of a group, or every")
    languages: Literal["all", "xtreme", "zero_shot", "low_resource"] = Field(
        "all", description="over which languages of a target"
    )
    by_target: bool = Field(
        False, description="choose a condition for each target, in place of one for all"
    )
    chosen_on: Split = Field(
        "test",
        description="the data of the other seeds that a condition is chosen on; dev is English, "
        "and needs by_target",
    )

    @model_validator(mode="after")
    def _chooses_by_target(self) -> Self:
        if self.chosen_on == "dev" and not self.by_target:
            raise ValueError("chosen_on: dev needs by_target: true")
        return self

    @property
    def estimand(self) -> Estimand:
        """A choice that leaves languages out in turn says nothing of exactly these languages."""
        return "languages_like_these"


# --- measures of cards, grids and stamps ----------------------------------------------------------


class Covers(Model):
    """How many languages the targets are scored in."""

    targets: Names = Field(description="targets, or the name of a group")
    languages: int = Field(gt=0, description="languages of all targets together")
    by_target: dict[Name, int] = Field(default_factory=dict, description="languages of a target")


class HasConditions(Model):
    """Whether the grid has all of some conditions."""

    conditions: Names = Field(description="conditions, or the name of a group")


class Lineage(Model):
    """Whether every score comes from encoder, English intermediate training, English recipe."""

    conditions: Names = Field(description="conditions, or the name of a group, or every")
    targets: Names = Field(description="targets, or the name of a group, or every")
    without_recipe: list[Name] = Field(
        default_factory=list, description="targets that are scored without fine-tuning on them"
    )


class Cells(Model):
    """Whether languages of targets are scored, with a baseline that is better than guessing."""

    cells: dict[Name, NameList] = Field(min_length=1, description="target -> languages")


Measure = (
    Gain | LowMinusRest | Slope | BestCondition | Covers | HasConditions | Lineage | Cells | str
)


class Claim(Model):
    """One claim."""

    id: Id = Field(description="short name, unique in the file")
    text: Name = Field(description="the claim, as a sentence")
    source: Name = Field(description="who says so, and where")
    evidence: Name = Field("", description="what is known of it without this grid")
    note: Name | None = Field(None, description="how this measure differs from the source's")
    study: Name | None = Field(None, description="the study file that measures it")
    published: dict[Name, Number] = Field(
        default_factory=dict, description="published sizes in points, by condition or any name"
    )

    gain: Gain | None = Field(None, description="measure: difference of conditions")
    low_minus_rest: LowMinusRest | None = Field(None, description="measure: resource groups")
    slope: Slope | None = Field(None, description="measure: gain against log10 of corpus size")
    best_condition: BestCondition | None = Field(None, description="measure: best condition")
    covers: Covers | None = Field(None, description="measure: number of languages")
    has_conditions: HasConditions | None = Field(None, description="measure: conditions")
    lineage: Lineage | None = Field(None, description="measure: what scores were computed from")
    cells: Cells | None = Field(None, description="measure: scores that exist")
    not_testable: Name | None = Field(None, description="why no grid can test it")

    supported: RuleText | None = Field(None, description="rule, such as 'all > 0'")
    contradicted: RuleText | None = Field(None, description="rule, such as 'any < 0'")
    negligible: RuleText | None = Field(None, description="rule; by default 'all = 0'")

    @model_validator(mode="after")
    def _is_one_measure(self) -> Self:
        given = [name for name in MEASURES if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"needs exactly one measure, not {found}. Allowed: {_LISTED}")
        rules = [name for name in ("supported", "contradicted") if getattr(self, name)]
        if given[0] in WITH_RULES and len(rules) < 2:
            raise ValueError(f"a claim about {given[0]} needs the rules supported and contradicted")
        if given[0] not in WITH_RULES and (rules or self.negligible):
            raise ValueError(f"a claim about {given[0]} has no rules of its own; delete them")
        return self

    @property
    def measure(self) -> Measure:
        """The one measure that the claim is about; a text says why it cannot be tested."""
        measure: Measure = next(m for name in MEASURES if (m := getattr(self, name)) is not None)
        return measure

    @property
    def kind(self) -> str:
        """The key of the measure."""
        return next(name for name in MEASURES if getattr(self, name) is not None)

    def rule(self, verdict: Literal["supported", "contradicted", "negligible"]) -> Rule:
        """The rule of a verdict."""
        return parse_rule(getattr(self, verdict) or NEGLIGIBLE)


NEGLIGIBLE = "all = 0"
WITH_RULES = ("gain", "low_minus_rest", "slope", "best_condition")
MEASURES = (*WITH_RULES, "covers", "has_conditions", "lineage", "cells", "not_testable")
_LISTED = ", ".join(MEASURES)


class Claims(Model):
    """A claims file."""

    margin: Number = Field(1.0, gt=0, description="differences below so many points are negligible")
    slope_margin: Number = Field(
        0.25, gt=0, description="the same for a slope, in points for ten times as much text"
    )
    groups: dict[Name, NameList] = Field(
        default_factory=dict, description="names for lists of conditions or targets"
    )
    claims: list[Claim] = Field(default_factory=list, description="the claims, in reading order")

    def expand(self, names: str | list[str]) -> list[str]:
        """Names with groups replaced by their members, each once; `EVERY` stays as it is."""
        listed = [names] if isinstance(names, str) else names
        members = (member for name in listed for member in self.groups.get(name, [name]))
        return list(dict.fromkeys(members))


def read_claims(path: Path) -> Claims:
    """Read a claims file; raises `StudyError` with a line for each problem, by claim."""
    data = read_yaml(path)
    listed = data.get("claims") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(listed, list):
        raise StudyError(f"{path}: needs the key claims, a list of claims")
    problems: list[str] = []
    for number, entry in enumerate(listed):
        try:
            load(Claim, entry, f"{path}: claim {_name_of(entry, number)}")
        except StudyError as error:
            problems += str(error).splitlines()
    try:
        load(Claims, data | {"claims": []}, str(path))
    except StudyError as error:
        problems = [*str(error).splitlines(), *problems]
    if problems:
        raise StudyError("\n".join(problems))
    return load(Claims, data, str(path))


def _name_of(entry: Any, number: int) -> str:
    """The id of a claim for messages; its place in the list if it has none."""
    name = entry.get("id") if isinstance(entry, dict) else None
    return str(name) if name else f"number {number + 1}"
