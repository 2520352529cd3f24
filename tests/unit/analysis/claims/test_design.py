"""Claims about languages, conditions and cells of a grid."""

from __future__ import annotations

import pytest

from support.judged import grid_of, no_gain, table_of, verdict_on
from xstilts.analysis.claims.evaluate import judge
from xstilts.analysis.claims.evidence import Evidence
from xstilts.config.claims import Cells

NOTHING = ("no such condition",)


def verdict(claim, study, whole=True):
    grid = grid_of(study, whole)
    return verdict_on(claim, grid, table_of(grid, conditions=NOTHING))


@pytest.mark.parametrize(("claim", "study"), [("8", "phang2020"), ("8r", "xtreme_r")])
class TestLanguages:
    def test_the_shipped_study_has_those_of_the_benchmark(self, claim, study):
        """Without a single score."""
        result = verdict(claim, study)
        assert (result.verdict, result.encoder) == ("supported", "")
        assert "languages together, as claimed." in result.sentence

    def test_a_study_without_the_targets_cannot_tell(self, claim, study):
        """It names one that has them."""
        result = verdict(claim, "tydiqa")
        assert result.verdict == "not measured"
        assert result.command == f"snakemake --configfile config/{study}.yaml"


def test_fewer_languages_than_claimed_are_named_by_target():
    """With both numbers."""
    result = verdict("8", "phang2020", whole=False)
    assert result.verdict == "contradicted"
    assert result.sentence.startswith(
        "Languages of 9 targets: together they have 9, not 40; xnli has 6, not 15; "
    )


@pytest.mark.parametrize(("claim", "conditions"), [("9", 11), ("11", 7)])
class TestConditions:
    def test_a_grid_with_all_of_them(self, claim, conditions):
        """Whether they are computed or not."""
        result = verdict(claim, "phang2020")
        assert result.verdict == "supported"
        assert result.sentence == f"The grid has all {conditions} conditions."

    def test_a_grid_without_one_says_how_many_it_has(self, claim, conditions):
        """CCG needs a licence, so others will lack it as well."""
        result = verdict(claim, "without_ccg", whole=False)
        assert result.verdict == "not measured"
        assert result.sentence == (
            f"The grid has {conditions - 1} of {conditions} conditions. This study lacks the "
            "condition ccg. config/phang2020.yaml has what the claim needs."
        )


def test_a_claim_about_published_systems_is_not_testable():
    """But its published scores are shown."""
    result = verdict("7", "phang2020")
    assert result.verdict == "not testable"
    assert "Published: XNLI XLM-R Large 79.2, " in result.sentence


class TestCells:
    LOW = ("jv", "ml", "mr", "my", "sw", "te", "yo")

    def judged(self, table, cells=None):
        """The claim L4 about the cells of the small study."""
        grid = grid_of("lowres")
        claim = next(claim for claim in grid.resolved.claims.claims if claim.id == "L4")
        cells = Cells(cells=cells or {"panx": list(self.LOW), "sib200": list(self.LOW)})
        claim = claim.model_copy(update={"cells": cells})
        (result,) = judge(claim, Evidence(grid, table), grid.study.encoders)
        return result

    def test_cells_that_are_scored_above_the_floor(self):
        """Where the score of guessing is not known, nobody can say."""
        result = self.judged(table_of(grid_of("lowres")))
        assert result.verdict == "supported"
        assert result.sentence == (
            "All 14 are scored, and no baseline is found to guess. Of 7 the score of guessing is "
            "not known."
        )

    def test_cells_whose_baseline_only_guesses(self):
        """They are named: SIB-200's topics are guessed right in 14.3 per cent."""

        def base(target, language):
            return 14.0 if (target, language) == ("sib200", "yo") else 60.0

        result = self.judged(table_of(grid_of("lowres"), no_gain, base=base))
        assert result.verdict == "contradicted"
        assert result.sentence.startswith("1 of 14 baselines only guess: yo in sib200.")

    def test_a_cell_that_is_missing(self):
        """It is named, and no other."""
        table = table_of(grid_of("lowres"))
        gone = (table["target"] == "panx") & (table["language"] == "yo") & (table["seed"] == 3)
        result = self.judged(table[~gone])
        assert result.verdict == "not measured"
        assert {(key.target, key.language, key.seed) for key in result.missing} == {
            ("panx", "yo", 3)
        }

    def test_cells_that_the_study_does_not_have(self):
        """Targets and languages."""
        cells = {"panx": ["gu", "yo"], "xnli": ["sw"]}
        result = self.judged(table_of(grid_of("lowres")), cells)
        assert result.verdict == "not measured"
        assert result.sentence.startswith(
            "This study lacks the target xnli and the language gu in panx."
        )

    def test_the_shipped_study_of_low_resource_languages_has_all_cells(self):
        """Only their scores are missing."""
        result = verdict("L4", "lowres")
        assert result.verdict == "not measured"
        assert "scores are missing" in result.sentence
