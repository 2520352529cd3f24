"""Training: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from support import tiny
from xstilts.errors import DataError, EncoderError, LineageError, TrainingError
from xstilts.models import checkpoint
from xstilts.models.network import weights
from xstilts.provenance.files import read_json
from xstilts.provenance.stamp import verify
from xstilts.training.train import Training, run


def test_a_task_of_parts_trains_on_all_of_them(tmp_path):
    """Every part is an input of the stamp, by its place."""
    one, two = tiny.task(tmp_path, n=14), tiny.task(tmp_path, n=6)
    both = replace(one, examples=(*one.examples, *two.examples))
    job = tiny.training_job(tmp_path, both)
    run(job)
    stamp = read_json(job.stamp)
    assert stamp["outcomes"]["items"] == {"t_classification": 20}
    assert set(stamp["inputs"]) == {
        "encoder", "examples.t_classification.0", "examples.t_classification.1",
    }  # fmt: skip


# --- a whole training ----------------------------------------------------------------------------


def test_the_same_training_gives_the_same_bytes(tmp_path):
    """Weights and stamp, in two folders."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    for job in jobs:
        run(job)
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])
    assert jobs[0].stamp.read_bytes() == jobs[1].stamp.read_bytes()


def test_what_ran_before_changes_nothing(tmp_path):
    """Torch's own random numbers are never used from where they happen to be."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    torch.manual_seed(5)
    run(jobs[0])
    torch.rand(17)
    run(jobs[1])
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])


def test_a_training_leaves_weights_a_stamp_that_proves_them_and_no_state(tmp_path):
    """Nothing else lies in its folder but the log, its curves and the records of the run."""
    job = tiny.training_job(tmp_path, save_every=0)
    run(job)
    stamp = verify(job.stamp)
    assert stamp["spec"] == "spec1"
    assert set(stamp["inputs"]) == {"encoder", "examples.t_classification"}
    assert stamp["outcomes"]["steps"] == 8
    assert stamp["outcomes"]["items"] == {"t_classification": 14}
    assert sorted(p.name for p in job.folder.iterdir()) == [
        "checkpoint.json",
        "curves",
        "log.jsonl",
        "made.json",
        "run.json",
        "weights.safetensors",
    ]
    assert read_json(job.folder / "run.json")["resumed_from"] == 0


def test_training_learns(tmp_path):
    """The loss of the last step is far below that of the first."""
    tiny.encoder(tmp_path / "encoder", dropout=0.0)
    task = tiny.task(tmp_path, n=40, epochs=25, learning_rate=3e-3)
    job = tiny.training_job(tmp_path, task)
    run(job)
    losses = [json.loads(x)["loss"] for x in (job.folder / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_the_log_has_a_line_for_every_step_of_a_short_training(tmp_path):
    """With task, loss, learning rate, speed and the time left."""
    job = tiny.training_job(tmp_path)
    run(job)
    lines = [json.loads(x) for x in (job.folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert set(lines[0]) == {
        "step", "of", "task", "loss", "learning_rate", "tokens", "seconds",
        "tokens_per_second", "seconds_left", "time",
    }  # fmt: skip
    assert lines[-1]["seconds_left"] == 0


@pytest.mark.parametrize("seed", [2, 3])
def test_another_seed_gives_another_result(seed, tmp_path):
    """Seeds are what error bars are made of."""
    jobs = [
        tiny.training_job(tmp_path, name="a"),
        tiny.training_job(tmp_path, name="b", seed=seed),
    ]
    for job in jobs:
        run(job)
    assert tiny.weights(jobs[0]) != tiny.weights(jobs[1])


def test_a_head_begins_alike_after_whatever_intermediate_task(tmp_path):
    """It depends on seed and task alone: conditions are compared on the same draw."""
    one = Training(tiny.training_job(tmp_path, name="a"))
    tasks = [tiny.task(tmp_path, task_type) for task_type in ("tagging", "classification")]
    two = Training(tiny.training_job(tmp_path, *tasks, name="b"))
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
    heads = Training(job).heads
    assert not torch.equal(
        heads["other"].sentence.dense.weight, heads["t_classification"].sentence.dense.weight
    )


def test_the_order_of_the_data_does_not_depend_on_threads(tmp_path):
    """Nor on micro-batches or precision: only the last bits of sums may."""
    job = tiny.training_job(tmp_path)
    other = replace(job, compute=tiny.compute(threads=3, micro_batch_tokens=20))
    one, two = Training(job), Training(other)
    assert all(torch.equal(one.heads.state_dict()[k], v) for k, v in two.heads.state_dict().items())
    for step in range(one.plan.total):
        assert one.plan.batch(step)[1].tolist() == two.plan.batch(step)[1].tolist()


@pytest.mark.parametrize(
    "forms", [["tagging"], ["multiple_choice"], ["span_qa"], list(tiny.ROWS_OF)]
)
def test_every_format_can_be_trained_alone_and_together(forms, tmp_path):
    """One head a task is left."""
    job = tiny.training_job(tmp_path, *(tiny.task(tmp_path, f, epochs=1) for f in forms))
    run(job)
    saved = checkpoint.Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
    assert {name.split(".")[0] for name in saved.heads} == {f"t_{task_type}" for task_type in forms}
    assert set(read_json(job.stamp)["outcomes"]["last_loss"]) == {
        f"t_{task_type}" for task_type in forms
    }


def test_an_intermediate_checkpoint_is_taken_up_exactly(tmp_path):
    """A recipe begins with the weights that the intermediate training ended with."""
    first = tiny.training_job(tmp_path, name="first")
    run(first)
    second = tiny.training_job(
        tmp_path, tiny.task(tmp_path, "tagging"), name="second", start=first.stamp
    )
    saved = checkpoint.Checkpoint.load(first.folder / checkpoint.FILE, first.encoder.parent)
    training = Training(second)
    words = checkpoint.words(first.encoder.parent, saved, training.data.rows)
    assert torch.equal(training.encoder.words.weight, words)
    for name, tensor in weights.body_tensors(training.encoder).items():
        assert torch.equal(tensor, saved.body[name]), name
    run(second)
    assert set(read_json(second.stamp)["inputs"]) == {"encoder", "start", "examples.t_tagging"}


# --- heads and targets ---------------------------------------------------------------------------


def test_a_second_recipe_goes_on_with_the_head_of_the_first(tmp_path):
    """SIQA then COPA: where the start has a head of that name and the same shape."""
    first = tiny.training_job(tmp_path, tiny.task(tmp_path), name="first")
    run(first)
    saved = checkpoint.Checkpoint.load(first.folder / checkpoint.FILE, first.encoder.parent)
    again = replace(tiny.task(tmp_path), name="again", head_from="t_classification")
    state = Training(tiny.training_job(tmp_path, again, name="second", start=first.stamp))
    assert state.begun_with == {"again": "t_classification"}
    for name, tensor in saved.head("t_classification").items():
        assert torch.equal(state.heads["again"].state_dict()[name], tensor)


@pytest.mark.parametrize("why", ["no start", "no head", "another shape", "not asked for"])
def test_else_a_head_is_new(why, tmp_path):
    """And the stamp says so."""
    first = tiny.training_job(tmp_path, tiny.task(tmp_path), name="first")
    run(first)
    task = replace(tiny.task(tmp_path), head_from="t_classification")
    if why == "no head":
        task = replace(task, head_from="other")
    if why == "another shape":
        task = replace(task, labels=("yes", "no", "maybe"))
    if why == "not asked for":
        task = replace(task, head_from=None)
    start = None if why == "no start" else first.stamp
    job = tiny.training_job(tmp_path, task, name="second", start=start)
    run(job)
    assert read_json(job.stamp)["outcomes"]["heads"] == {"t_classification": "new"}


@pytest.mark.parametrize("task_type", tiny.ROWS_OF)
def test_label_smoothing_gives_a_share_of_the_target_to_all(task_type, tmp_path):
    """The loss is the mixture of the hard one and of the mean over all classes."""
    state = Training(tiny.training_job(tmp_path, tiny.task(tmp_path, task_type, n=3)))
    state._train_mode(False)
    batch, outputs = state.gradients.forward(0, f"t_{task_type}", [0, 1, 2])
    loss = state.data.task_models[f"t_{task_type}"].loss
    hard, mixed, soft = (loss(outputs, batch, share).item() for share in (0.0, 0.3, 1.0))
    assert mixed == pytest.approx(0.7 * hard + 0.3 * soft, rel=1e-5)
    assert abs(soft - hard) > 1e-4
    sizes = {"classification": [2], "tagging": [2]}.get(task_type)
    if sizes:  # a target that is nothing but smooth: the mean of all classes' losses
        logs = torch.log_softmax(outputs.float(), -1)
        assert soft == pytest.approx(-logs.mean(-1).sum().item(), rel=1e-5)


def test_the_machine_decides_nothing(tmp_path):
    """Other cores, thread settings and hash seeds in the environment: the same bytes."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    environments = [
        {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
        {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "2"},
    ]
    for job, environment in zip(jobs, environments, strict=True):
        path = tmp_path / f"{job.folder.name}.pickle"
        path.write_bytes(pickle.dumps(job))
        code = (
            "import pickle, sys; from pathlib import Path; from xstilts.training.train import run;"
            "run(pickle.loads(Path(sys.argv[1]).read_bytes()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], env=os.environ | environment, check=False
        )
        assert done.returncode == 0
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])
    assert jobs[0].stamp.read_bytes() == jobs[1].stamp.read_bytes()


# --- what is refused -----------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    """The error names the task, the step and what may help; no checkpoint is left."""
    job = tiny.training_job(tmp_path)
    training = Training(job)
    with torch.no_grad():
        training.heads["t_classification"].sentence.out.bias.fill_(float("nan"))
    with pytest.raises(
        TrainingError, match=r"t_classification: the loss is nan at step 1 of 8; a lower learning"
    ):
        list(training.steps(lambda: False))
    assert not job.stamp.exists()


def test_a_gradient_that_is_no_number_ends_the_training(tmp_path):
    """Even in the last step, after which no loss would show it."""
    training = Training(tiny.training_job(tmp_path))
    training.encoder.words.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(TrainingError, match=r"norm of the gradient is (nan|inf) at step 1 of 8"):
        list(training.steps(lambda: False))


@pytest.mark.parametrize("leave", ["save", "checkpoint"])
def test_nothing_is_left_of_a_step_before_it_is_seen_to_be_finite(leave, tmp_path):
    """A step's loss is looked at while the next one is computed, but never later than this."""
    training = Training(tiny.training_job(tmp_path))
    steps = training.steps(lambda: False)
    next(steps)
    training.encoder.words.weight.register_hook(lambda grad: grad * float("nan"))
    next(steps)
    with pytest.raises(TrainingError, match="norm of the gradient is nan at step 2 of 8"):
        getattr(training, leave)()
    assert not list(training.job.folder.glob("*.safetensors"))


@pytest.mark.parametrize("role", ["encoder", "examples"])
def test_inputs_whose_bytes_were_changed_are_refused(role, tmp_path):
    """Before anything is computed; the error names the file."""
    job = tiny.training_job(tmp_path)
    examples_file = job.tasks[0].examples[0].with_suffix(".parquet")
    damaged = {"encoder": job.encoder.parent / "model.safetensors", "examples": examples_file}[role]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(LineageError, match=damaged.name):
        run(job)
    assert not job.folder.exists()


def test_a_start_trained_from_another_encoder_is_refused(tmp_path):
    """A compact checkpoint means nothing without the very encoder that it shrank."""
    first = tiny.training_job(tmp_path, name="first")
    run(first)
    tiny.encoder(first.encoder.parent, seed=9)
    second = tiny.training_job(tmp_path, name="second", start=first.stamp)
    with pytest.raises(LineageError, match=r"first/checkpoint.json: was trained from another"):
        run(second)


def test_no_usable_example_is_an_error_that_names_the_file(tmp_path):
    """A training on nothing would be the encoder under another name."""
    rows = [row | {"label": None} for row in tiny.sentences(3)]
    stamp = tiny.split(tmp_path / "examples/none/en.json", "classification", rows)
    task = replace(tiny.task(tmp_path), examples=(stamp,))
    with pytest.raises(DataError, match=r"none/en.json: no example that 't_classification' can be"):
        Training(tiny.training_job(tmp_path, task))


def test_sequences_that_the_encoder_cannot_take_are_refused_at_once(tmp_path):
    """Not at the step where the longest comes."""
    tiny.encoder(tmp_path / "encoder", positions=10)
    with pytest.raises(
        EncoderError, match=r"t_classification: a sequence of \d+ tokens; .* takes 10"
    ):
        Training(tiny.training_job(tmp_path, tiny.task(tmp_path, n=40)))


def test_weights_decay_but_not_biases_and_norms(tmp_path):
    """Whatever a task is called."""
    task = replace(tiny.task(tmp_path, weight_decay=0.1), name="norms_and_bias")
    state = Training(tiny.training_job(tmp_path, task))
    names = {parameter: name for name, parameter in state._parameters().items()}
    decayed, kept = ({names[p] for p in group["params"]} for group in state.optimizer.param_groups)
    assert {"encoder.words.weight", "encoder.layers.0.qkv.weight"} <= decayed
    assert {name for name in decayed if name.startswith("head.norms_and_bias.")}
    assert {"encoder.norm.weight", "encoder.layers.0.attention_norm.weight"} <= kept
    assert not any(name.endswith("bias") for name in decayed)
    assert all("norm." in name or name.endswith("bias") for name in kept)
