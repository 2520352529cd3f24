"""Texts become token ids with code-point spans, laid out as the encoder's own tokenizer does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from support import tiny
from xstilts.errors import EncoderError
from xstilts.models.tokenizer import SpecialTokens, Tokenizer, truncate_longest_first


@pytest.fixture
def letters(tmp_path) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path))


def bert_tokenizer() -> FastTokenizer:
    fast = FastTokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    fast.post_processor = processors.BertProcessing(("[SEP]", 8), ("[CLS]", 7))
    return fast


def roberta_tokenizer() -> FastTokenizer:
    fast = FastTokenizer(models.WordLevel({"<unk>": 3, "a": 4, "b": 5}, unk_token="<unk>"))
    fast.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return fast


@pytest.mark.parametrize(
    ("fast", "special_tokens"),
    [
        (tiny.letter_tokenizer(0), SpecialTokens((0,), (2, 2), (2,), typed=False)),
        (tiny.letter_tokenizer(1), SpecialTokens((0,), (2, 2), (2,), typed=True)),
        (roberta_tokenizer(), SpecialTokens((0,), (2, 2), (2,), typed=False)),
        (bert_tokenizer(), SpecialTokens((7,), (8,), (8,), typed=True)),
    ],
    ids=["xlm-r", "xlm-r with types", "roberta", "bert"],
)
def test_the_layout_is_the_tokenizers_own(fast, special_tokens, tmp_path):
    """Special tokens, and whether the second text has type 1, are read off a tokenised pair."""
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=fast))
    assert tokenizer.special_tokens == special_tokens


def test_a_layout_counts_its_special_tokens():
    """A pair in XLM-R's special_tokens has four special tokens, a single text two."""
    special_tokens = SpecialTokens((0,), (2, 2), (2,), typed=False)
    assert (special_tokens.pair_specials, special_tokens.single_specials) == (4, 2)


def test_a_pair_is_laid_out_as_the_tokenizer_itself_would(letters):
    """`pair` and `single` give the ids that the fast tokenizer gives with special tokens."""
    fast = tiny.letter_tokenizer()
    first, second = letters(["abc", "d e"])
    assert letters.pair(first.ids, second.ids)[0].tolist() == fast.encode("abc", "d e").ids
    assert letters.single(first.ids).tolist() == fast.encode("abc").ids


@pytest.mark.parametrize("second_type", [0, 1])
def test_token_types_are_those_of_the_tokenizer(second_type, tmp_path):
    """Type 1 begins where the tokenizer says so: at the second text in BERT, nowhere in e5."""
    fast = tiny.letter_tokenizer(second_type)
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair=f"<s> $A </s> </s> $B:{second_type} </s>:{second_type}",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=fast))
    ids, where = tokenizer.pair(*(t.ids for t in tokenizer(["abc", "de"])))
    assert (np.arange(len(ids)) >= where).astype(int).tolist() == fast.encode("abc", "de").type_ids


def test_spans_count_code_points(letters):
    """A span cuts its token out of a Python string, also beyond the basic plane."""
    text = "a 👩‍👧 今天 é ไ"
    (tokens,) = letters([text])
    assert [text[b:e] for b, e in tokens.spans] == [c for c in text if c != " "]


def test_an_empty_text_has_no_tokens(letters):
    """Arrays keep their two dimensions when there is nothing in them."""
    (tokens,) = letters([""])
    assert tokens.ids.shape == (0,)
    assert tokens.spans.shape == (0, 2)


def test_texts_that_are_tokenised_some_at_a_time_keep_their_tokens(letters, monkeypatch):
    """A million of them at once would hold ten times the memory of their tokens."""
    texts = ["abc", "", "de", "fghij", "k"]
    whole = letters(texts)
    monkeypatch.setattr("xstilts.models.tokenizer._TEXTS", 2)
    for one, other in zip(whole, letters(texts), strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        np.testing.assert_array_equal(one.spans, other.spans)
    assert letters([]) == []


def test_the_files_own_truncation_and_padding_are_switched_off(tmp_path):
    """A tokenizer.json that says to cut at two tokens and to pad does neither."""
    fast = tiny.letter_tokenizer()
    fast.enable_truncation(2)
    fast.enable_padding(pad_id=1, pad_token="<pad>")
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=fast))
    assert [len(t.ids) for t in tokenizer(["abcdef", "a"])] == [6, 1]


def test_a_word_without_pieces_is_unknown(letters):
    """A word that tokenises to nothing gets one <unk>, so that it can be tagged."""
    pieces = letters.words(["ab", " ", "", "ab"])
    assert {w: ids.tolist() for w, ids in pieces.items()} == {"ab": [4, 5], " ": [3], "": [3]}


def test_bert_calls_its_unknown_token_otherwise(tmp_path):
    """[UNK] is as good as <unk>."""
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=bert_tokenizer()))
    assert tokenizer.unknown == 0


def test_a_tokenizer_without_unknown_token_is_refused(tmp_path):
    """The error says what was looked for."""
    fast = FastTokenizer(models.WordLevel({"a": 1}, unk_token="a"))
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=fast))
    with pytest.raises(EncoderError, match=r"neither <unk> nor \[UNK\]"):
        _ = tokenizer.unknown


def test_a_missing_tokenizer_is_named(tmp_path):
    """The error names the file that an encoder's folder lacks."""
    with pytest.raises(EncoderError, match=r"tokenizer.json: missing"):
        Tokenizer(tmp_path)


def test_a_damaged_tokenizer_is_named(tmp_path):
    """The error names the file that is no tokenizer."""
    (tmp_path / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(EncoderError, match=r"tokenizer.json: not a tokenizer"):
        Tokenizer(tmp_path)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_longest_first_cuts_one_token_at_a_time_from_the_longer_text(a, b, room):
    """The second text is cut on a tie, until both fit."""
    first, second = truncate_longest_first(np.arange(a), np.arange(b), room)
    while a + b > room:
        if a > b:
            a -= 1
        else:
            b -= 1
    assert first.tolist() == list(range(a))
    assert second.tolist() == list(range(b))


# --- tokenizers as other encoders have them ------------------------------------------------------

SENTENCES = ["the cat sat on the mat", "el gato se sentó", "кошка сидела на ковре"] * 20
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def gemmas() -> FastTokenizer:
    """Like mmBERT's: pairs of characters joined, what has no piece spelt by its UTF-8 bytes."""
    fast = FastTokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    fast.normalizer = normalizers.Replace(" ", "\u2581")
    fast.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=specials + BYTES, show_progress=False
    )
    fast.train_from_iterator(SENTENCES, trainer)
    says = json.loads(fast.to_str())  # the bytes are pieces like any other
    says["added_tokens"] = [t for t in says["added_tokens"] if t["content"] not in BYTES]
    fast = FastTokenizer.from_str(json.dumps(says))
    fast.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> $B:1 <eos>:1",
        special_tokens=[("<bos>", 2), ("<eos>", 1)],
    )
    return fast


def debertas() -> FastTokenizer:
    """Like mDeBERTa's: the likeliest pieces, BERT's special tokens, no bytes."""
    fast = FastTokenizer(models.Unigram())
    fast.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC()])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=specials, unk_token="[UNK]", show_progress=False
    )
    fast.train_from_iterator(SENTENCES, trainer)
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return fast


OTHERS = {
    "mmbert": (gemmas, SpecialTokens((2,), (1,), (1,), typed=True)),
    "mdeberta": (debertas, SpecialTokens((1,), (2,), (2,), typed=True)),
}


@pytest.fixture(params=OTHERS)
def other(request, tmp_path) -> tuple[Tokenizer, FastTokenizer, SpecialTokens]:
    make, special_tokens = OTHERS[request.param]
    fast = make()
    return Tokenizer(tiny.tokenizer_file(tmp_path, fast=fast)), fast, special_tokens


class TestOtherTokenizers:
    """Trained here, on three sentences: their kind is what matters, not their pieces."""

    def test_pairs_and_single_texts_are_the_tokenizers_own(self, other):
        """Special tokens where its own template puts them."""
        tokenizer, fast, special_tokens = other
        assert tokenizer.special_tokens == special_tokens
        first, second = tokenizer(["the cat", "sat on"])
        ids, where = tokenizer.pair(first.ids, second.ids)
        encoded = fast.encode("the cat", "sat on")
        assert ids.tolist() == encoded.ids
        assert [int(i >= where) for i in range(len(ids))] == encoded.type_ids
        assert tokenizer.single(first.ids).tolist() == fast.encode("the cat").ids

    def test_every_token_has_the_span_of_what_it_stands_for(self, other):
        """All bytes of one character have its span; together they cover all but spaces."""
        tokenizer, _, _ = other
        text = "the 👩 ไ mat"
        (tokens,) = tokenizer([text])
        covered = {i for begin, end in tokens.spans for i in range(begin, end)}
        assert covered >= {i for i, c in enumerate(text) if c != " "}
        woman = [[b, e] for b, e in tokens.spans if b <= text.index("👩") < e]
        assert woman
        assert all(b == 4 and e == 5 for b, e in woman)

    def test_every_word_can_be_tagged(self, other):
        """Whatever its characters; one that is nothing gets the unknown token."""
        tokenizer, fast, _ = other
        pieces = tokenizer.words(["cat", "ไ", "", "\u200d"])
        assert all(len(ids) for ids in pieces.values())
        assert pieces[""].tolist() == [tokenizer.unknown]
        assert fast.id_to_token(tokenizer.unknown) in ("<unk>", "[UNK]")

    @pytest.mark.parametrize("text", ["the cat", "el gato se sentó", "кошка"])
    def test_pieces_spell_their_text(self, other, text):
        """As the official scripts put answers together."""
        tokenizer, _, _ = other
        assert tokenizer.spelt(tokenizer([text])[0].ids) == text


def test_bytes_spell_the_character_that_they_are_of(tmp_path):
    """A part of a character's bytes gives the replacement character."""
    tokenizer = Tokenizer(tiny.tokenizer_file(tmp_path, fast=gemmas()))
    (tokens,) = tokenizer(["cat ไ"])
    assert tokenizer.spelt(tokens.ids) == "cat ไ"
    assert tokenizer.spelt(tokens.ids[:-1]) == "cat \ufffd"


def test_the_packaged_encoder_has_xlm_rs_layout_without_types(packaged_encoder):
    """multilingual-e5: <s> A </s></s> B </s>, every token of type 0, as in its pretraining."""
    assert Tokenizer(packaged_encoder).special_tokens == SpecialTokens(
        (0,), (2, 2), (2,), typed=False
    )
