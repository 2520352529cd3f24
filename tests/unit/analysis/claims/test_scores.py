"""Each shipped claim about scores has a grid for each of its verdicts."""

from __future__ import annotations

import re

import pytest

from support.judged import CHANGES, dev_of, grid_of, no_gain, table_of, verdict_on
from support.places import ROOT
from xstilts.analysis.claims.evaluate import evaluate_claims, judge
from xstilts.analysis.claims.evidence import Evidence
from xstilts.analysis.claims.pooled import MEAN
from xstilts.config.resolve import ScoreKey
from xstilts.config.yaml_models import read_yaml
from xstilts.grid.opening import open_grid

TOP = ("squad", "mnli", "hellaswag")
SINGLE = (
    *TOP, "anli_plus", "qqp", "squad2", "ccg", "cosmosqa", "commonsenseqa",
)  # fmt: skip
RETRIEVAL = ("bucc2018", "tatoeba")
PUBLISHED = {"squad": 8.2, "mnli": 7.5, "hellaswag": 7.0}
LOW = ("jv", "ml", "mr", "my", "sw", "te", "yo")


def of_conditions(**gains):
    """The same gain on every target; ``rest`` is that of the other conditions."""
    return lambda condition, target, language: gains.get(condition, gains.get("rest", 0.0))


def of_targets(**gains):
    """The same gain of every condition."""
    return lambda condition, target, language: gains.get(target, gains.get("rest", 0.0))


def of_suffix(suffix, gain, base=3.0):
    """Conditions whose names end in ``suffix`` gain more than the others."""
    return lambda condition, target, language: base + gain * (suffix in condition)


def of_low(low, rest):
    """Low-resource languages gain ``low``, the others ``rest``."""
    return lambda condition, target, language: low if language in LOW else rest


CASES = [
    # claim, study, gain, noise, verdict
    ("1a", "phang2020", of_conditions(rest=3.0), 0.2, "supported"),
    ("1a", "phang2020", of_conditions(rest=3.0, squad=-3.0), 0.2, "contradicted"),
    ("1a", "phang2020", no_gain, 0.2, "negligible"),
    ("1a", "phang2020", of_conditions(rest=3.0), 20.0, "inconclusive"),
    ("1b", "phang2020", of_conditions(**dict.fromkeys(TOP, 4.0)), 0.2, "supported"),
    ("1b", "phang2020", of_conditions(rest=3.0, qqp=6.0), 0.2, "contradicted"),
    ("1b", "phang2020", of_conditions(rest=3.0), 0.2, "negligible"),
    ("1b", "phang2020", of_conditions(rest=3.0), 9.0, "inconclusive"),
    ("1c", "phang2020", of_conditions(**PUBLISHED), 0.2, "supported"),
    ("1c", "phang2020", of_conditions(**PUBLISHED | {"mnli": 0.0}), 0.2, "contradicted"),
    ("1c", "phang2020", of_conditions(**PUBLISHED), 9.0, "inconclusive"),
    ("1d", "phang2020", of_targets(rest=3.0, tatoeba=-40.0), 0.2, "supported"),
    ("1d", "phang2020", of_targets(rest=-3.0, tatoeba=40.0), 0.2, "contradicted"),
    ("1d", "phang2020", of_targets(tatoeba=40.0, bucc2018=20.0), 0.2, "negligible"),
    ("1d", "phang2020", of_targets(tatoeba=40.0, bucc2018=20.0), 9.0, "inconclusive"),
    ("2", "phang2020", of_conditions(rest=3.0, multi=6.0), 0.2, "supported"),
    ("2", "phang2020", of_conditions(rest=3.0, ccg=6.0), 0.2, "contradicted"),
    ("2", "phang2020", of_conditions(rest=3.0), 0.2, "negligible"),
    ("2", "phang2020", of_conditions(rest=3.0), 9.0, "inconclusive"),
    ("3", "phang2020", of_conditions(rest=9.0), 0.2, "supported"),
    ("3", "phang2020", of_conditions(rest=9.0, ccg=-5.0), 0.2, "contradicted"),
    ("3", "phang2020", no_gain, 0.1, "negligible"),
    ("3", "phang2020", of_conditions(rest=3.0), 9.0, "inconclusive"),
    ("3r", "xtreme_r", of_conditions(rest=9.0), 0.2, "supported"),
    ("3r", "xtreme_r", of_conditions(rest=9.0, ccg=-5.0), 0.2, "contradicted"),
    ("3r", "xtreme_r", no_gain, 0.1, "negligible"),
    ("3r", "xtreme_r", of_conditions(rest=9.0), 20.0, "inconclusive"),
    ("4a", "phang2020", of_conditions(rest=4.0, qqp=-4.0, ccg=0.0), 0.2, "supported"),
    ("4a", "phang2020", of_conditions(rest=-4.0), 0.2, "contradicted"),
    ("4a", "phang2020", of_conditions(rest=4.0, qqp=0, ccg=0, mnli=0), 0.2, "contradicted"),
    ("4a", "phang2020", of_conditions(rest=4.0), 20.0, "inconclusive"),
    ("4b", "phang2020", of_conditions(rest=0.1), 0.1, "supported"),
    ("4b", "phang2020", of_conditions(squad=5.0), 0.2, "contradicted"),
    ("4b", "phang2020", no_gain, 9.0, "inconclusive"),
    ("5", "best", of_conditions(rest=3.0), 0.2, "supported"),
    ("5", "best", of_conditions(rest=-3.0), 0.2, "contradicted"),
    ("5", "best", no_gain, 0.2, "negligible"),
    ("5", "best", no_gain, 9.0, "inconclusive"),
    ("5t", "best", of_targets(rest=3.0, tatoeba=-40.0), 0.2, "supported"),
    ("5t", "best", of_targets(rest=-3.0, tatoeba=40.0), 0.2, "contradicted"),
    ("5t", "best", of_targets(tatoeba=40.0, bucc2018=20.0), 0.2, "negligible"),
    ("5t", "best", no_gain, 9.0, "inconclusive"),
    ("6a", "phang2020", of_suffix("+mlm", 0.0), 0.2, "supported"),
    ("6a", "phang2020", of_suffix("+mlm", 4.0), 0.2, "contradicted"),
    ("6a", "phang2020", of_suffix("+mlm", 0.9), 9.0, "inconclusive"),
    ("6b", "phang2020", of_suffix("@", 0.0), 0.2, "supported"),
    ("6b", "phang2020", of_suffix("@", 9.0), 0.1, "contradicted"),
    ("6b", "phang2020", of_suffix("@", 0.9), 9.0, "inconclusive"),
    ("L1", "lowres", of_low(3.0, 0.0), 0.2, "supported"),
    ("L1", "lowres", of_low(-3.0, 3.0), 0.2, "contradicted"),
    ("L1", "lowres", of_low(0.0, 3.0), 0.2, "negligible"),
    ("L1", "lowres", of_low(0.5, 3.0), 9.0, "inconclusive"),
    ("L1b", "lowres", of_low(3.0, 0.0), 0.2, "supported"),
    ("L1b", "lowres", of_low(-3.0, 3.0), 0.2, "contradicted"),
    ("L1b", "lowres", of_low(0.0, 3.0), 0.2, "negligible"),
    ("L1b", "lowres", of_low(0.5, 3.0), 9.0, "inconclusive"),
    ("L2", "lowres", of_low(0.0, 3.0), 0.2, "supported"),
    ("L2", "lowres", of_low(3.0, 0.0), 0.2, "contradicted"),
    ("L2", "lowres", of_low(3.0, 3.0), 0.2, "negligible"),
    ("L3", "lowres", of_low(-4.0, 4.0), 0.2, "supported"),
    ("L3", "lowres", of_low(4.0, -4.0), 0.2, "contradicted"),
    ("L3", "lowres", of_low(3.0, 3.0), 0.05, "negligible"),
]
NEEDED = {
    "1a": ((*TOP, "none"), ()),
    "1b": (SINGLE, ()),
    "1c": ((*TOP, "none"), ()),
    "1d": ((*TOP, "none"), ()),
    "2": ((*SINGLE, "multi"), ()),
    "3": ((*SINGLE, "none"), RETRIEVAL),
    "4a": ((*SINGLE, "none"), ("tydiqa",)),
    "4b": ((*SINGLE, "none"), ("xnli",)),
}
"""The conditions and targets that a claim reads, where these are a small part of the grid."""


@pytest.mark.parametrize(
    ("claim", "study", "gain", "noise", "verdict"),
    CASES,
    ids=[f"{case[0]}-{case[-1]}-{number}" for number, case in enumerate(CASES)],
)
def test_a_claim_and_a_grid_that_gives_it_this_verdict(claim, study, gain, noise, verdict):
    """Whatever else the grid holds."""
    grid = grid_of(study)
    conditions, targets = NEEDED.get(claim, ((), ()))
    table = table_of(grid, gain, noise=noise, conditions=conditions, targets=targets)
    result = verdict_on(claim, grid, table)
    assert result.verdict == verdict, result
    assert result.missing == ()


def test_every_shipped_claim_about_scores_has_its_cases():
    """Supported, contradicted and inconclusive or negligible ones."""
    claims = grid_of("phang2020").resolved.claims.claims
    about_scores = {claim.id for claim in claims if claim.supported} - {"5l"}
    assert {case[0] for case in CASES} == about_scores
    for claim in about_scores:
        verdicts = {case[-1] for case in CASES if case[0] == claim}
        assert {"supported", "contradicted"} < verdicts, claim


class TestNotMeasured:
    @pytest.mark.parametrize(
        "claim",
        [claim for claim in grid_of("phang2020").resolved.claims.claims if claim.supported],
        ids=lambda claim: claim.id,
    )
    def test_a_study_without_a_single_score(self, claim):
        """Every score that the claim needs is missing, and the command computes it."""
        grid = grid_of(claim.study.split("/")[1].removesuffix(".yaml"))
        result = verdict_on(claim.id, grid, table_of(grid, conditions=("no such",)))
        assert result.verdict == "not measured"
        if result.missing:
            assert result.command.startswith("snakemake --configfile study.yaml")
            assert f"{len(result.missing):,} scores are missing" in result.sentence
        else:
            assert "This study" in result.sentence
            assert result.command == f"snakemake --configfile {claim.study}"

    def test_one_missing_score_is_named_with_the_command_that_computes_it(self):
        """The command names only conditions that lack a score.

        It names all targets, because the study chooses languages that one target alone lacks.
        """
        grid = grid_of("phang2020")
        table = table_of(grid, conditions=("none", *TOP))
        gone = (table["condition"] == "squad") & (table["target"] == "mlqa")
        gone &= (table["seed"] == 2) & (table["language"] == "zh")
        result = verdict_on("1a", grid, table[~gone])
        assert result.verdict == "not measured"
        assert result.missing == (ScoreKey("xlm-r-large", "squad", 2, "mlqa", "zh"),)
        assert result.sentence == (
            "1 score is missing: of the condition squad, on the target mlqa."
        )
        assert result.command == (
            "snakemake --configfile study.yaml --until evaluate --config 'conditions=[none,squad]'"
        )

    def test_a_score_that_the_claim_does_not_need_is_not_missed(self):
        """A half-finished grid may say much already."""
        grid = grid_of("phang2020")
        table = table_of(grid, of_conditions(rest=3.0), conditions=("none", *TOP))
        assert verdict_on("1a", grid, table).verdict == "supported"

    def test_a_study_without_the_conditions_names_one_that_has_them(self):
        """And what is lacking."""
        result = verdict_on("4a", grid_of("lowres"), table_of(grid_of("lowres")))
        assert result.verdict == "not measured"
        assert result.sentence == (
            "This study lacks the conditions anli_plus, qqp, squad2, hellaswag and 3 more and the "
            "target tydiqa. config/phang2020.yaml has what the claim needs."
        )
        assert result.command == "snakemake --configfile config/phang2020.yaml"

    def test_a_claim_about_a_benchmark_needs_its_official_languages(self):
        """A study of some of them says nothing of the benchmark's average."""
        grid = grid_of("best")
        evidence = Evidence(grid, table_of(grid))
        claim = next(claim for claim in evidence.claims.claims if claim.id == "5t")
        (result,) = judge(claim, evidence, grid.study.encoders)
        assert result.verdict == "not measured"
        assert result.sentence.startswith("This study lacks the languages bg in xnli, el in xnli,")
        assert result.command == "snakemake --configfile config/phang2020.yaml"

    def test_the_shipped_study_has_the_official_languages(self):
        """Of all targets."""
        grid = grid_of("phang2020", whole=True)
        evidence = Evidence(grid, table_of(grid, conditions=("no such",)))
        claim = next(claim for claim in evidence.claims.claims if claim.id == "1a")
        (result,) = judge(claim, evidence, grid.study.encoders)
        assert "scores are missing" in result.sentence

    def test_a_study_of_low_resource_languages_only_has_no_rest(self):
        """So that nothing can be compared."""
        grid = grid_of("low_only")
        result = verdict_on("L2", grid, table_of(grid))
        assert result.verdict == "not measured"
        assert result.sentence.startswith(
            "No target of this study has both low-resource languages and others."
        )


class TestInconclusive:
    @pytest.mark.parametrize("claim", ["1a", "1b", "2", "4a", "4b", "6a"])
    def test_one_seed_decides_nothing(self, claim):
        """However large the gains: the luck of one training is not an effect."""
        grid = grid_of("one_seed")
        result = verdict_on(claim, grid, table_of(grid, of_conditions(rest=9.0, multi=20.0)))
        assert result.verdict == "inconclusive"
        assert "Inconclusive (one training): one training of" in result.sentence
        assert result.disagreement == ""

    @pytest.mark.parametrize("claim", ["5", "L1", "L1b"])
    def test_one_seed_decides_nothing_of_the_open_question(self, claim):
        """Neither of the best condition nor of low-resource languages."""
        grid = grid_of("one_seed")
        result = verdict_on(claim, grid, table_of(grid, of_conditions(rest=9.0)))
        assert result.verdict == "inconclusive"
        assert "one training" in result.sentence

    def test_a_verdict_that_depends_on_the_floor_is_withheld(self):
        """Here the whole gain is where the baseline only guesses."""
        grid = grid_of("lowres")

        def guesses(target, language):
            return target == "sib200" and language in LOW and language != "yo"

        def base(target, language):
            return 14.0 if guesses(target, language) else 60.0

        def gain(condition, target, language):
            return 9.0 if guesses(target, language) else 0.0

        result = verdict_on("L1", grid, table_of(grid, gain, base=base, noise=0.1))
        assert result.verdict == "inconclusive"
        assert "above the floor: " in result.disagreement
        assert "The verdict depends on the floor: as they are the scores give" in result.sentence


class TestDisagreement:
    def test_another_definition_of_low_resource_is_named(self):
        """Of these languages Yoruba alone was never seen, which is too little to decide."""
        grid = grid_of("lowres")
        result = verdict_on("L1", grid, table_of(grid, of_low(3.0, 0.0)))
        assert result.verdict == "supported"
        assert "low-resource by unseen: inconclusive" in result.disagreement

    def test_the_other_estimand_is_named(self):
        """Two families show nothing of other languages, but all of these."""
        grid = grid_of("phang2020")
        table = table_of(
            grid, of_conditions(rest=9.0), conditions=("none", *SINGLE), targets=RETRIEVAL
        )
        result = verdict_on("3", grid, table)
        assert result.verdict == "supported"
        assert result.disagreement == "languages like these: inconclusive"


DEV_CASES = [
    ("1a", of_conditions(rest=3.0), "supported"),
    ("1a", of_conditions(rest=-3.0), "contradicted"),
    ("1b", of_conditions(**dict.fromkeys(TOP, 4.0)), "supported"),
    ("1c", of_conditions(rest=-3.0), "contradicted"),
    ("1d", of_conditions(rest=3.0), "supported"),
    ("2", of_conditions(multi=3.0), "supported"),
    ("2", of_conditions(ccg=9.0), "contradicted"),
]


class TestDevelopmentScores:
    """Claims 1 and 2 compare them, claim 5 chooses by them."""

    @pytest.mark.parametrize(
        ("claim", "gain", "verdict"), DEV_CASES, ids=[f"{c[0]}-{c[-1]}" for c in DEV_CASES]
    )
    def test_they_decide_and_the_result_says_what_test_scores_give(self, claim, gain, verdict):
        grid = grid_of("phang2020")
        conditions, _ = NEEDED[claim]
        dev = dev_of(grid, table_of(grid, gain, noise=0.1, conditions=conditions))
        test = table_of(grid, noise=0.1, conditions=conditions)
        result = verdict_on(claim, grid, test, dev)
        assert result.verdict == verdict
        by_test = "contradicted" if claim == "1c" else "negligible"
        agrees = by_test == verdict
        assert ("" if agrees else f"by test scores: {by_test}") == result.disagreement

    def test_a_condition_is_chosen_by_them_and_scored_on_test_data(self):
        """So a condition that is the best on test data alone is not chosen."""
        grid = grid_of("best")
        test = table_of(grid, of_conditions(squad=9.0, ccg=-4.0), noise=0.1)
        dev = dev_of(grid, table_of(grid, of_conditions(ccg=3.0), noise=0.1))
        result = verdict_on("5t", grid, test, dev)
        assert result.verdict == "contradicted"
        assert result.disagreement == "chosen on test scores: supported"
        assert "Conditions are chosen on English development data for 7 targets." in result.sentence

    @pytest.mark.parametrize("claim", ["1a", "2", "5"])
    def test_a_claim_without_them_is_not_measured(self, claim):
        """Where trainings recorded none; what the test scores give is said."""
        grid = grid_of("best" if claim == "5" else "phang2020")
        conditions, _ = NEEDED.get(claim, ((), ()))
        gain = of_conditions(rest=3.0, multi=6.0)
        table = table_of(grid, gain, noise=0.1, conditions=conditions)
        dev = dev_of(grid, table[(table["condition"] != "mnli") | (table["target"] != "mlqa")])
        result = verdict_on(claim, grid, table, dev)
        assert (result.verdict, result.missing) == ("not measured", ())
        assert result.sentence.startswith(
            "4 development scores are missing: of the condition mnli, for the target mlqa."
        )
        assert result.disagreement.endswith("test scores: supported")


class TestSlopes:
    def test_a_slope_is_measured_again_with_seen_and_script_held_equal(self):
        """And the sentence has the slopes."""
        grid = grid_of("lowres")
        result = verdict_on("L3", grid, table_of(grid, of_low(-4.0, 4.0)))
        assert [one.held for one in result.adjusted] == [("seen",), ("script",), ("seen", "script")]
        assert {one.comparison.condition for one in result.adjusted} == {MEAN}
        assert re.search(
            r"With seen languages held equal \+\d\.\d \[.*\], Latin script held equal .*, "
            r"seen languages and Latin script held equal .*\.",
            result.sentence,
        )


class TestSentences:
    def test_few_comparisons_are_named(self):
        """With their intervals, trainings, languages and the published sizes."""
        grid = grid_of("phang2020")
        table = table_of(grid, of_conditions(rest=3.0), conditions=("none", *TOP), noise=0.1)
        result = verdict_on("1a", grid, table)
        assert re.fullmatch(
            r"squad \+3\.\d \[\+\d\.\d, \+\d\.\d\], mnli .*, hellaswag .*; "
            r"on average .*, in points\. 4 trainings of a condition and 4 trainings of what it is "
            r"compared with, 9 languages of 7 families\. "
            r"The noise of test items is not in the intervals\. "
            r"Scores are of English development data for 7 targets, and of test data for bucc2018, "
            r"tatoeba without trainings of their own\. "
            r"Published: squad 8\.2 \(outside the interval\), mnli 7\.5 .*\.",
            result.sentence,
        )

    def test_many_comparisons_are_counted(self):
        """With the range of their estimates."""
        grid = grid_of("phang2020")
        table = table_of(
            grid, of_conditions(rest=9.0), conditions=("none", *SINGLE), targets=RETRIEVAL
        )
        assert re.match(
            r"18 comparisons from \+[89]\.\d to \+9\.\d \(18 above zero\); on average \+[89]\.\d",
            verdict_on("3", grid, table).sentence,
        )


@pytest.mark.parametrize("claim", ["1a", "3", "4a"])
def test_the_order_of_rows_changes_nothing(claim):
    """Nor does that of seeds, languages or conditions."""
    grid = grid_of("phang2020")
    conditions, targets = NEEDED[claim]
    table = table_of(grid, of_conditions(rest=3.0), conditions=conditions, targets=targets)
    result = verdict_on(claim, grid, table)
    shuffled = verdict_on(claim, grid, table.sample(frac=1.0, random_state=3))
    assert (shuffled.verdict, shuffled.sentence) == (result.verdict, result.sentence)
    for one, other in zip(result.contrasts, shuffled.contrasts, strict=True):
        assert one.contrast.estimate == pytest.approx(other.contrast.estimate, abs=1e-9)


def test_a_claim_is_added_without_code(tmp_path):
    """By a file that the study names."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "claims:\n"
        "- id: mine\n"
        "  text: CCG helps in Swahili.\n"
        "  source: me\n"
        "  gain: {conditions: [ccg], targets: [xnli], languages: [sw], estimand: these_languages}\n"
        "  supported: all > margin\n"
        "  contradicted: all < 0\n"
    )
    config = read_yaml(ROOT / "config" / "phang2020.yaml") | CHANGES["best"]
    config |= {"claims": str(path)}
    grid = open_grid(config, "study.yaml", ROOT / "config", ROOT / "envs" / "lock.txt")
    table = table_of(grid, of_conditions(ccg=4.0))
    (result,) = evaluate_claims(grid, table)
    assert (result.id, result.verdict) == ("mine", "supported")
    assert result.contrasts[0].contrast.languages == 1


def test_a_claim_may_be_about_another_metric(tmp_path):
    """Such as the layer of a retrieval target."""
    grid = grid_of("phang2020")
    claim = next(c for c in grid.resolved.claims.claims if c.id == "3")
    changes = {"metric": "accuracy_layer_07", "targets": ["tatoeba"], "languages": "all"}
    gain = claim.gain.model_copy(update=changes)
    claim = claim.model_copy(update={"gain": gain})
    table = table_of(grid, of_conditions(rest=9.0), targets=("tatoeba",))
    table = table.assign(metric_accuracy_layer_07=100.0 - table["score"])
    (result,) = judge(claim, Evidence(grid, table), grid.study.encoders)
    assert result.verdict == "contradicted"
