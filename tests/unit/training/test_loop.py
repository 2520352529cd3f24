"""The training loop: what it starts from, its steps, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from support import tiny
from xstilts.errors import DataError, EncoderError, TrainingError
from xstilts.models import checkpoint
from xstilts.models.network import weights
from xstilts.provenance.files import read_json
from xstilts.training.loop import Trainer
from xstilts.training.train import run


def test_a_head_begins_alike_after_whatever_intermediate_task(tmp_path):
    """It depends on seed and task alone: conditions are compared on the same draw."""
    one = Trainer(tiny.training_job(tmp_path, name="a"))
    tasks = [tiny.task(tmp_path, task_type) for task_type in ("tagging", "classification")]
    two = Trainer(tiny.training_job(tmp_path, *tasks, name="b"))
    for ours, theirs in zip(
        one.heads["t_classification"].parameters(),
        two.heads["t_classification"].parameters(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_heads_of_two_tasks_begin_differently(tmp_path):
    """Each draws from a stream of its own."""
    one = tiny.task(tmp_path)
    job = tiny.training_job(tmp_path, one, replace(one, name="other"))
    heads = Trainer(job).heads
    assert not torch.equal(
        heads["other"].sentence.dense.weight, heads["t_classification"].sentence.dense.weight
    )


def test_the_order_of_the_data_does_not_depend_on_threads(tmp_path):
    """Nor on micro-batches or precision: only the last bits of sums may."""
    job = tiny.training_job(tmp_path)
    other = replace(job, compute=tiny.compute(threads=3, micro_batch_tokens=20))
    one, two = Trainer(job), Trainer(other)
    assert all(torch.equal(one.heads.state_dict()[k], v) for k, v in two.heads.state_dict().items())
    for step in range(one.schedule.total):
        assert one.schedule.batch(step)[1].tolist() == two.schedule.batch(step)[1].tolist()


def test_an_intermediate_checkpoint_is_taken_up_exactly(tmp_path):
    """A recipe begins with the weights that the intermediate training ended with."""
    first = tiny.training_job(tmp_path, name="first")
    run(first)
    second = tiny.training_job(
        tmp_path, tiny.task(tmp_path, "tagging"), name="second", start=first.stamp
    )
    saved = checkpoint.Checkpoint.load(first.folder / checkpoint.FILE, first.encoder.parent)
    training = Trainer(second)
    embeddings = training.data.rows.read(first.encoder.parent, saved.embeddings)
    assert torch.equal(training.encoder.words.weight, embeddings)
    for name, tensor in weights.body_tensors(training.encoder).items():
        assert torch.equal(tensor, saved.body[name]), name
    run(second)
    assert set(read_json(second.stamp)["inputs"]) == {"encoder", "start", "examples.t_tagging"}


def test_a_second_recipe_goes_on_with_the_head_of_the_first(tmp_path):
    """SIQA then COPA: where the start has a head of that name and the same shape."""
    first = tiny.training_job(tmp_path, tiny.task(tmp_path), name="first")
    run(first)
    saved = checkpoint.Checkpoint.load(first.folder / checkpoint.FILE, first.encoder.parent)
    again = replace(tiny.task(tmp_path), name="again", head_from="t_classification")
    state = Trainer(tiny.training_job(tmp_path, again, name="second", start=first.stamp))
    assert state.head_init == {"again": "t_classification"}
    for name, tensor in saved.head("t_classification").items():
        assert torch.equal(state.heads["again"].state_dict()[name], tensor)


@pytest.mark.parametrize("task_type", tiny.ROWS_OF)
def test_label_smoothing_gives_a_share_of_the_target_to_all(task_type, tmp_path):
    """The loss is the mixture of the hard one and of the mean over all classes."""
    state = Trainer(tiny.training_job(tmp_path, tiny.task(tmp_path, task_type, n=3)))
    state.train_mode(False)
    batch, outputs = state.gradients.forward(0, f"t_{task_type}", [0, 1, 2])
    loss = state.data.task_models[f"t_{task_type}"].loss
    hard, mixed, soft = (loss(outputs, batch, share).item() for share in (0.0, 0.3, 1.0))
    assert mixed == pytest.approx(0.7 * hard + 0.3 * soft, rel=1e-5)
    assert abs(soft - hard) > 1e-4
    sizes = {"classification": [2], "tagging": [2]}.get(task_type)
    if sizes:  # a target that is nothing but smooth: the mean of all classes' losses
        logs = torch.log_softmax(outputs.float(), -1)
        assert soft == pytest.approx(-logs.mean(-1).sum().item(), rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    """The error names the task, the step and what may help; no checkpoint is left."""
    job = tiny.training_job(tmp_path)
    training = Trainer(job)
    with torch.no_grad():
        training.heads["t_classification"].sentence.out.bias.fill_(float("nan"))
    with pytest.raises(
        TrainingError, match=r"t_classification: the loss is nan at step 1 of 8; a lower learning"
    ):
        list(training.steps())
    assert not job.stamp.exists()


def test_a_gradient_that_is_no_number_ends_the_training(tmp_path):
    """Even in the last step, after which no loss would show it."""
    training = Trainer(tiny.training_job(tmp_path))
    training.encoder.words.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(TrainingError, match=r"norm of the gradient is (nan|inf) at step 1 of 8"):
        list(training.steps())


@pytest.mark.parametrize("leave", ["state", "checkpoint"])
def test_nothing_is_left_of_a_step_before_it_is_seen_to_be_finite(leave, tmp_path):
    """A step's loss is looked at while the next one is computed, but never later than this."""
    training = Trainer(tiny.training_job(tmp_path))
    steps = training.steps()
    next(steps)
    training.encoder.words.weight.register_hook(lambda grad: grad * float("nan"))
    next(steps)
    with pytest.raises(TrainingError, match="norm of the gradient is nan at step 2 of 8"):
        getattr(training, leave)()
    assert not list(training.job.folder.glob("*.safetensors"))


def test_no_usable_example_is_an_error_that_names_the_file(tmp_path):
    """A training on nothing would be the encoder under another name."""
    rows = [row | {"label": None} for row in tiny.sentences(3)]
    stamp = tiny.split(tmp_path / "examples/none/en.json", "classification", rows)
    task = replace(tiny.task(tmp_path), examples=(stamp,))
    with pytest.raises(DataError, match=r"none/en.json: no example that 't_classification' can be"):
        Trainer(tiny.training_job(tmp_path, task))


def test_sequences_that_the_encoder_cannot_take_are_refused_at_once(tmp_path):
    """Not at the step where the longest comes."""
    tiny.encoder(tmp_path / "encoder", positions=10)
    with pytest.raises(
        EncoderError, match=r"t_classification: a sequence of \d+ tokens; .* takes 10"
    ):
        Trainer(tiny.training_job(tmp_path, tiny.task(tmp_path, n=40)))


def test_weights_decay_but_not_biases_and_norms(tmp_path):
    """Whatever a task is called."""
    task = replace(tiny.task(tmp_path, weight_decay=0.1), name="norms_and_bias")
    state = Trainer(tiny.training_job(tmp_path, task))
    names = {parameter: name for name, parameter in state.parameters().items()}
    decayed, kept = (
        {names[p] for p in group["params"]} for group in state.update.optimizer.param_groups
    )
    assert {"encoder.words.weight", "encoder.layers.0.qkv.weight"} <= decayed
    assert {name for name in decayed if name.startswith("head.norms_and_bias.")}
    assert {"encoder.norm.weight", "encoder.layers.0.attention_norm.weight"} <= kept
    assert not any(name.endswith("bias") for name in decayed)
    assert all("norm." in name or name.endswith("bias") for name in kept)
