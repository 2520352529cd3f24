"""Checkpoints: what differs from the encoder, read back exactly; compact and dense are one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from support import tiny
from xstilts.data import examples
from xstilts.errors import EncoderError
from xstilts.models import checkpoint as checkpoints
from xstilts.models.batch import pack
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.dropout import AttentionDropout, Dropout
from xstilts.models.network import registry, weights
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.training.train import Training

EVERY_ROW = torch.arange(tiny.ROWS)


def some_checkpoint(folder, rows=(3, 5, 40), scale=0.75) -> Checkpoint:
    torch.manual_seed(2)
    made = registry.blank(folder, 1)
    return Checkpoint(
        rows=torch.tensor(rows),
        values=torch.randn(len(rows), made.shape.hidden),
        scale=scale,
        body=weights.body_tensors(made),
        heads={"a.out.weight": torch.randn(2, 3), "ab.out.weight": torch.randn(4, 3)},
    )


@pytest.fixture
def folder(tmp_path):
    return tiny.encoder(tmp_path / "encoder").parent


# --- the file ------------------------------------------------------------------------------------


def test_a_checkpoint_is_read_back_bit_by_bit(folder, tmp_path):
    """Rows, values, scale, body and heads."""
    saved = some_checkpoint(folder, scale=1 - 1e-12)
    saved.save(tmp_path / "weights", folder)
    read = Checkpoint.load(tmp_path / "weights", folder)
    assert read.rows.tolist() == [3, 5, 40]
    assert torch.equal(read.values, saved.values)
    assert read.scale == saved.scale
    for ours, theirs in ((read.body, saved.body), (read.heads, saved.heads)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_same_state_gives_the_same_bytes(folder, tmp_path):
    """So that a stamp's sha256 proves that two trainings ended alike."""
    for name in "ab":
        some_checkpoint(folder).save(tmp_path / name, folder)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_tasks_head_is_found_by_its_whole_name(folder):
    """Task "a" does not get the head of task "ab"."""
    head = some_checkpoint(folder).head("a")
    assert {name: tuple(v.shape) for name, v in head.items()} == {"out.weight": (2, 3)}


def test_a_checkpoint_is_smaller_than_what_was_trained(tmp_path):
    """Of the rows that occurred and the body, the bits that changed, and a header."""
    folder = tiny.encoder(tmp_path / "encoder", hidden=64).parent
    rows = torch.arange(3, 20)
    encoder = checkpoints.build(folder, None, rows)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 1e-3 * parameter.std() * torch.randn_like(parameter)
    checkpoints.after_training(encoder, {}, rows, 0.9, None).save(tmp_path / "weights", folder)
    trained = 4 * sum(parameter.numel() for parameter in encoder.parameters())
    assert (tmp_path / "weights").stat().st_size < 0.72 * trained + 8192


def test_another_encoder_than_it_was_stored_with_is_told(folder, tmp_path):
    """Its bits would make other numbers: the checksum of each tensor says so."""
    checkpoint = some_checkpoint(folder)
    checkpoint.save(tmp_path / "weights", folder)
    other = tiny.encoder(tmp_path / "other", seed=1).parent
    with pytest.raises(EncoderError, match=r"weights: \S+ was stored from another .*other"):
        Checkpoint.load(tmp_path / "weights", other)


def test_a_file_of_another_version_is_refused(folder, tmp_path):
    """With what to do."""
    save_file({"words.rows": torch.zeros(1)}, tmp_path / "weights")
    with pytest.raises(EncoderError, match="weights: is no checkpoint of this version; train it"):
        Checkpoint.load(tmp_path / "weights", folder)


# --- words ---------------------------------------------------------------------------------------


def test_without_a_checkpoint_words_are_the_encoders(folder):
    """Any rows, in the order asked for."""
    dense = weights.Weights(folder).words(EVERY_ROW)
    rows = torch.tensor([2, 7, 50])
    assert torch.equal(checkpoints.words(folder, None, rows), dense[rows])


def test_trained_rows_are_stored_and_the_others_scaled(folder):
    """Of the rows asked for, those that the checkpoint has are its own, the others shrunk."""
    checkpoint = some_checkpoint(folder)
    dense = weights.Weights(folder).words(EVERY_ROW)
    found = checkpoints.words(folder, checkpoint, torch.tensor([0, 3, 6, 40]))
    assert torch.equal(found[[1, 3]], checkpoint.values[[0, 2]])
    assert torch.equal(found[[0, 2]], dense[[0, 6]] * 0.75)


def test_the_names_of_googles_bert_are_read_too(folder):
    """LayerNorm.gamma and .beta, behind the model's prefix, are weight and bias."""
    path = folder / "model.safetensors"
    expected = checkpoints.build(folder, None, EVERY_ROW).state_dict()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = {}
    for name, tensor in load_file(path).items():
        for ours, theirs in old.items():
            name = name.replace(ours, theirs)
        tensors[f"bert.{name}"] = tensor
    save_file(tensors, path)
    found = checkpoints.build(folder, None, EVERY_ROW).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_encoder_without_word_embeddings_is_refused(folder):
    """The error names the tensor."""
    tensors = load_file(folder / "model.safetensors")
    del tensors[weights.WORD_EMBEDDINGS]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(EncoderError, match=r"lack embeddings.word_embeddings.weight"):
        checkpoints.words(folder, None, EVERY_ROW)


@pytest.mark.parametrize("rows", [[], [0], [70]])
def test_rows_beyond_the_trained_ones_may_be_asked_for(rows, folder):
    """None, or some before the first or after the last one."""
    found = checkpoints.words(folder, some_checkpoint(folder), torch.tensor(rows).long())
    assert found.shape == (len(rows), 16)


def test_a_second_training_keeps_the_rows_of_the_first(folder):
    """Rows of both, those of the first alone shrunk like all that did not occur again."""
    before = some_checkpoint(folder, scale=0.5)
    rows = torch.tensor([5, 9])
    encoder = checkpoints.build(folder, before, rows)
    with torch.no_grad():
        encoder.words.weight += 1
    after = checkpoints.after_training(encoder, {}, rows, 0.25, before)
    assert after.rows.tolist() == [3, 5, 9, 40]
    assert after.scale == 0.125
    assert torch.equal(after.values[[1, 2]], encoder.words.weight.detach())
    assert torch.equal(after.values[[0, 3]], before.values[[0, 2]] * 0.25)


def test_building_reads_back_what_training_left(folder, tmp_path):
    """Saved, loaded and built over other rows, the encoder has the very same weights."""
    rows = torch.arange(4, 20)
    encoder = checkpoints.build(folder, None, rows)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += torch.randn_like(parameter)
    checkpoints.after_training(encoder, {}, rows, 0.9, None).save(tmp_path / "weights", folder)
    again = checkpoints.build(
        folder, Checkpoint.load(tmp_path / "weights", folder), torch.arange(10, 30)
    )
    assert torch.equal(again.words.weight[:10], encoder.words.weight[6:])
    ours, theirs = weights.body_tensors(again), weights.body_tensors(encoder)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


# --- equal to the dense optimiser ----------------------------------------------------------------


def without_dropout(training: Training) -> Training:
    for module in (*training.encoder.modules(), *training.heads.modules()):
        if isinstance(module, Dropout | AttentionDropout):
            module.p = 0.0
    return training


class Dense:
    """What one would write without the compact embedding: the whole matrix under torch's AdamW."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.encoder = checkpoints.build(folder, None, EVERY_ROW)

    def train(self, job, heads) -> None:
        """Repeat a training; ``heads`` are the new heads that it began with."""
        tokenizer = Tokenizer(self.folder)
        features = {}
        for task in job.tasks:
            rows = examples.read(task.examples[0].with_suffix(".parquet"))
            limits = task.hyperparameters
            context = EncodingContext(tokenizer, task.labels, limits, training=True)
            features[task.name] = load_model(task.task_type).encode(rows, context)
        plan, h = Training(job).plan, job.tasks[0].hyperparameters
        named = [*self.encoder.named_parameters(), *heads.named_parameters()]
        decay = [p for n, p in named if not (n.endswith("bias") or "norm" in n)]
        rest = [p for n, p in named if n.endswith("bias") or "norm" in n]
        optimizer = torch.optim.AdamW(
            [
                {"params": decay, "weight_decay": h.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ],
            eps=h.adam_epsilon,
            foreach=False,
        )
        for step in range(plan.total):
            name, items = plan.batch(step)
            model = next(load_model(t.task_type) for t in job.tasks if t.name == name)
            batch = pack(features[name], items)
            loss = model.loss(heads[name](self.encoder(batch), batch), batch)
            (loss / features[name].weights[items].sum()).backward()
            nn.utils.clip_grad_norm_(decay + rest, h.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = plan.rate(step, name)
            optimizer.step()
            optimizer.zero_grad()


def trained(job, dense: Dense) -> Checkpoint:
    """Train compactly and densely from the same start; save and read back."""
    training = without_dropout(Training(job))
    heads = without_dropout(Training(job)).heads
    for _ in training.steps(lambda: False):
        pass
    dense.train(job, heads)
    training.checkpoint().save(job.folder / checkpoints.FILE, job.encoder.parent)
    job.stamp.write_text("{}")
    return Checkpoint.load(job.folder / checkpoints.FILE, job.encoder.parent)


def assert_same(folder, checkpoint, dense) -> None:
    """Up to rounding. A bias of the keys has no gradient but rounding's, which AdamW magnifies."""
    compact = checkpoints.build(folder, checkpoint, EVERY_ROW)
    for (name, ours), theirs in zip(
        compact.named_parameters(), dense.encoder.parameters(), strict=True
    ):
        allowed = 1e-4 if name.endswith("qkv.bias") else 2e-6
        torch.testing.assert_close(
            ours, theirs, rtol=2e-5, atol=allowed, msg=lambda m, n=name: n + m
        )


SETTINGS = {"weight_decay": 0.3, "learning_rate": 5e-3, "epochs": 3, "adam_epsilon": 1e-6}


def test_training_the_occurring_rows_equals_training_the_dense_matrix(tmp_path):
    """Step for step under torch's AdamW, rows that never occur included."""
    folder = tiny.encoder(tmp_path / "encoder", dropout=0.0).parent
    job = tiny.training_job(tmp_path, tiny.task(tmp_path, **SETTINGS))
    dense = Dense(folder)
    checkpoint = trained(job, dense)
    assert len(checkpoint.rows) < tiny.ROWS - 20
    assert_same(folder, checkpoint, dense)


def test_rows_that_never_occur_are_shrunk_and_nothing_else(tmp_path):
    """By the product of 1 - rate x decay over the steps: visibly, but all alike."""
    folder = tiny.encoder(tmp_path / "encoder", dropout=0.0).parent
    job = tiny.training_job(tmp_path, tiny.task(tmp_path, **SETTINGS))
    training = Training(job)
    for _ in training.steps(lambda: False):
        pass
    plan = training.plan
    expected = np.prod([1 - plan.rate(s, "t_classification") * 0.3 for s in range(plan.total)])
    assert training.checkpoint().scale == pytest.approx(expected, rel=1e-12)
    assert expected < 0.995
    never = [r for r in range(tiny.ROWS) if r not in training.data.rows.tolist()]
    found = checkpoints.words(folder, training.checkpoint(), torch.tensor(never))
    torch.testing.assert_close(found, weights.Weights(folder).words(torch.tensor(never)) * expected)


def test_two_trainings_in_a_row_equal_two_dense_ones(tmp_path):
    """Intermediate then recipe, with other rows, heads and optimiser: every row is compared."""
    folder = tiny.encoder(tmp_path / "encoder", dropout=0.0).parent
    first = tiny.training_job(tmp_path, tiny.task(tmp_path, **SETTINGS), name="first")
    recipe = tiny.task(tmp_path, "tagging", **SETTINGS)
    second = tiny.training_job(tmp_path, recipe, name="second", start=first.stamp)
    dense = Dense(folder)
    one = trained(first, dense)
    assert_same(folder, one, dense)
    two = trained(second, dense)
    assert_same(folder, two, dense)
    assert set(one.rows.tolist()) - set(
        Training(second).data.rows.tolist()
    )  # some only in the first
    assert set(two.rows.tolist()) == set(one.rows.tolist()) | set(
        Training(second).data.rows.tolist()
    )


def test_several_tasks_at_once_equal_dense_training(tmp_path):
    """One head each, over the union of the tasks' rows."""
    folder = tiny.encoder(tmp_path / "encoder", dropout=0.0).parent
    tasks = [
        tiny.task(tmp_path, task_type, **SETTINGS) for task_type in ("classification", "tagging")
    ]
    job = tiny.training_job(tmp_path, *tasks)
    dense = Dense(folder)
    assert_same(folder, trained(job, dense), dense)


@pytest.mark.parametrize("task_type", ["classification", "tagging", "multiple_choice", "span_qa"])
def test_how_a_step_is_cut_into_micro_batches_changes_nothing_but_rounding(task_type, tmp_path):
    """The loss and every gradient of a batch, of every task type."""
    tiny.encoder(tmp_path / "encoder", dropout=0.0)
    gradients = []
    for tokens in (16, 60, 100_000):
        job = tiny.training_job(
            tmp_path, tiny.task(tmp_path, task_type, batch_size=14, clip_norm=1e9)
        )
        job = replace(job, compute=tiny.compute(micro_batch_tokens=tokens))
        training = without_dropout(Training(job))
        seen = {}
        training.optimizer.step = lambda t=training, s=seen: s.update(
            {n: p.grad.clone() for n, p in t._parameters().items()}
        )
        training._one_step(*training.plan.batch(0))
        training._settle()
        gradients.append(seen | {"loss": torch.tensor(training.losses[f"t_{task_type}"])})
    for other in gradients[1:]:
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-6)
