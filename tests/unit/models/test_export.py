"""An exported checkpoint gives transformers the numbers that it gave us."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.errors import EncoderError, LineageError
from xstilts.models import checkpoint
from xstilts.models.batch import Features, pack
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.export import Head, export
from xstilts.models.network import automodel
from xstilts.models.network import weights as network_weights
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.files import read_json
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.tasks.registry import SCHEMAS
from xstilts.training import train

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {"type_vocab_size": 1}),
    "xlm-roberta": ("XLMRoberta", {"type_vocab_size": 1}),
    "xlm-roberta-xl": ("XLMRobertaXL", {"type_vocab_size": 1}),
    "deberta-v2": (
        "DebertaV2",
        {
            "relative_attention": True,
            "share_att_key": True,
            "position_biased_input": False,
            "norm_rel_ebd": "layer_norm",
            "pos_att_type": "p2c|c2p",
            "position_buckets": 8,
        },
    ),
    "modernbert": (
        "ModernBert",
        {"local_attention": 8, "cls_token_id": 0, "sep_token_id": 2},
    ),
    "electra": ("Electra", {"type_vocab_size": 1, "embedding_size": 16}),
}
BROUGHT = ("modernbert", "electra")
"""Architectures whose heads need a module that the folder brings along."""


def encoder(kind: str, folder):
    """A random encoder of an architecture, saved by transformers, with the tiny tokenizer."""
    import transformers

    name, changes = KINDS[kind]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=tiny.ROWS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=132,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.3,
        **changes,
    )
    torch.manual_seed(0)
    getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
    tiny.tokenizer_file(folder)
    if kind == "electra":  # none of our networks computes it
        automodel.convert(folder)
    stamp = folder / "encoder.json"
    files = [folder / n for n in ("config.json", "model.safetensors", "tokenizer.json")]
    write_stamp(stamp, spec="encoder", inputs={}, files=files)
    return stamp


def trained(kind: str, task_type: str, tmp_path):
    """A training of that encoder on a task type, with weight decay that one can see."""
    stamp = encoder(kind, tmp_path / "encoder")
    task = tiny.task(tmp_path, task_type, epochs=1, weight_decay=0.3)
    job = tiny.training_job(tmp_path, task, encoder=stamp)
    train.run(job)
    return job


def features(job) -> Features:
    from xstilts.data import examples

    task = job.tasks[0]
    rows = examples.read(task.examples[0].with_suffix(".parquet"))
    tokenizer = Tokenizer(job.encoder.parent)
    model = load_model(task.task_type)
    context = EncodingContext(tokenizer, task.labels, task.hyperparameters, training=True)
    return model.encode(rows, context)


def ours(job, item: int):
    """Hidden states and the head's outputs of one item, over the whole vocabulary."""
    folder = job.encoder.parent
    saved = Checkpoint.load(job.folder / checkpoint.FILE, folder)
    whole = checkpoint.build(folder, saved, EmbeddingRows(torch.arange(tiny.ROWS))).eval()
    task = job.tasks[0]
    head = load_model(task.task_type).head(16, task.labels).eval()
    head.load_state_dict(saved.head(task.name))
    batch = pack(features(job), [item])
    with torch.inference_mode():
        hidden = whole(batch)
        return hidden, head(hidden, batch)


def sequences(job, item: int) -> list[torch.Tensor]:
    found = features(job)
    places = range(found.instance_offsets[item], found.instance_offsets[item + 1])
    return [torch.from_numpy(found.sequences[i].astype(np.int64))[None] for i in places]


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_the_checkpoint(kind, tmp_path):
    """AutoModel reads the folder, which stands alone: rows that were never trained included."""
    import transformers

    job = trained(kind, "classification", tmp_path)
    export(job.stamp, job.encoder, tmp_path / "out")
    model = transformers.AutoModel.from_pretrained(tmp_path / "out").eval()
    with torch.inference_mode():
        theirs = model(sequences(job, 3)[0]).last_hidden_state[0]
    torch.testing.assert_close(theirs, ours(job, 3)[0], atol=2e-5, rtol=1e-4)
    matrix = model.get_input_embeddings().weight
    saved = Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
    rows = EmbeddingRows(torch.arange(tiny.ROWS))
    assert torch.equal(matrix, rows.read(job.encoder.parent, saved.embeddings))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("task_type", "auto"),
    [
        ("classification", "AutoModelForSequenceClassification"),
        ("tagging", "AutoModelForTokenClassification"),
        ("span_qa", "AutoModelForQuestionAnswering"),
        ("multiple_choice", "AutoModelForMultipleChoice"),
    ],
)
def test_a_head_gives_what_ours_gives(kind, task_type, auto, tmp_path):
    """Of every task type, with nothing newly initialised, and the labels by their names."""
    import transformers

    job = trained(kind, task_type, tmp_path)
    task = job.tasks[0]
    export(
        job.stamp, job.encoder, tmp_path / "out", Head(task.name, SCHEMAS[task_type], task.labels)
    )
    loaded = getattr(transformers, auto).from_pretrained(
        tmp_path / "out", output_loading_info=True, trust_remote_code=kind in BROUGHT
    )
    model, info = loaded[0].eval(), loaded[1]
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    inputs = sequences(job, 2)
    with torch.inference_mode():
        if task_type == "multiple_choice":
            longest = max(x.shape[1] for x in inputs)
            padded = [
                torch.nn.functional.pad(x, (0, longest - x.shape[1]), value=1) for x in inputs
            ]
            ids = torch.cat(padded)[None]
            theirs = model(ids, attention_mask=(ids != 1).long()).logits[0]
            expected = ours(job, 2)[1]
        elif task_type == "span_qa":
            outputs = model(inputs[0])
            theirs = torch.stack([outputs.start_logits[0], outputs.end_logits[0]], dim=1)
            expected = ours(job, 2)[1]
        elif task_type == "tagging":
            theirs = model(inputs[0]).logits[0]
            head = load_model(task_type).head(16, task.labels).eval()
            saved = Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
            head.load_state_dict(saved.head(task.name))
            expected = head.token.out(ours(job, 2)[0])
        else:
            theirs, expected = model(inputs[0]).logits, ours(job, 2)[1]
    torch.testing.assert_close(theirs, expected, atol=2e-5, rtol=1e-4)
    if task_type in ("classification", "tagging"):
        assert tuple(model.config.id2label.values()) == task.labels


def test_the_tokenizer_is_one_for_transformers(tmp_path):
    """With its special tokens and longest length, and the ids that we train with."""
    import transformers

    job = trained("xlm-roberta", "classification", tmp_path)
    export(job.stamp, job.encoder, tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("abc", "de")["input_ids"] == tiny.letter_tokenizer().encode("abc", "de").ids
    assert (tokenizer.cls_token, tokenizer.sep_token) == ("<s>", "</s>")
    assert (tokenizer.pad_token, tokenizer.unk_token) == ("<pad>", "<unk>")
    assert tokenizer.model_max_length == 130


def test_a_brought_head_is_not_loaded_without_its_code(tmp_path):
    """Transformers' own class would be loaded with a head that nobody trained."""
    import transformers

    job = trained("modernbert", "classification", tmp_path)
    head = Head(job.tasks[0].name, SCHEMAS["classification"])
    export(job.stamp, job.encoder, tmp_path / "out", head)
    with pytest.raises(ValueError, match="trust_remote_code"):
        transformers.AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "out", trust_remote_code=False
        )


def test_a_task_without_a_class_in_transformers_is_refused(tmp_path):
    """The error says which can be written; nothing is."""
    job = trained("bert", "classification", tmp_path)
    with pytest.raises(EncoderError, match="no class for retrieval; there is one of ForSequence"):
        export(
            job.stamp, job.encoder, tmp_path / "out", Head(job.tasks[0].name, SCHEMAS["retrieval"])
        )
    assert not (tmp_path / "out").exists()


class TestFolder:
    @pytest.fixture
    def job(self, tmp_path):
        job = tiny.training_job(tmp_path, tiny.task(tmp_path, epochs=1))
        train.run(job)
        return job

    def test_it_records_where_it_is_from(self, job, tmp_path):
        """The checksums of the two stamps."""
        out = tmp_path / "out"
        export(job.stamp, job.encoder, out)
        origin = read_json(out / "xstilts.json")
        assert origin["encoder"] == read_json(job.stamp)["inputs"]["encoder"]
        assert origin["head"] is None
        weights = network_weights.Weights(out)
        assert weights.words(torch.arange(tiny.ROWS)).shape == (tiny.ROWS, 16)

    def test_a_head_that_the_checkpoint_lacks_is_refused(self, job, tmp_path):
        """With those that it has."""
        with pytest.raises(EncoderError, match=r"unknown head 'x'\. Allowed: t_classification"):
            export(job.stamp, job.encoder, tmp_path / "out", Head("x", SCHEMAS["classification"]))

    def test_a_folder_with_something_in_it_is_left_alone(self, job, tmp_path):
        """It may be somebody's."""
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        with pytest.raises(EncoderError, match="out: is not empty"):
            export(job.stamp, job.encoder, tmp_path / "out")

    def test_another_encoder_than_it_was_trained_from_is_refused(self, job, tmp_path):
        """The bits of its rows would be made from the wrong ones."""
        other = tiny.encoder(tmp_path / "other", seed=1)
        with pytest.raises(LineageError, match="was trained from another encoder than"):
            export(job.stamp, other, tmp_path / "out")
