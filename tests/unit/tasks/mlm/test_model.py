"""Masked language modelling mixed into a training."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from support import tiny
from xstilts.config.study import Mlm
from xstilts.errors import DataError, EncoderError
from xstilts.models import checkpoint
from xstilts.models.batch import pack
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.files import read_json
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.mlm import model as mlm
from xstilts.tasks.mlm.model import MODEL
from xstilts.training.job import MlmJob
from xstilts.training.loop import StepDone, Trainer
from xstilts.training.schedule import MLM_TASK
from xstilts.training.train import TrainingRun, run


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters")))


def context(tokenizer, longest):
    return EncodingContext(tokenizer, (), SimpleNamespace(max_length=longest))


def encoded(tokenizer, n=40, mask=0.15, longest=20):
    return MODEL.encode(tiny.texts(n), context(tokenizer, longest), mask)


def mixed_job(folder, n=9, name="trained", choices=None, **changes):
    stamp = folder / "examples" / "text" / "sw.json"
    if not stamp.exists():
        tiny.split(stamp, "mlm", tiny.texts(n))
    choices = choices or Mlm(rate=0.5, batch_size=3, max_length=24)
    job = tiny.training_job(folder, tiny.task(folder, **changes), name=name)
    return replace(job, mlm=MlmJob((stamp,), choices))


# --- masks ---------------------------------------------------------------------------------------


def test_a_share_of_the_texts_tokens_is_chosen_one_at_least(letters):
    """Never a special token; the item weighs as many as are chosen."""
    features = encoded(letters)
    batch = pack(features, range(len(features)), step_seed=1)
    hidden = MODEL.masked(batch, letters.mask, letters.vocabulary)
    for i, (places, gold) in enumerate(hidden.targets):
        ids = features.sequences[i]
        inside = places - batch.first[i].item()
        assert len(places) == features.weights[i] == max(1, round(0.15 * (len(ids) - 2)))
        assert (inside >= 1).all()
        assert (inside <= len(ids) - 2).all()
        assert gold.tolist() == ids[inside].tolist()
    chosen = np.concatenate([places for places, _ in hidden.targets])
    rest = np.setdiff1d(np.arange(len(batch.ids)), chosen)
    assert torch.equal(hidden.ids[rest], batch.ids[rest])


def test_of_the_chosen_most_are_hidden_some_replaced_some_kept(letters):
    """80, 10 and 10 %; the replacements come from the whole vocabulary."""
    rows = [{"id": str(i), "text": "abcdefgh" * 3} for i in range(500)]
    features = MODEL.encode(rows, context(letters, 30), 0.5)
    batch = pack(features, range(500), step_seed=3)
    hidden = MODEL.masked(batch, letters.mask, letters.vocabulary)
    places = np.concatenate([places for places, _ in hidden.targets])
    now, gold = hidden.ids[places].numpy(), batch.ids[places].numpy()
    n = len(places)
    assert n == 6000
    masked, same = (now == letters.mask).sum(), (now == gold).sum()
    random = n - masked - same
    vocabulary = letters.vocabulary
    for found, share in ((masked, 0.8 + 0.1 / vocabulary), (same, 0.1 + 0.1 / vocabulary),
                         (random, 0.1 - 0.2 / vocabulary)):  # fmt: skip
        assert abs(found - share * n) < 4 * (share * n) ** 0.5
    drawn = Counter(now[(now != letters.mask) & (now != gold)].tolist())
    assert len(drawn) == vocabulary - 1  # all but the mask token, and what is there is not counted


def test_masks_depend_on_step_and_item_alone(letters):
    """Not on what else is in the batch, nor on its order."""
    features = encoded(letters)
    alone = MODEL.masked(pack(features, [7], step_seed=1), letters.mask, letters.vocabulary)
    batch = pack(features, [20, 7, 3], step_seed=1)
    among = MODEL.masked(batch, letters.mask, letters.vocabulary)
    begin = int(batch.first[1])
    assert torch.equal(alone.ids, among.ids[begin : begin + len(alone.ids)])
    other = MODEL.masked(pack(features, [7], step_seed=2), letters.mask, letters.vocabulary)
    assert not torch.equal(alone.ids, other.ids)


def test_long_texts_are_cut_and_empty_ones_left_out(letters):
    """Both are counted."""
    rows = [{"id": str(i), "text": text} for i, text in enumerate(["abc" * 9, "ab", " "])]
    features = MODEL.encode(rows, context(letters, 12))
    assert len(features) == 2
    assert dict(features.counts) == {"truncated": 1, "empty": 1}
    assert len(features.sequences[0]) == 12


# --- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 300])
def test_the_loss_and_its_gradients_are_those_of_the_whole_softmax(n, monkeypatch):
    """However many rows of logits are made at once."""
    monkeypatch.setattr(mlm, "_ROWS_AT_ONCE", 64)
    torch.manual_seed(0)
    head = MODEL.head(8, 50)
    nn.init.normal_(head.bias)
    x = torch.randn(n, 8, requires_grad=True)
    words = torch.randn(50, 8, requires_grad=True)
    gold = torch.randint(0, 50, (n,))
    batch = pack(encoded_one(), [0])
    batch = replace(batch, targets=[(None, gold.numpy())])
    for scale in (1.0, 0.25):
        arguments = (x, words, head.bias)
        ours = torch.autograd.grad(scale * MODEL.loss(x, batch, words, head), arguments)
        whole = F.cross_entropy(x @ words.T + head.bias, gold, reduction="sum")
        theirs = torch.autograd.grad(scale * whole, arguments)
        torch.testing.assert_close(MODEL.loss(x, batch, words, head), whole)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def encoded_one():
    from xstilts.models.batch import one_sequence_instances

    return one_sequence_instances([np.zeros(3, dtype=np.int32)], [3], [None])


# --- in a training -------------------------------------------------------------------------------


def test_every_row_of_the_vocabulary_is_trained(tmp_path):
    """The softmax is over all of them: none is only shrunk."""
    job = mixed_job(tmp_path)
    run(job)
    saved = Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
    embeddings = saved.embeddings
    assert embeddings.token_ids.tolist() == list(range(tiny.ROWS))
    start = EmbeddingRows(embeddings.token_ids).read(job.encoder.parent, None)
    assert ((embeddings.embeddings - start * embeddings.decay).abs() > 1e-5).any(1).all()
    facts = read_json(job.stamp)["outcomes"]
    assert facts["steps"] == 16
    assert facts["items"][MLM_TASK] == 9
    assert set(facts["last_loss"]) == {"t_classification", MLM_TASK}
    assert {name.split(".")[0] for name in saved.heads} == {"t_classification", MLM_TASK}
    assert set(read_json(job.stamp)["inputs"]) == {"encoder", "examples.t_classification", "mlm"}


def test_it_learns_to_predict(tmp_path):
    """The loss of language modelling falls."""
    job = mixed_job(tmp_path, epochs=30, learning_rate=1e-2)
    state = Trainer(job)
    losses = [
        event.loss
        for events in state.steps()
        for event in events
        if isinstance(event, StepDone) and event.task == MLM_TASK
    ]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_how_a_step_is_cut_changes_nothing_but_rounding(tmp_path):
    """Masks and dropout are the items' own."""
    gradients = []
    for budget in (10, 10_000):
        job = mixed_job(tmp_path, name=str(budget))
        state = Trainer(replace(job, compute=tiny.compute(micro_batch_tokens=budget)))
        state.train_mode(True)
        state.gradients.compute(0, MLM_TASK, np.arange(9))
        gradients.append({n: p.grad.clone() for n, p in state.parameters().items()
                          if p.grad is not None})  # fmt: skip
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-6)


def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path):
    """As every training."""
    whole, job = mixed_job(tmp_path, name="whole"), mixed_job(tmp_path)
    run(whole)
    training = TrainingRun(job)
    with pytest.raises(SystemExit):
        list(training.steps(lambda: training.trainer.step == 7))
    run(job)
    assert tiny.weights(job) == tiny.weights(whole)
    assert job.stamp.read_bytes() == whole.stamp.read_bytes()


@pytest.mark.parametrize("names", ["lm_head", "cls.predictions"])
def test_the_pretrained_head_is_taken_up_where_there_is_one(names, tmp_path):
    """By XLM-R's names or BERT's; the stamp says so."""
    job = mixed_job(tmp_path)
    assert Trainer(job).head_init == {"t_classification": "new", MLM_TASK: "new"}
    path = job.encoder.parent / "model.safetensors"
    tensors = load_file(path)
    torch.manual_seed(1)
    place = 0 if names == "lm_head" else 1
    shapes = {"dense.weight": (16, 16), "bias": (tiny.ROWS,)}
    head = {n: torch.randn(shapes.get(n, (16,))) for n in mlm._NAMES}
    save_file(tensors | {mlm._NAMES[n][place]: t for n, t in head.items()}, path)
    state = Trainer(job)
    assert state.head_init[MLM_TASK] == "pretrained"
    assert all(torch.equal(state.heads[MLM_TASK].state_dict()[n], t) for n, t in head.items())


def test_a_task_begins_alike_with_and_without_it(tmp_path):
    """The same new head, the same batches in the same order."""
    mixed, alone = (
        Trainer(mixed_job(tmp_path)),
        Trainer(tiny.training_job(tmp_path, tiny.task(tmp_path))),
    )
    for name, tensor in alone.heads["t_classification"].state_dict().items():
        assert torch.equal(tensor, mixed.heads["t_classification"].state_dict()[name])


def test_so_many_texts_of_each_language(tmp_path):
    """Drawn by their ids."""
    job = mixed_job(tmp_path, choices=Mlm(max_examples=4, batch_size=2, max_length=24))
    assert len(Trainer(job).data.features[MLM_TASK]) == 4


def test_texts_without_a_token_are_an_error(tmp_path):
    """It names the stamp."""
    job = mixed_job(tmp_path)
    tiny.split(job.mlm.examples[0], "mlm", [{"id": "1", "text": " "}])
    with pytest.raises(DataError, match=r"sw.json: no text for masked language modelling"):
        Trainer(job)


def test_a_tokenizer_without_a_mask_token_is_refused(tmp_path):
    """At the beginning, not at the first step of language modelling."""
    job = mixed_job(tmp_path)
    path = job.encoder.parent / "tokenizer.json"
    path.write_text(path.read_text().replace("<mask>", "<hidden>"))
    with pytest.raises(EncoderError, match=r"tokenizer.json: has neither <mask> nor \[MASK\]"):
        Trainer(job)
