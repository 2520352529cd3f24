"""Claims files: each problem is one line with the file, the claim and what is allowed."""

from __future__ import annotations

import re
from copy import deepcopy

import pytest
import yaml

from support.places import CLAIMS, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.config.claims import MEASURES, Claims, Gain, read_claims
from xstilts.errors import StudyError
from xstilts.tasks.registry import SCHEMAS

CLAIM = {
    "id": "mine",
    "text": "NLI helps.",
    "source": "me",
    "gain": {"conditions": ["nli"], "targets": ["xnli"]},
    "supported": "all > 0",
    "contradicted": "any < 0",
}


@pytest.fixture
def write(world):
    """Write a claims file of one claim, with other values for some keys; ... leaves a key out."""

    def write_claims(head=None, **changes):
        claim = {k: v for k, v in (deepcopy(CLAIM) | changes).items() if v is not ...}
        path = world.config / "claims.yaml"
        path.write_text(yaml.safe_dump({**(head or {}), "claims": [claim]}, sort_keys=False))
        return path

    return write_claims


@pytest.fixture
def problem(world, write):
    """The one line, after the file's name, that refuses the claim."""

    def of(head=None, **changes):
        path = write(head, **changes)
        with pytest.raises(StudyError) as refused:
            world.cards.claims()
        (line,) = str(refused.value).splitlines()
        assert line.startswith(f"{path}: ")
        return line.removeprefix(f"{path}: ")

    return of


class TestReading:
    def test_a_claim_has_one_measure(self, write):
        """And says which."""
        (claim,) = read_claims(write()).claims
        assert claim.kind == "gain"
        assert claim.measure == Gain(conditions=["nli"], targets=["xnli"])

    def test_a_number_may_be_an_id(self, write):
        """YAML reads 7 as a number, 1a as a text."""
        assert read_claims(write(id=7)).claims[0].id == "7"

    def test_a_rule_of_no_effect_is_there_by_default(self, write):
        """All comparisons lie within the margin."""
        claim = read_claims(write()).claims[0]
        assert str(claim.rule("negligible")[0][0]) == "all = 0"

    def test_groups_are_names_for_lists(self, write):
        """Each member once, other names as they are."""
        claims = read_claims(write({"groups": {"both": ["nli", "choice"]}}))
        assert claims.expand(["both", "nli", "multi"]) == ["nli", "choice", "multi"]
        assert claims.expand("both") == ["nli", "choice"]

    def test_a_file_without_a_list_of_claims_is_refused(self, world):
        """With the key that it needs."""
        path = world.folder / "other.yaml"
        path.write_text("claims: none\n")
        with pytest.raises(StudyError, match=r"other\.yaml: needs the key claims, a list of"):
            read_claims(path)

    def test_a_folder_without_a_claims_file_has_no_claims(self, world):
        """Studies run all the same."""
        assert world.cards.claims().claims == []
        assert world.grid().resolved.claims.claims == []

    def test_all_problems_come_at_once(self, world, write):
        """Those of the file first, then by claim."""
        path = write({"margn": 1.0}, text=...)
        with pytest.raises(StudyError) as refused:
            read_claims(path)
        lines = str(refused.value).splitlines()
        assert lines[0].startswith(f"{path}: margn: unknown key 'margn'; did you mean 'margin'?")
        assert lines[1].startswith(f"{path}: claim mine: text: is missing; it is: the claim, as a")


class TestProblems:
    def test_a_misspelled_key(self, problem):
        """With the key that was meant."""
        assert problem(sauce="x").startswith("claim mine: sauce: unknown key 'sauce'")
        gain = CLAIM["gain"] | {"target": ["xnli"]}
        line = problem(gain=gain)
        assert line.startswith("claim mine: gain.target: unknown key 'target'; did you mean 'tar")

    def test_a_misspelled_rule(self, problem):
        """With the part that is wrong."""
        line = problem(supported="all > 0 and some < 0")
        assert line.startswith("claim mine: supported: 'some < 0' is not a criterion; write")

    def test_a_misspelled_condition(self, problem):
        """With tasks, none, multi and groups as what is allowed."""
        gain = {"conditions": ["nlu@de"], "targets": ["xnli"]}
        line = problem({"groups": {"both": ["nli", "choice"]}}, gain=gain)
        assert line.startswith("claim mine: gain.conditions: unknown condition 'nlu@de'")
        assert "both, choice, multi" in line

    def test_a_misspelled_condition_of_a_control(self, problem):
        """It would never be measured."""
        line = problem(gain={"conditions": ["none+steps-nlu"], "targets": ["xnli"]})
        assert line.startswith("claim mine: gain.conditions: unknown condition 'none+steps-nlu'")

    def test_a_misspelled_member_of_a_group(self, problem):
        """Where it stands."""
        line = problem({"groups": {"both": ["nli", "choise"]}})
        assert line.startswith("groups.both: unknown condition 'choise'; did you mean 'choice'?")

    def test_a_misspelled_target(self, problem):
        """With the targets that there are."""
        line = problem(gain={"conditions": "every", "targets": ["xnly"]})
        assert line.startswith("claim mine: gain.targets: unknown target 'xnly'; did you mean 'xn")

    def test_a_task_that_cannot_be_scored(self, problem):
        """It is no target."""
        line = problem(gain={"conditions": ["nli"], "targets": ["nli"]})
        assert line == "claim mine: gain.targets: 'nli' has no test split to score"

    def test_a_misspelled_metric(self, problem):
        """With those that the target's scorer gives."""
        line = problem(gain=CLAIM["gain"] | {"metric": "acuracy"})
        assert line == (
            "claim mine: gain.metric: 'xnli': unknown metric 'acuracy'; did you mean 'accuracy'? "
            "Allowed: accuracy"
        )

    def test_a_misspelled_language(self, problem):
        """A word, or a code that no target has."""
        line = problem(gain=CLAIM["gain"] | {"languages": "lowres"})
        assert line.startswith("claim mine: gain.languages: 'lowres' is neither all, nor xtreme, ")
        line = problem(gain=CLAIM["gain"] | {"languages": ["sv"]})
        assert line.startswith("claim mine: gain.languages: unknown language 'sv'. Allowed: de, en")

    @pytest.mark.parametrize("change", [{"languages": "zero_shot"}, {"metric": "accuracy"}])
    def test_development_scores_of_other_languages_or_metrics(self, problem, change):
        """They are of English data and of the primary metric."""
        line = problem(gain=CLAIM["gain"] | {"split": "dev"} | change)
        assert "development scores are of English data and the primary metric" in line

    def test_one_condition_for_all_targets_chosen_by_development_scores(self, problem):
        """They are of tasks whose scores are no one scale."""
        choice = {"targets": ["xnli"], "chosen_on": "dev"}
        assert "chosen_on: dev needs by_target: true" in problem(gain=..., best_condition=choice)

    def test_own_languages_of_a_condition_without_any(self, problem):
        """English is not named by it."""
        line = problem(gain=CLAIM["gain"] | {"languages": "own"})
        assert line == "claim mine: gain.languages: own: 'nli' names no language"

    def test_a_misspelled_measure(self, problem):
        """It is an unknown key, and then no measure is left: one line for each."""
        assert problem(gain=...).startswith(
            "claim mine: needs exactly one measure, not none. Allowed: gain, low_minus_rest, "
        )

    def test_two_measures(self, problem):
        """Each needs a claim of its own."""
        line = problem(not_testable="because")
        assert line.startswith("claim mine: needs exactly one measure, not gain, not_testable.")

    def test_a_claim_about_scores_needs_both_rules(self, problem):
        """What would speak against it must be said beforehand."""
        assert problem(contradicted=...) == (
            "claim mine: a claim about gain needs the rules supported and contradicted"
        )

    def test_a_claim_about_the_grid_has_no_rules(self, problem):
        """They would decide nothing."""
        assert problem(gain=..., has_conditions={"conditions": ["nli"]}) == (
            "claim mine: a claim about has_conditions has no rules of its own; delete them"
        )

    def test_neither_conditions_nor_pairs(self, problem):
        """And not both."""
        line = "claim mine: gain: needs either conditions or pairs"
        assert problem(gain={"targets": ["xnli"]}) == line
        assert problem(gain=CLAIM["gain"] | {"pairs": {"nli+mlm": "nli"}}) == line

    def test_an_id_that_is_given_twice(self, world, write):
        """A verdict could not be told from the other."""
        path = write()
        path.write_text(yaml.safe_dump({"claims": [CLAIM, deepcopy(CLAIM)]}))
        with pytest.raises(StudyError, match="claim mine: two claims have this id; change one"):
            world.cards.claims()

    def test_a_group_with_the_name_of_a_task(self, problem):
        """Nobody could tell which is meant."""
        line = problem({"groups": {"nli": ["choice"]}})
        assert line == "groups.nli: is the name of a task or condition; choose another"

    def test_cells_that_do_not_exist(self, problem):
        """A target's languages are those of its test split."""
        rules = {"supported": ..., "contradicted": ..., "gain": ...}
        line = problem(**rules, cells={"cells": {"pairs": ["de", "yo"]}})
        assert line == "claim mine: cells.cells.pairs: unknown language 'yo'. Allowed: de, sw"

    def test_a_count_for_a_target_that_is_not_counted(self, problem):
        """It would be forgotten."""
        rules = {"supported": ..., "contradicted": ..., "gain": ...}
        covers = {"targets": ["xnli"], "languages": 5, "by_target": {"xqa": 4}}
        line = problem(**rules, covers=covers)
        assert line == "claim mine: covers.by_target: unknown target 'xqa'. Allowed: xnli"


class TestOfAStudy:
    def test_a_study_may_name_claims_of_its_own(self, world, write):
        """In place of those of the folder."""
        write(id="theirs")
        own = world.folder / "own.yaml"
        own.write_text(yaml.safe_dump({"claims": [CLAIM]}))
        resolved = world.resolve(claims=str(own))
        assert [claim.id for claim in resolved.claims.claims] == ["mine"]
        assert [claim.id for claim in world.resolve().claims.claims] == ["theirs"]

    def test_a_claims_file_that_does_not_exist_is_named(self, world):
        """Before anything is computed."""
        path = world.folder / "gone.yaml"
        with pytest.raises(StudyError, match=r"gone\.yaml: cannot be read \(No such file"):
            world.resolve(claims=str(path))

    def test_a_study_with_a_misspelled_claim_is_refused(self, world, write):
        """Before hours of work."""
        write(gain={"conditions": ["nlo"], "targets": ["xnli"]})
        with pytest.raises(StudyError, match=r"claim mine: gain\.conditions: unknown condition"):
            world.resolve()


class TestPage:
    PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")

    def test_its_example_is_a_claims_file(self, tmp_path):
        """Over the cards that are shipped."""
        path = tmp_path / "claims.yaml"
        path.write_text(re.findall(r"```yaml\n(.*?)```", self.PAGE, re.DOTALL)[0])
        reading, causal = Catalogue(ROOT / "config", SCHEMAS).claims(path).claims
        assert (reading.id, causal.id) == ("reading", "causal")

    @pytest.mark.parametrize("name", [*MEASURES, *Claims.model_fields, "definitions", "pairs"])
    def test_it_explains_every_key(self, name):
        """Of the file, and every measure."""
        assert f"`{name}`" in self.PAGE


class TestShipped:
    CLAIMS = read_claims(CLAIMS)

    def test_they_are_the_eleven_of_the_paper_and_the_four_of_the_open_question(self):
        """Some in parts."""
        numbers = {claim.id.rstrip("abcdlrt") for claim in self.CLAIMS.claims}
        assert numbers == {*map(str, range(1, 12)), "L1", "L2", "L3", "L4"}

    def test_the_study_that_a_claim_names_can_measure_it(self):
        """It has the claim's conditions and targets."""
        for claim in self.CLAIMS.claims:
            if claim.study is None:
                assert claim.kind == "not_testable"
                continue
            study = yaml.safe_load((CLAIMS.parents[1] / claim.study).read_text())
            measure = claim.measure
            conditions = self.CLAIMS.expand(getattr(measure, "conditions", []))
            assert {*conditions, *getattr(measure, "pairs", {})} <= {*study["conditions"], "every"}
            targets = self.CLAIMS.expand(getattr(measure, "targets", "every"))
            targets += getattr(measure, "cells", {})
            assert set(targets) <= {*study["targets"], "every"}, claim.id
