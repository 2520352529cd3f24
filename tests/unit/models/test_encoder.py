"""Whatever an encoder's source, it ends as one ordinary folder, verified and without pickle."""

from __future__ import annotations

import json
import shutil
from typing import ClassVar

import numpy as np
import pytest
import transformers
from safetensors.numpy import load_file, save_file

from support import tiny
from support.website import COMMIT, LATER, Refusal, hub, site
from support.world import ENCODER
from xstilts.config import encoder_card
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.yaml_models import load
from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.models import encoder
from xstilts.models.network import registry
from xstilts.models.network import weights as network_weights
from xstilts.provenance.stamp import verify

__all__ = ["hub", "site"]


class TestFolders:
    @pytest.fixture
    def source(self, tmp_path):
        """An ordinary folder of an encoder of two layers."""
        return tiny.encoder(tmp_path / "source").parent

    def fetched(self, source, **changes):
        said = ENCODER | {"folder": str(source), "retrieval_layer": 0} | changes
        stamp = source.parent / "made" / "stamp.json"
        encoder.fetch(load(EncoderCard, said, "tiny.yaml"), stamp, "spec", source.parent)
        return stamp

    def test_a_folder_is_copied(self, source):
        """Later changes of the original do not reach it."""
        stamp = self.fetched(source)
        (source / "config.json").write_text("{}")
        assert verify(stamp)["outcomes"] == {"layers": 2, "hidden": 16}

    @pytest.mark.parametrize("name", encoder_card.ENCODER_FILES)
    def test_a_missing_file_is_named(self, source, name):
        """Weights as a pickle, for one, are not taken."""
        (source / name).unlink()
        (source / "pytorch_model.bin").write_bytes(b"a pickle")
        with pytest.raises(EncoderError, match=f"source: has no {name}; an encoder folder needs"):
            self.fetched(source)

    def test_a_file_with_other_bytes_than_planned_is_refused(self, source):
        """The plan may rest on a remembered checksum; the job hashes what it copies."""
        said = load(EncoderCard, ENCODER | {"folder": str(source)}, "tiny.yaml")
        stamp, planned = source.parent / "made/stamp.json", {"tokenizer.json": "0" * 64}
        with pytest.raises(ChecksumMismatch, match=r"tokenizer\.json: its bytes are not those"):
            encoder.fetch(said, stamp, "spec", source.parent, planned)
        assert not stamp.exists()

    def test_a_folder_below_the_users_home_is_found(self, source, monkeypatch):
        """As it is when the study is planned."""
        monkeypatch.setenv("HOME", str(source.parent))
        said = load(EncoderCard, ENCODER | {"folder": "~/source"}, "tiny.yaml")
        encoder.fetch(said, source.parent / "made/stamp.json", "spec", source.parent)
        assert verify(source.parent / "made/stamp.json")

    def test_layers_are_cut_from_the_top(self, source):
        """In the weights and in the configuration; what is no layer stays."""
        whole = load_file(source / "model.safetensors")
        stamp = self.fetched(source, layers=1)
        kept = load_file(stamp.parent / "model.safetensors")
        assert kept.keys() == {name for name in whole if "layer.1." not in name}
        assert json.loads((stamp.parent / "config.json").read_text())["num_hidden_layers"] == 1

    def test_there_are_no_more_layers_than_there_are(self, source):
        """A card for another size of the encoder."""
        with pytest.raises(EncoderError, match="layers: 4, but the encoder has 2 layers"):
            self.fetched(source, layers=4)

    def test_retrieval_reads_a_layer_that_is_there(self, source):
        """Slicing would take the last one in silence."""
        with pytest.raises(EncoderError, match="retrieval_layer: 4, but it has 2 layers"):
            self.fetched(source, retrieval_layer=4)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "cannot be read"),
            ("[]", "cannot be read"),
            ("{}", "has no model_type"),
            ('{"model_type": "bert", "num_hidden_layers": 3}', "has no hidden_size"),
        ],
    )
    def test_a_configuration_that_says_too_little_is_refused(self, source, text, problem):
        """With its path."""
        (source / "config.json").write_text(text)
        with pytest.raises(EncoderError, match=rf"made/config\.json: {problem}"):
            self.fetched(source)

    def test_layers_of_modernbert_are_cut_too(self, source):
        """Its tensors are called otherwise, and its configuration says what each layer is."""
        kinds = ["full_attention", "sliding_attention", "sliding_attention"]
        config = json.loads((source / "config.json").read_text()) | {"model_type": "modernbert"}
        config |= {"num_hidden_layers": 3, "layer_types": kinds, "norm_eps": 1e-5}
        (source / "config.json").write_text(json.dumps(config))
        made = registry.blank(source, tiny.ROWS)
        tensors = network_weights.body_tensors(made) | {made.word_embeddings: made.words.weight}
        save_file({k: v.detach().numpy() for k, v in tensors.items()}, source / "model.safetensors")
        stamp = self.fetched(source, architecture="modernbert", layers=2)
        kept = load_file(stamp.parent / "model.safetensors")
        assert kept.keys() == {name for name in tensors if not name.startswith("layers.2.")}
        assert json.loads((stamp.parent / "config.json").read_text())["layer_types"] == kinds[:2]

    def test_an_architecture_that_cannot_be_computed_is_refused_at_once(self, source):
        """Not in the first training, which may wait in a queue for hours."""
        (source / "config.json").write_text(
            '{"num_hidden_layers": 2, "hidden_size": 16, "model_type": "t5"}'
        )
        with pytest.raises(EncoderError, match=r"'tiny' cannot be used: .*architecture: automodel"):
            self.fetched(source)

    def test_the_architecture_of_the_card_is_the_one_of_the_configuration(self, source):
        """The spec of every training names the code of the card's architecture."""
        with pytest.raises(
            EncoderError,
            match=r"encoder 'tiny' cannot be used: the card says architecture: deberta, but "
            r".*made/config\.json has model_type 'xlm-roberta'; write architecture: bert into",
        ):
            self.fetched(source, architecture="deberta")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"encoder.layer.1.output.dense.bias": None}, "lack encoder.layer.1.output.dense.bias"),
            (
                {"encoder.layer.1.output.dense.bias": np.zeros(3, np.float32)},
                r"encoder.layer.1.output.dense.bias: shape \(3,\) does not fit config.json",
            ),
            (
                {network_weights.WORD_EMBEDDINGS: None},
                "lack embeddings.word_embeddings.weight, or its",
            ),
        ],
    )
    def test_weights_that_do_not_fit_the_configuration_are_refused_at_once(
        self, changes, problem, source
    ):
        """Without one of them being read."""
        tensors = load_file(source / "model.safetensors") | changes
        kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        save_file(kept, source / "model.safetensors")
        with pytest.raises(EncoderError, match=problem):
            self.fetched(source)

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
    def test_a_damaged_file_is_refused_at_once(self, name, source):
        """With its name."""
        (source / name).write_bytes((source / name).read_bytes()[:100])
        with pytest.raises(EncoderError, match=rf"cannot be used: .*{name}: "):
            self.fetched(source)


AUTHORS_CODE = """
from transformers import BertConfig, BertModel


class MineConfig(BertConfig):
    model_type = "mine"


class MineModel(BertModel):
    config_class = MineConfig
"""


class TestAutoModel:
    """Architectures that no network of this project computes."""

    SIZES: ClassVar = {
        "vocab_size": tiny.ROWS,
        "num_hidden_layers": 3,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }

    def source(self, tmp_path, family, **sizes):
        """A folder that transformers saved, with a tokenizer."""
        folder = tiny.tokenizer_file(tmp_path / "source")
        config = getattr(transformers, f"{family}Config")(**sizes)
        getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
        return folder

    def fetched(self, source, **changes):
        said = ENCODER | {"folder": str(source), "retrieval_layer": 0, "architecture": "automodel"}
        stamp = source.parent / "made" / "stamp.json"
        encoder.fetch(load(EncoderCard, said | changes, "tiny.yaml"), stamp, "spec", source.parent)
        return stamp

    def test_an_encoder_decoder_is_fetched_without_its_decoder(self, tmp_path):
        """T5 calls its sizes otherwise; the stamp has them under the usual names."""
        sizes = {"d_model": 16, "num_layers": 3, "num_heads": 2, "d_ff": 24}
        stamp = self.fetched(self.source(tmp_path, "T5", vocab_size=tiny.ROWS, **sizes))
        assert verify(stamp)["outcomes"] == {"layers": 3, "hidden": 16}
        kept = load_file(stamp.parent / "model.safetensors")
        assert not [name for name in kept if "decoder" in name]

    def test_layers_are_cut_from_the_top(self, tmp_path):
        """In the weights and in the configuration."""
        stamp = self.fetched(self.source(tmp_path, "Electra", **self.SIZES), layers=2)
        assert verify(stamp)["outcomes"]["layers"] == 2
        kept = load_file(stamp.parent / "model.safetensors")
        assert {name.split(".")[2] for name in kept if name.startswith("encoder.layer")} == {
            "0",
            "1",
        }

    def test_there_are_no_more_layers_than_there_are(self, tmp_path):
        """With their number."""
        source = self.source(tmp_path, "Electra", **self.SIZES)
        with pytest.raises(EncoderError, match="layers: 4, but the encoder has 3 layers"):
            self.fetched(source, layers=4)

    def test_an_encoder_that_our_networks_compute_may_be_computed_by_transformers(self, tmp_path):
        """To compare the two."""
        stamp = self.fetched(tiny.encoder(tmp_path / "source").parent)
        assert verify(stamp)["outcomes"] == {"layers": 2, "hidden": 16}

    @pytest.fixture
    def with_code(self, tmp_path):
        """A folder whose network is code that lies beside its weights."""
        source = self.source(tmp_path, "Bert", **self.SIZES)
        config = json.loads((source / "config.json").read_text())
        classes = {"AutoConfig": "mine.MineConfig", "AutoModel": "mine.MineModel"}
        changes = {"model_type": "mine", "auto_map": classes}
        (source / "config.json").write_text(json.dumps(config | changes))
        (source / "mine.py").write_text(AUTHORS_CODE)
        return source

    def test_code_of_its_author_is_run_if_the_card_trusts_it(
        self, with_code, monkeypatch, tmp_path
    ):
        """The stamp lists the files of the code: another code is a damaged encoder."""
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
        monkeypatch.syspath_prepend(str(tmp_path))
        stamp = self.fetched(with_code, trust_remote_code=True, code=["mine.py"])
        assert "mine.py" in verify(stamp)["files"]
        assert type(registry.blank(stamp.parent, 3).model).__name__ == "MineModel"

    def test_code_of_its_author_is_not_run_otherwise(self, with_code):
        """The error says so."""
        with pytest.raises(EncoderError, match="trust_remote_code"):
            self.fetched(with_code)


class TestHub:
    """A local server stands for the Hub; its repository o/r has one commit, main."""

    @pytest.fixture
    def files(self, tmp_path):
        """The files of the repository."""
        folder = tiny.encoder(tmp_path / "published").parent
        return {name: (folder / name).read_bytes() for name in encoder_card.ENCODER_FILES}

    @pytest.fixture
    def repository(self, hub, files):
        hub.publish("o/r", COMMIT, files)
        return hub

    def fetched(self, tmp_path, revision, place="one"):
        said = ENCODER | {"folder": None, "hub": "o/r", "revision": revision}
        stamp = tmp_path / place / "tiny" / "stamp.json"
        encoder.fetch(load(EncoderCard, said, "tiny.yaml"), stamp, "spec", tmp_path)
        return stamp

    def test_a_commit_is_asked_for_and_nothing_else(self, repository, files, tmp_path):
        """Three files of one commit and no other file: no pickle, no code."""
        stamp = self.fetched(tmp_path, COMMIT)
        assert [path for path, _ in repository.asked] == [
            f"/o/r/resolve/{COMMIT}/{name}" for name in files
        ]
        assert {name: (stamp.parent / name).read_bytes() for name in files} == files
        assert verify(stamp)["outcomes"] == {"layers": 2, "hidden": 16, "commit": COMMIT}

    def test_main_stays_at_the_commit_of_the_first_download(self, repository, files, tmp_path):
        """Later fetches, of this study or another, get that commit, or fail."""
        first = self.fetched(tmp_path, "main")
        assert verify(first)["outcomes"]["commit"] == COMMIT
        repository.publish("o/r", LATER, files | {"model.safetensors": b"other weights"})
        (tmp_path / "raw/encoders/tiny@main/model.safetensors").unlink()
        assert self.fetched(tmp_path, "main", "two").read_bytes() == first.read_bytes()

    def test_the_files_of_main_are_of_one_commit(self, repository, files, tmp_path):
        """Even if main moves while they are downloaded: the first file's commit counts."""
        weights = repository.repositories["o/r"][COMMIT].pop("model.safetensors")
        with pytest.raises(MissingFile):
            self.fetched(tmp_path, "main")
        repository.publish("o/r", COMMIT, files | {"model.safetensors": weights})
        repository.publish("o/r", LATER, files)
        stamp = self.fetched(tmp_path, "main")
        assert verify(stamp)["outcomes"]["commit"] == COMMIT

    def test_weights_that_changed_under_their_commit_are_refused(self, repository, files, tmp_path):
        """The lock has the sha256 of every file."""
        self.fetched(tmp_path, COMMIT)
        (tmp_path / f"raw/encoders/tiny@{COMMIT[:12]}/model.safetensors").unlink()
        shutil.rmtree(tmp_path / "cache")
        repository.publish("o/r", COMMIT, files | {"model.safetensors": b"other weights"})
        with pytest.raises(ChecksumMismatch, match=r"model\.safetensors: expected sha256 .*lock"):
            self.fetched(tmp_path, COMMIT, "two")

    def test_a_repository_of_pickles_alone_is_refused_with_a_hint(
        self, repository, files, tmp_path
    ):
        """A line of Python that makes a folder, and what to do with it."""
        del files["model.safetensors"]
        repository.publish("o/r", COMMIT, files | {"pytorch_model.bin": b"a pickle"})
        with pytest.raises(MissingFile) as refused:
            self.fetched(tmp_path, COMMIT)
        lines = str(refused.value).splitlines()
        assert lines[0].startswith("encoder 'tiny': ")
        assert lines[1] == f"  hub: o/r@{COMMIT}: has no file model.safetensors"
        assert lines[2].startswith("If the repository has another form of model.safetensors")
        assert lines[6] == "Then give the card folder: tiny in place of hub: and revision:"
        assert not any("pytorch_model.bin" in path for path, _ in repository.asked)
        for line, kind in ((lines[3], "AutoModel"), (lines[5], "AutoTokenizer")):
            python = line.strip().removeprefix('python -c "').removesuffix('"')
            assert f"{kind}.from_pretrained('o/r', revision='{COMMIT}')" in python
            compile(python, "<hint>", "exec")

    def test_a_gated_repository_needs_no_conversion_but_a_licence(self, repository, tmp_path):
        repository.refusals["o/r"] = Refusal(401, "GatedRepo")
        with pytest.raises(MissingFile) as refused:
            self.fetched(tmp_path, COMMIT)
        assert f"accept the licence at {repository.url}/o/r, then set HF_TOKEN" in str(
            refused.value
        )
        assert "AutoModel" not in str(refused.value)

    def test_the_line_makes_safetensors_of_a_pickle(self, tmp_path, monkeypatch):
        """As transformers of the environment does it."""
        import torch
        import transformers

        published = tiny.encoder(tmp_path / "published").parent
        model = transformers.AutoModel.from_pretrained(published)
        (published / "model.safetensors").unlink()
        torch.save(model.state_dict(), published / "pytorch_model.bin")
        monkeypatch.chdir(tmp_path)
        values = {"hub": "published", "revision": "main", "folder": "made"}
        exec(encoder.CONVERT.format(kind="AutoModel", **values), {})
        (tmp_path / "made/tokenizer.json").write_bytes((published / "tokenizer.json").read_bytes())
        registry.check(tmp_path / "made", "bert")
