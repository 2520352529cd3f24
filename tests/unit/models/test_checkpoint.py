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
from xstilts.models.embedding_rows import EmbeddingRows, StoredEmbeddings
from xstilts.models.network import registry, weights
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.training.loop import Trainer

EVERY_ROW = EmbeddingRows(torch.arange(tiny.ROWS))


def some_checkpoint(folder, token_ids=(3, 5, 40), decay=0.75) -> Checkpoint:
    torch.manual_seed(2)
    made = registry.blank(folder, 1)
    return Checkpoint(
        StoredEmbeddings(
            torch.tensor(token_ids), torch.randn(len(token_ids), made.shape.hidden), decay
        ),
        body=weights.body_tensors(made),
        heads={"a.out.weight": torch.randn(2, 3), "ab.out.weight": torch.randn(4, 3)},
    )


@pytest.fixture
def folder(tmp_path):
    return tiny.encoder(tmp_path / "encoder").parent


# --- the file ------------------------------------------------------------------------------------


def test_a_checkpoint_is_read_back_bit_by_bit(folder, tmp_path):
    """Embeddings, body and heads."""
    saved = some_checkpoint(folder, decay=1 - 1e-12)
    saved.save(tmp_path / "weights", folder)
    read = Checkpoint.load(tmp_path / "weights", folder)
    assert read.embeddings.token_ids.tolist() == [3, 5, 40]
    assert torch.equal(read.embeddings.embeddings, saved.embeddings.embeddings)
    assert read.embeddings.decay == saved.embeddings.decay
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
    rows = EmbeddingRows(torch.arange(3, 20))
    encoder = checkpoints.build(folder, None, rows)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 1e-3 * parameter.std() * torch.randn_like(parameter)
    Checkpoint.from_training(encoder, {}, rows, 0.9, None).save(tmp_path / "weights", folder)
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
    with pytest.raises(EncoderError, match="weights: not a checkpoint of this version; delete it"):
        Checkpoint.load(tmp_path / "weights", folder)


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


def test_building_reads_back_what_training_left(folder, tmp_path):
    """Saved, loaded and built over other rows, the encoder has the very same weights."""
    rows = EmbeddingRows(torch.arange(4, 20))
    encoder = checkpoints.build(folder, None, rows)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += torch.randn_like(parameter)
    Checkpoint.from_training(encoder, {}, rows, 0.9, None).save(tmp_path / "weights", folder)
    again = checkpoints.build(
        folder, Checkpoint.load(tmp_path / "weights", folder), EmbeddingRows(torch.arange(10, 30))
    )
    assert torch.equal(again.words.weight[:10], encoder.words.weight[6:])
    ours, theirs = weights.body_tensors(again), weights.body_tensors(encoder)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


# --- equal to the dense optimiser ----------------------------------------------------------------


def without_dropout(training: Trainer) -> Trainer:
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
        schedule, h = Trainer(job).schedule, job.tasks[0].hyperparameters
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
        for step in range(schedule.total):
            name, items = schedule.batch(step)
            model = next(load_model(t.task_type) for t in job.tasks if t.name == name)
            batch = pack(features[name], items)
            loss = model.loss(heads[name](self.encoder(batch), batch), batch)
            (loss / features[name].weights[items].sum()).backward()
            nn.utils.clip_grad_norm_(decay + rest, h.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate(step, name)
            optimizer.step()
            optimizer.zero_grad()


def trained(job, dense: Dense) -> Checkpoint:
    """Train compactly and densely from the same start; save and read back."""
    training = without_dropout(Trainer(job))
    heads = without_dropout(Trainer(job)).heads
    for _ in training.steps():
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
    assert len(checkpoint.embeddings.token_ids) < tiny.ROWS - 20
    assert_same(folder, checkpoint, dense)


def test_rows_that_never_occur_are_shrunk_and_nothing_else(tmp_path):
    """By the product of 1 - rate x decay over the steps: visibly, but all alike."""
    folder = tiny.encoder(tmp_path / "encoder", dropout=0.0).parent
    job = tiny.training_job(tmp_path, tiny.task(tmp_path, **SETTINGS))
    training = Trainer(job)
    for _ in training.steps():
        pass
    rates = [
        training.schedule.learning_rate(step, "t_classification")
        for step in range(training.schedule.total)
    ]
    expected = np.prod([1 - rate * 0.3 for rate in rates])
    assert training.checkpoint().embeddings.decay == pytest.approx(expected, rel=1e-12)
    assert expected < 0.995
    trained = training.data.rows.token_ids.tolist()
    never = torch.tensor([r for r in range(tiny.ROWS) if r not in trained])
    found = EmbeddingRows(never).read(folder, training.checkpoint().embeddings)
    torch.testing.assert_close(found, weights.Weights(folder).words(never) * expected)


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
    first_ids, both_ids = (set(c.embeddings.token_ids.tolist()) for c in (one, two))
    second_ids = set(Trainer(second).data.rows.token_ids.tolist())
    assert first_ids - second_ids
    assert both_ids == first_ids | second_ids


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
        training = without_dropout(Trainer(job))
        seen = {}
        training.update.optimizer.step = lambda t=training, s=seen: s.update(
            {n: p.grad.clone() for n, p in t.parameters().items()}
        )
        next(training.steps())
        training.state()  # fetches the loss
        gradients.append(seen | {"loss": torch.tensor(training.losses[f"t_{task_type}"])})
    for other in gradients[1:]:
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-6)
