"""What decides each artefact: what changes when something changes, and what does not."""

from __future__ import annotations

from copy import deepcopy

import pytest

from support.grids import identities
from support.world import CARDS, ENCODER, PROSE, STUDY
from xstilts.grid import artefacts
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, TrainingKey


def changed(before, after):
    """The artefacts of both grids whose identity is another."""
    one, other = identities(before), identities(after)
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}


def summaries(found):
    """Without the artefacts of the whole grid, such as its table and its report."""
    whole = ("table", "report", "claims", "submission", "contamination")
    return {name for name in found if not name.startswith(whole)}


class TestWhatChangesNothing:
    """Existing results stay valid."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"languages": ["de", "sw"]},
            {"seeds": [1, 2, 3]},
            {"seeds": [2]},
            {"encoders": ["tiny", "other"]},
            {"targets": ["xnli", "xqa"]},
            {"conditions": ["none", "nli", "choice"]},
            {"conditions": ["multi", "choice", "none", "nli"]},
            {"mirror": "/some/where"},
            {"training": {"tasks": {"topic": {"epochs": 1}}}},
        ],
        ids=lambda changes: str(changes)[:40],
    )
    def test_another_choice(self, world, changes):
        """Languages, seeds, encoders, targets and conditions come and go."""
        assert summaries(changed(world.grid(), world.grid(**changes))) == set()

    def test_another_condition(self, world):
        """Where multi is not asked for: it is made of all conditions."""
        before = world.grid(conditions=["none", "nli"])
        assert summaries(changed(before, world.grid(conditions=["none", "nli", "qa"]))) == set()

    def test_another_folder(self, world):
        """Where things lie does not decide what they are."""
        before = world.grid()
        assert summaries(changed(before, world.grid(results="a", resources="b"))) == set()

    @pytest.mark.parametrize("key", PROSE)
    def test_the_prose_of_cards(self, world, key):
        """Titles, summaries, licences and citations enter the report alone."""
        before = world.grid()
        identities(before)
        for name in CARDS:
            world.change_card(name, **{key: "Said better."})
        world.write("encoders", ENCODER | {key: "Said better."})
        assert changed(before, world.grid()) == {"report", "claims"}

    def test_what_is_said_of_languages(self, world):
        """A corrected resource class enters the report alone."""
        before = world.grid()
        identities(before)
        path = world.config / "languages.tsv"
        path.write_text(path.read_text().replace("\t2\t1.6", "\t1\t1.6"))
        assert changed(before, world.grid()) == {"report", "claims"}

    def test_a_default_that_is_written_out(self, world):
        """Saying what is so anyway changes nothing."""
        before = world.grid()
        after = world.grid(training={"all": {"epochs": 3.0}}, evaluation={"batch_tokens": 8192})
        assert summaries(changed(before, after)) == set()

    def test_a_key_of_a_card_that_is_written_out(self, world):
        """As with the study."""
        before = world.grid()
        identities(before)
        card = deepcopy(CARDS["xqa"])
        card["splits"]["test"]["options"] = {}
        card["splits"]["test"]["files"]["data"]["mirror"] = None
        world.write("tasks", card)
        assert summaries(changed(before, world.grid())) == set()


class TestWhatChangesSomething:
    """And no more than depends on it."""

    def test_hyperparameters_of_a_recipe_task(self, world):
        """Its trainings and what is read from them, in every condition."""
        after = world.grid(training={"tasks": {"qa": {"epochs": 1.0}}})
        expected = {
            f"{kind}/tiny/{condition}/seed{seed}/{name}"
            for condition in STUDY["conditions"]
            for seed in (1, 2)
            for kind, name in (("training", "qa"), ("evaluation", "xqa"))
        }
        assert summaries(changed(world.grid(), after)) == expected

    def test_hyperparameters_of_an_intermediate_task(self, world):
        """Its conditions with all that follows; other conditions do not know it."""
        after = world.grid(training={"tasks": {"choice": {"epochs": 1.0}}})
        found = summaries(changed(world.grid(), after))
        assert {name.split("/")[2] for name in found} == {"choice", "multi"}
        assert len(found) == 2 * 2 * (3 + 3)  # conditions, seeds, trainings and targets

    def test_the_intermediate_stage(self, world):
        """The baseline has none."""
        found = summaries(
            changed(world.grid(), world.grid(training={"intermediate": {"epochs": 1.0}}))
        )
        assert found
        assert not [name for name in found if "/none/" in name]

    def test_multi_depends_on_its_tasks(self, world):
        """A condition that is added is one more task of multi, and changes nothing else."""
        after = world.grid(conditions=["none", "nli", "choice", "qa", "multi"])
        found = summaries(changed(world.grid(), after))
        assert {name.split("/")[2] for name in found} == {"multi"}

    def test_the_cap_of_multi(self, world):
        """Concerns multi alone."""
        found = summaries(changed(world.grid(), world.grid(multi={"cap": 100})))
        assert {name.split("/")[2] for name in found} == {"multi"}

    def test_a_limit_of_examples(self, world):
        """Concerns the evaluation of that target alone."""
        found = changed(world.grid(), world.grid(evaluation={"max_examples": {"xqa": 10}}))
        assert {name.split("/")[0] for name in summaries(found)} == {"evaluation"}
        assert {name.split("/")[-1] for name in summaries(found)} == {"xqa"}

    def test_the_layer_of_retrieval(self, world):
        """Concerns retrieval alone: the encoder is not fetched again, nothing is trained."""
        before = world.grid()
        identities(before)
        world.write("encoders", ENCODER | {"retrieval_layer": 1})
        found = summaries(changed(before, world.grid()))
        assert found == {
            f"evaluation/tiny/{condition}/seed{seed}/pairs"
            for condition in STUDY["conditions"]
            for seed in (1, 2)
        }

    @pytest.mark.parametrize(
        ("key", "value", "kinds"),
        [
            ("scorer", "squad2", {"evaluation"}),
            ("primary", "f1", {"evaluation"}),
            ("codes", {"de": "ger"}, {"examples", "evaluation"}),
        ],
    )
    def test_how_a_target_is_scored(self, world, key, value, kinds):
        """Is no matter of training."""
        before = world.grid()
        identities(before)
        world.change_card("xqa", **{key: value})
        found = summaries(changed(before, world.grid()))
        assert {name.split("/")[0] for name in found} == kinds
        assert all("xqa" in name for name in found)

    def test_how_a_recipe_would_be_scored(self, world):
        """Decides nothing: a recipe is not scored."""
        before = world.grid()
        identities(before)
        world.change_card("qa", scorer="mlqa", primary="f1")
        assert summaries(changed(before, world.grid())) == set()

    def test_the_environment(self, world):
        """Other versions, other bits: everything."""
        before = world.grid()
        identities(before)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        assert changed(before, world.grid()) == set(identities(before))

    @pytest.mark.parametrize(
        ("module", "kinds"),
        [
            ("xstilts.training.train", set()),
            (
                "xstilts.training.loop",
                {"training", "evaluation", "table", "report", "claims", "submission"},
            ),
            (
                "xstilts.models.network.bert",
                {"training", "evaluation", "table", "report", "claims", "submission"},
            ),
            ("xstilts.models.network.deberta", set()),
            (
                "xstilts.evaluation.evaluate",
                {"evaluation", "table", "report", "claims", "submission"},
            ),
            (
                "xstilts.tasks.span_qa.model",
                {"training", "evaluation", "table", "report", "claims", "submission"},
            ),
            (
                "xstilts.data.readers.squad_json",
                {
                    "examples",
                    "contamination",
                    "training",
                    "evaluation",
                    "table",
                    "report",
                    "claims",
                    "submission",
                },
            ),
            ("xstilts.analysis.report.page", {"report"}),
            ("xstilts.analysis.table", {"table", "claims", "report", "submission"}),
            ("xstilts.cli.main", set()),
            ("xstilts.workflow.progress", set()),
        ],
    )
    def test_code(self, world, monkeypatch, module, kinds):
        """A change of the library reaches what runs it and what depends on that."""
        before = world.grid()
        identities(before)
        code_of = artefacts.code_of
        monkeypatch.setattr(
            artefacts,
            "code_of",
            lambda modules: {k: v + (k == module) * "!" for k, v in code_of(modules).items()},
        )
        found = changed(before, world.grid())
        assert {name.split("/")[0] for name in found} == kinds
        if module == "xstilts.tasks.span_qa.model":
            assert not [name for name in found if name.endswith("/xnli")]

    def test_all_of_a_spec_counts(self, world):
        """Swapping the values of two hyperparameters is another training."""
        one = world.grid(training={"all": {"weight_decay": 0.2, "warmup": 0.3}})
        other = world.grid(training={"all": {"weight_decay": 0.3, "warmup": 0.2}})
        key = TrainingKey("tiny", "none", 1, "qa")
        assert one.training(key).digest != other.training(key).digest


class TestIdentity:
    def test_what_differs_has_another_identity(self, world):
        """Encoder, condition, seed, target: each of them decides a score."""
        grid = world.grid(encoders=["tiny", "other"])
        found = [
            grid.evaluation(EvaluationKey(encoder, condition, seed, target)).digest
            for encoder in ("tiny", "other")
            for condition in STUDY["conditions"]
            for seed in (1, 2)
            for target in ("xnli", "xqa")
        ]
        assert len(set(found)) == len(found)

    def test_the_same_computation_has_one_identity(self, world):
        """Tuning the encoder on nli is the same, whatever comes after it."""
        grid = world.grid()
        intermediate = grid.training(TrainingKey("tiny", "nli", 1, INTERMEDIATE))
        recipe = grid.training(TrainingKey("tiny", "none", 1, "nli"))
        assert (intermediate.digest, intermediate.stamp.parent.name) == (
            recipe.digest,
            recipe.stamp.parent.name,
        )
