"""Conditions and recipes: which trainings a study asks for, and what each of them reads."""

import pytest

from support.world import SQUAD, TEXTS, task_card
from xstilts.config.conditions import Condition, base_of, parse_condition
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, ExamplesKey, TrainingKey
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.workflow.jobs import training_job

TEXT = ("mlm", "conllu_text", "none", "loss")
NLI = ["yes", "no"]


@pytest.fixture
def world(world):
    """With translated training data, a text, a task of parts and a recipe of two stages."""
    train = {"train": ["en", "de", "sw"], "dev": ["en", "de"]}
    world.write("tasks", task_card("nli", TEXTS, train, labels=NLI))
    world.write("tasks", task_card("snli", TEXTS, {"train": ["en"]}, labels=NLI))
    both = task_card("nli_plus", TEXTS, {}, labels=NLI, parts=["nli", "snli"], languages=["en"])
    world.write("tasks", both)
    world.write("tasks", task_card("text", TEXT, {"train": ["en", "sw"]}))
    world.write("tasks", task_card("early_qa", SQUAD, {"train": ["en"]}))
    world.change_card("qa", follows="early_qa")
    return world


def stamps(grid, *examples):
    return [grid.examples_stamp(ExamplesKey(*key)) for key in examples]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "tasks", "languages", "mlm"),
        [
            ("none", (), (), False),
            ("multi+mlm", (), (), True),
            ("nli", ("nli",), (), False),
            ("nli@de", ("nli",), ("de",), False),
            ("nli@en+de+mlm", ("nli",), ("en", "de"), True),
        ],
    )
    def test_parts_of_a_name(self, name, tasks, languages, mlm):
        """Task, languages, and whether MLM is mixed in."""
        assert parse_condition(name) == Condition(name, tasks, languages, mlm)

    @pytest.mark.parametrize(
        ("condition", "problem"),
        [
            ("none+mlm", "conditions: 'none+mlm': nothing can be added to 'none'"),
            ("none~shuffled", "conditions: 'none~shuffled': nothing can be added to 'none'"),
            (
                "none+steps",
                "conditions: 'none+steps': names no condition whose steps it takes; "
                "write none+steps-<condition>",
            ),
            (
                "none+steps-none",
                "conditions: 'none+steps-none': 'none' has no intermediate stage "
                "whose steps it could take",
            ),
            (
                "none+steps-nli~shuffled",
                "conditions: 'none+steps-nli~shuffled': a shuffled stage takes the steps of the "
                "task's own; write none+steps-nli",
            ),
            (
                "none+steps-nli@de",
                "conditions: 'none+steps-nli@de': is the control of 'nli@de', which the study "
                "lacks; add it to the conditions",
            ),
            ("multi@de", "conditions: 'multi@de': only a single task has languages"),
            (
                "nli@yo",
                "conditions: 'nli@yo'[0]: unknown language 'yo'. Allowed: de, en, sw",
            ),
            ("nli@de+de", "conditions: 'nli@de+de': a language is listed twice"),
            ("text", "conditions: 'text' is text for mlm, which is no task to fine-tune on"),
        ],
    )
    def test_what_no_name_can_mean(self, world, condition, problem):
        """Is refused before anything runs."""
        conditions = ["none", "nli", "choice", condition]
        assert (
            world.problem(conditions=conditions, mlm={"text": "text"}) == f"study.yaml: {problem}"
        )

    def test_mlm_needs_a_text(self, world):
        """Nothing is assumed."""
        assert world.problem(conditions=["none", "nli+mlm"]) == (
            "study.yaml: mlm.text: 'nli+mlm' needs the card of a text"
        )


class TestShuffled:
    CONDITION = "nli@de+en~shuffled"
    KEY = TrainingKey("tiny", CONDITION, 1, INTERMEDIATE)

    @pytest.fixture
    def grid(self, world):
        return world.grid(conditions=["none", "nli@de+en", self.CONDITION])

    def jobs(self, grid):
        """The control's stage, and the stage that it is the control of."""
        return [
            training_job(grid, self.KEY._replace(condition=name)).tasks[0]
            for name in (self.CONDITION, "nli@de+en")
        ]

    def test_its_parts_combine(self):
        """Languages before it, masked language modelling after it."""
        assert parse_condition("nli@de~shuffled+mlm") == Condition(
            "nli@de~shuffled+mlm", ("nli",), ("de",), mlm=True, shuffled=True
        )
        assert base_of("multi~shuffled+mlm") == "multi"

    def test_it_reads_what_the_task_reads(self, grid):
        """With the same hyperparameters but one."""
        control, own = self.jobs(grid)
        assert (control.examples, control.labels) == (own.examples, own.labels)
        chosen = own.hyperparameters.model_copy(update={"selection": "last"})
        assert control.hyperparameters == chosen

    def test_it_keeps_the_last_checkpoint(self, grid):
        """Development data with right answers would select what the control must not know."""
        control, own = self.jobs(grid)
        assert (bool(control.dev), bool(own.dev)) == (False, True)

    def test_each_seed_shuffles_anew(self, grid):
        """The task itself is not shuffled, nor is the recipe of the control."""
        one, two = (
            training_job(grid, self.KEY._replace(seed=seed)).tasks[0].shuffle_seed
            for seed in (1, 2)
        )
        assert isinstance(one, int)
        assert one != two
        assert self.jobs(grid)[1].shuffle_seed is None
        assert training_job(grid, self.KEY._replace(stage="nli")).tasks[0].shuffle_seed is None

    def test_multi_shuffles_each_of_its_tasks(self, world):
        """By itself."""
        grid = world.grid(conditions=["none", "nli", "choice", "multi~shuffled"])
        job = training_job(grid, self.KEY._replace(condition="multi~shuffled"))
        assert [task.name for task in job.tasks] == ["choice", "nli"]
        assert len({task.shuffle_seed for task in job.tasks} - {None}) == 2

    def test_the_code_that_shuffles_decides_it_alone(self, grid):
        """A plain condition stays valid when that code changes."""
        control, own = (
            grid.training(self.KEY._replace(condition=name)).modules
            for name in (self.CONDITION, "nli@de+en")
        )
        assert set(control) - set(own) == {"xstilts.tasks.shuffling"}

    def test_it_is_a_path(self, grid):
        """Of its own."""
        key = EvaluationKey("tiny", self.CONDITION, 1, "xqa")
        assert "/nli@de+en~shuffled/seed1/" in str(grid.evaluation(key).stamp)


class TestMoreSteps:
    @pytest.fixture
    def grid(self, world):
        conditions = ["none", "nli", "nli+mlm", "none+steps-nli", "none+steps-nli+mlm"]
        return world.grid(conditions=conditions, mlm={"text": "text"})

    def job(self, grid, stage, condition="none+steps-nli"):
        return training_job(grid, TrainingKey("tiny", condition, 1, stage))

    def test_it_names_the_condition_whose_steps_it_takes(self):
        """Whatever that is made of."""
        assert parse_condition("none+steps-nli@de+mlm") == Condition(
            "none+steps-nli@de+mlm", (), steps_of="nli@de+mlm"
        )
        assert base_of("none+steps-nli@de+mlm") == "none"

    def test_it_has_no_intermediate_stage(self, grid):
        """Its recipe starts from the encoder, as the baseline's."""
        stages = [stage for name, stage in grid.reads.stages() if name == "none+steps-nli"]
        assert stages == ["nli", "early_qa", "qa"]
        assert self.job(grid, "nli").start is None

    def test_the_recipe_takes_the_steps_of_the_other_s_stage(self, grid):
        """It needs that stage's examples to count them, and its languages' mixing."""
        job = self.job(grid, "nli", "none+steps-nli+mlm")
        intermediate = training_job(grid, TrainingKey("tiny", "nli+mlm", 1, INTERMEDIATE))
        assert job.more_steps.tasks == intermediate.tasks
        assert job.more_steps.mlm == intermediate.mlm.choices
        assert self.job(grid, "nli").more_steps.mlm is None

    def test_its_recipe_is_else_the_baseline_s(self, grid):
        """Same examples, same hyperparameters."""
        baseline = training_job(grid, TrainingKey("tiny", "none", 1, "nli"))
        assert self.job(grid, "nli").tasks == baseline.tasks
        assert baseline.more_steps is None

    def test_of_a_recipe_of_two_stages_the_first_takes_them(self, grid):
        """There the intermediate stage would have been."""
        assert self.job(grid, "early_qa").more_steps is not None
        assert self.job(grid, "qa").more_steps is None

    def test_examples_that_count_its_steps_are_inputs(self, grid):
        """The job waits for them, and the stamp names them."""
        examples = grid.reads.examples_of_training("none+steps-nli", "early_qa")
        assert ExamplesKey("nli", "train", "en") in examples

    @pytest.mark.parametrize("changes", [{"epochs": 1}, {"batch_size": 4}])
    def test_what_decides_the_steps_decides_the_control(self, world, changes):
        """The baseline stays as it is."""
        conditions = ["none", "nli", "none+steps-nli"]
        before, after = (
            world.grid(conditions=conditions, training={"intermediate": chosen})
            for chosen in ({}, changes)
        )
        for condition, same in (("none", True), ("none+steps-nli", False)):
            key = TrainingKey("tiny", condition, 1, "early_qa")
            assert (before.training(key).digest == after.training(key).digest) is same

    def test_a_target_without_a_recipe_is_read_from_the_encoder(self, grid):
        """There is nothing that could be trained longer."""
        key = EvaluationKey("tiny", "none+steps-nli", 1, "pairs")
        assert grid.evaluated(key) == grid.encoder("tiny")


class TestControls:
    @pytest.mark.parametrize("control", ["nli~shuffled", "none+steps-nli", "multi~shuffled"])
    def test_they_change_no_other_condition(self, world, control):
        """Neither its spec nor its path: what was computed stays valid."""
        plain = ["none", "nli", "choice", "multi"]
        before, after = world.grid(conditions=plain), world.grid(conditions=[*plain, control])
        assert {a.digest for a in before.artefacts()} <= {a.digest for a in after.artefacts()}
        assert {a.stamp for a in before.artefacts()} <= {a.stamp for a in after.artefacts()}

    def test_a_plain_condition_s_spec_does_not_know_of_them(self, world):
        """The keys are those that it had before there were controls."""
        spec = world.grid().training(TrainingKey("tiny", "multi", 1, INTERMEDIATE)).spec
        assert set(spec) == {
            "kind", "code", "environment", "start", "seed", "tasks", "multi", "mlm", "compute",
        }  # fmt: skip
        assert set(spec["tasks"][0]) == {
            "task", "task_type", "labels", "examples", "dev", "selected_by", "head_from",
            "hyperparameters",
        }  # fmt: skip

    def test_a_frozen_copy_has_them(self, world):
        """The snapshot that jobs work from."""
        grid = world.grid(conditions=["none", "nli", "nli~shuffled", "none+steps-nli"])
        thawed = load_snapshot(save_snapshot(grid))
        assert [a.digest for a in thawed.artefacts()] == [a.digest for a in grid.artefacts()]


class TestLanguages:
    def test_training_data_in_the_named_languages(self, world):
        """Joined in the order of the name; selection stays on English."""
        grid = world.grid(conditions=["none", "nli@de+en"])
        job = training_job(grid, TrainingKey("tiny", "nli@de+en", 1, INTERMEDIATE))
        (task,) = job.tasks
        assert list(task.examples) == stamps(grid, ("nli", "train", "de"), ("nli", "train", "en"))
        assert list(task.dev) == stamps(grid, ("nli", "dev", "en"))

    def test_the_recipe_stays_english(self, world):
        """Zero-shot transfer is from English."""
        grid = world.grid(conditions=["none", "nli@de"])
        assert grid.reads.train_split("nli@de", "nli", "nli") == [("nli", "train", "en")]

    def test_all_of_them_are_prepared_once(self, world):
        """One rule for a task and split, whatever conditions read it."""
        grid = world.grid(conditions=["none", "nli@de", "nli@sw"])
        needed = {(task, split): codes for task, split, codes in grid.reads.needed_examples()}
        assert needed["nli", "train"] == ["de", "sw", "en"]

    def test_multi_is_made_of_plain_tasks(self, world):
        """Translated data is no further task."""
        resolved = world.resolve(conditions=["none", "nli", "choice", "nli@de", "multi"])
        assert resolved.conditions["multi"].tasks == ("choice", "nli")

    def test_multi_of_named_tasks(self, world):
        """Which need not be conditions themselves."""
        resolved = world.resolve(conditions=["none", "multi"], multi={"tasks": ["qa", "nli"]})
        assert resolved.conditions["multi"].tasks == ("nli", "qa")


class TestMlm:
    def test_text_is_read_in_its_languages(self, world):
        """By the intermediate stage alone."""
        grid = world.grid(conditions=["none", "nli+mlm"], mlm={"text": "text"})
        job = training_job(grid, TrainingKey("tiny", "nli+mlm", 1, INTERMEDIATE))
        assert list(job.mlm.examples) == stamps(
            grid, ("text", "train", "en"), ("text", "train", "sw")
        )
        assert training_job(grid, TrainingKey("tiny", "nli+mlm", 1, "nli")).mlm is None

    def test_its_settings_decide_the_stage_with_it_alone(self, world):
        """A plain condition does not know of them."""
        conditions = ["none", "nli", "nli+mlm"]
        low, high = (
            world.grid(conditions=conditions, mlm={"text": "text", "rate": rate})
            for rate in (0.2, 0.4)
        )
        for condition, same in (("nli", True), ("nli+mlm", False)):
            digests = [
                g.training(TrainingKey("tiny", condition, 1, INTERMEDIATE)).digest
                for g in (low, high)
            ]
            assert (digests[0] == digests[1]) is same


class TestParts:
    def test_examples_of_all_parts(self, world):
        """Under one head, selected on the parts' English dev sets."""
        grid = world.grid(conditions=["none", "nli_plus"])
        (task,) = training_job(grid, TrainingKey("tiny", "nli_plus", 1, INTERMEDIATE)).tasks
        assert list(task.examples) == stamps(grid, ("nli", "train", "en"), ("snli", "train", "en"))
        assert list(task.dev) == stamps(grid, ("nli", "dev", "en"))
        assert task.labels == ("yes", "no")

    def test_parts_of_another_kind(self, world):
        """One head cannot learn them."""
        world.write(
            "tasks",
            task_card("mixed", TEXTS, {}, labels=NLI, parts=["nli", "choice"], languages=["en"]),
        )
        assert world.problem(conditions=["none", "mixed"]) == (
            "study.yaml: conditions: 'mixed': part 'choice' has another task type or labels"
        )


class TestTwoStages:
    def test_the_recipe_goes_on_from_the_one_before(self, world):
        """With its weights and its head."""
        grid = world.grid(conditions=["none", "nli"])
        job = training_job(grid, TrainingKey("tiny", "nli", 1, "qa"))
        assert job.start == grid.training(TrainingKey("tiny", "nli", 1, "early_qa")).stamp
        assert job.tasks[0].head_from == "early_qa"

    def test_the_first_starts_as_any_recipe(self, world):
        """From the intermediate checkpoint, or from the encoder in the baseline."""
        grid = world.grid(conditions=["none", "nli"])
        first = training_job(grid, TrainingKey("tiny", "nli", 1, "early_qa"))
        assert first.start == grid.training(TrainingKey("tiny", "nli", 1, INTERMEDIATE)).stamp
        assert training_job(grid, TrainingKey("tiny", "none", 1, "early_qa")).start is None

    def test_as_an_intermediate_task_it_stands_alone(self, world):
        """Only a recipe has a history."""
        grid = world.grid(conditions=["none", "qa"])
        job = training_job(grid, TrainingKey("tiny", "qa", 1, INTERMEDIATE))
        assert (job.start, job.tasks[0].head_from) == (None, None)

    def test_a_circle_is_refused(self, world):
        """It has no first stage."""
        world.write("tasks", task_card("early_qa", SQUAD, {"train": ["en"]}, follows="qa"))
        assert world.problems() == [
            "study.yaml: targets: 'qa': follows: the chain qa <- early_qa <- qa has no start"
        ]


class TestRetrievalAfterARecipe:
    def test_reads_the_recipe_s_encoder(self, world):
        """XTREME-R's Tatoeba is read from an encoder that was tuned on SQuAD."""
        world.change_card("pairs", recipe="qa")
        grid = world.grid()
        assert (
            grid.evaluated(EvaluationKey("tiny", "nli", 1, "pairs")).stamp
            == grid.training(TrainingKey("tiny", "nli", 1, "qa")).stamp
        )
        assert grid.reads.limits("pairs") == grid.reads.hyperparameters("pairs", "recipe")

    def test_a_trained_retriever_is_read_at_its_end(self, world):
        """Where its training pooled; an untrained one at the layer that its card says."""
        assert world.grid().reads.retrieval_layer("tiny", "pairs") == 2
        kind = ("retrieval", "parallel_lines", "map20", "map_at_20")
        world.write("tasks", task_card("mined", kind, {"train": ["en"]}))
        world.change_card("pairs", recipe="mined")
        assert world.grid().reads.retrieval_layer("tiny", "pairs") is None


class TestFrozen:
    def test_a_frozen_copy_has_all_cards(self, world, tmp_path):
        """Parts, texts and earlier stages as well."""
        grid = world.grid(conditions=["none", "nli_plus+mlm"], mlm={"text": "text"})
        thawed = load_snapshot(save_snapshot(grid))
        for condition in grid.resolved.conditions:
            assert (
                thawed.training(TrainingKey("tiny", condition, 1, "qa")).digest
                == grid.training(TrainingKey("tiny", condition, 1, "qa")).digest
            )
