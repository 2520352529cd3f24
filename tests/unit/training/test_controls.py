"""The two controls in real trainings: shuffled answers, and more steps of the recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support import tiny
from xstilts.config.study import Mlm, Multi
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.files import read_json
from xstilts.training.data import TrainingData, count_steps, features_of
from xstilts.training.job import MlmJob, StageSteps
from xstilts.training.loop import Trainer
from xstilts.training.train import run


def trained(tmp_path, *tasks, **changes):
    """The outcomes and weights of a training."""
    job = tiny.training_job(tmp_path, *tasks, **changes)
    run(job)
    return read_json(job.stamp)["outcomes"], tiny.weights(job)


class TestShuffled:
    @pytest.mark.parametrize(
        "task_type", ["classification", "tagging", "multiple_choice", "span_qa"]
    )
    def test_the_sequences_are_those_of_the_task(self, tmp_path, task_type):
        """Token for token, in the same order; only what is learnt from them is another."""
        own = tiny.task(tmp_path, task_type)
        control = replace(own, shuffle_seed=3)
        tokenizer = Tokenizer(tiny.encoder(tmp_path / "encoder").parent)
        one, two = (features_of(task, tokenizer) for task in (own, control))
        assert [list(s) for s in one.sequences] == [list(s) for s in two.sequences]
        assert str(one.targets) != str(two.targets)

    def test_it_trains_another_checkpoint_in_as_many_steps(self, tmp_path):
        """With the same items."""
        own = tiny.task(tmp_path, n=20, selection="last")
        one, weights = trained(tmp_path, own, name="own")
        two, shuffled = trained(tmp_path, replace(own, shuffle_seed=3), name="control")
        assert (two["steps"], two["items"]) == (one["steps"], one["items"])
        assert shuffled != weights

    def test_it_is_the_same_again(self, tmp_path):
        """The seed decides the order of the answers."""
        task = replace(tiny.task(tmp_path, n=20, selection="last"), shuffle_seed=3)
        _, one = trained(tmp_path, task, name="one")
        _, two = trained(tmp_path, task, name="two")
        assert one == two

    def test_it_learns_nothing(self, tmp_path):
        """The loss of right answers falls, that of shuffled ones stays about that of guessing."""
        own = tiny.task(tmp_path, n=64, selection="last", epochs=12)
        losses = [
            trained(tmp_path, task, name=name)[0]["last_loss"]["t_classification"]
            for name, task in (("own", own), ("control", replace(own, shuffle_seed=3)))
        ]
        assert losses[0] < 0.3 < losses[1]


class TestMoreSteps:
    def other_stage(self, tmp_path, **changes):
        return StageSteps((tiny.task(tmp_path, "span_qa", n=22),), **changes)

    def test_a_training_takes_those_of_its_own_and_of_the_other(self, tmp_path):
        """Two epochs of batches of four, of as many windows as the other's questions have."""
        task = tiny.task(tmp_path, n=20, selection="last")
        other = self.other_stage(tmp_path)
        job = tiny.training_job(tmp_path, task, more_steps=other, name="longer")
        windows = len(TrainingData(other.tasks, None, job.encoder.parent).lengths["t_span_qa"])
        run(job)
        outcomes = read_json(job.stamp)["outcomes"]
        assert outcomes["more_steps"] == 2 * -(-windows // 4)
        assert outcomes["steps"] == 10 + outcomes["more_steps"]

    def test_it_trains_on_its_own_task_alone(self, tmp_path):
        """The other's examples are only counted; the stamp says which they were."""
        task = tiny.task(tmp_path, n=20, selection="last")
        job = tiny.training_job(tmp_path, task, more_steps=self.other_stage(tmp_path))
        run(job)
        stamp = read_json(job.stamp)
        assert set(stamp["outcomes"]["items"]) == {"t_classification"}
        assert set(stamp["inputs"]) == {"encoder", "examples.t_classification", "steps.t_span_qa"}

    def test_a_training_without_them_says_nothing_of_them(self, tmp_path):
        """Its stamp is as it was."""
        outcomes, _ = trained(tmp_path, tiny.task(tmp_path, selection="last"))
        assert "more_steps" not in outcomes

    def test_they_are_as_many_as_the_other_training_has(self, tmp_path):
        """Several tasks with masked language modelling among them."""
        tasks = (tiny.task(tmp_path, "span_qa", n=22), tiny.task(tmp_path, n=30))
        mlm, multi = Mlm(rate=0.25), Multi(cap=25)
        text = tiny.split(tmp_path / "text" / "en.json", "mlm", tiny.texts(8))
        folder = tiny.encoder(tmp_path / "encoder", positions=300).parent
        other = tiny.training_job(
            tmp_path, *tasks, multi=multi, mlm=MlmJob((text,), mlm), name="other"
        )
        stage = StageSteps(tasks, mlm)
        assert count_steps(stage, multi, Tokenizer(folder)) == Trainer(other).schedule.total
