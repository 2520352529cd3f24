"""Encoders of architecture automodel are trained, scored and exported as our own are."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from support import tiny
from xstilts.config.study import Mlm
from xstilts.errors import EncoderError
from xstilts.evaluation import evaluate, scores
from xstilts.models import export
from xstilts.models.network.automodel import convert
from xstilts.provenance.stamp import write_stamp
from xstilts.training.job import MlmJob, TrainingJob
from xstilts.training.train import run

T5 = {"vocab_size": tiny.ROWS, "d_model": 16, "num_layers": 2, "num_heads": 2, "d_ff": 24}


def by_automodel(folder, encoder):
    """The same encoder, to be computed by AutoModel."""
    copy = folder / "encoder"
    tiny.tokenizer_file(copy)
    for name in ("config.json", "model.safetensors"):
        (copy / name).write_bytes((encoder.parent / name).read_bytes())
    convert(copy)
    return stamped(copy)


def stamped(folder):
    stamp = folder / "encoder.json"
    files = [folder / name for name in ("config.json", "model.safetensors", "tokenizer.json")]
    write_stamp(stamp, spec="automodel", inputs={}, files=files)
    return stamp


def mt5(folder):
    """A random encoder-decoder, as the Hub has it; gives the stamp of its encoder."""
    import transformers

    torch.manual_seed(0)
    folder = tiny.tokenizer_file(folder / "encoder")
    transformers.MT5Model(transformers.MT5Config(**T5)).save_pretrained(folder)
    convert(folder)
    return stamped(folder)


def losses(job: TrainingJob) -> list[float]:
    return [json.loads(x)["loss"] for x in (job.folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("task_type", list(tiny.ROWS_OF))
def test_a_training_follows_the_same_losses_as_with_our_network(task_type, tmp_path):
    """Without dropout the two ways differ by rounding alone."""
    ours = tiny.encoder(tmp_path / "ours" / "encoder", dropout=0.0)
    theirs = by_automodel(tmp_path / "theirs", ours)
    found = []
    for stamp in (ours, theirs):
        job = tiny.training_job(
            stamp.parents[1], tiny.task(tmp_path, task_type, learning_rate=1e-3), encoder=stamp
        )
        run(job)
        found.append(losses(job))
    assert len(found[0]) > 5
    assert found[1] == pytest.approx(found[0], rel=1e-3)


class TestMT5:
    """An architecture that no network of this project computes."""

    @pytest.fixture
    def trained(self, tmp_path):
        task = tiny.task(tmp_path, n=40, epochs=16, learning_rate=4e-3)
        job = tiny.training_job(tmp_path, task, encoder=mt5(tmp_path))
        run(job)
        return job

    def test_it_learns(self, trained):
        """With dropout, and only the rows of its vocabulary that occur in memory."""
        found = losses(trained)
        assert sum(found[-10:]) < 0.5 * sum(found[:10])

    def test_the_log_says_who_computes_it(self, tmp_path, capsys):
        """Because it is slower."""
        run(tiny.training_job(tmp_path, encoder=mt5(tmp_path)))
        assert (
            "transformers' AutoModel computes this encoder, with padding" in capsys.readouterr().out
        )

    def test_the_same_training_gives_the_same_bytes(self, trained, tmp_path):
        """Dropout draws from the step and its instances, whatever ran before."""
        torch.rand(5)
        again = tiny.training_job(tmp_path, *trained.tasks, encoder=trained.encoder, name="again")
        run(again)
        assert tiny.weights(again) == tiny.weights(trained)

    def test_it_is_scored_above_chance(self, trained, tmp_path):
        """On new sentences of the kind that it was trained on."""
        test = tiny.split(tmp_path / "test" / "en.json", "classification", tiny.sentences(60)[40:])
        job = tiny.evaluation_job(tmp_path, trained, {"en": test})
        evaluate.run(job)
        assert scores.read(job.score_file)["en"]["metrics"]["accuracy"] > 80.0

    def test_an_export_is_read_by_transformers_under_its_own_names(self, trained, tmp_path):
        """The encoder alone, with the trained values."""
        from transformers import MT5EncoderModel

        folder = tmp_path / "exported"
        export.export(trained.stamp, trained.encoder, folder)
        model, about = MT5EncoderModel.from_pretrained(folder, output_loading_info=True)
        assert not about["missing_keys"]
        before = load_file(trained.encoder.parent / "model.safetensors")
        moved = model.state_dict()["encoder.block.0.layer.0.SelfAttention.q.weight"]
        assert not torch.equal(moved, before["encoder.block.0.layer.0.SelfAttention.q.weight"])


def test_masked_language_modelling_needs_words_as_wide_as_the_network(tmp_path):
    """ELECTRA's word embeddings are narrower than its hidden states."""
    import transformers

    folder = tiny.tokenizer_file(tmp_path / "encoder")
    sizes = {"hidden_size": 16, "embedding_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    config = transformers.ElectraConfig(vocab_size=tiny.ROWS, num_attention_heads=2, **sizes)
    transformers.ElectraModel(config).save_pretrained(folder)
    convert(folder)
    text = tiny.split(tmp_path / "text" / "en.json", "mlm", tiny.texts(8))
    mlm = MlmJob((text,), Mlm(text="t", max_length=16))
    job = tiny.training_job(tmp_path, tiny.task(tmp_path), encoder=stamped(folder), mlm=mlm)
    with pytest.raises(EncoderError, match="word embeddings of 8 numbers, hidden states of 16"):
        run(job)
