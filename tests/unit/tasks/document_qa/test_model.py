"""Question answering over whole documents: passages, byte spans, yes and no."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.models.batch import pack
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.document_qa import model as document_qa
from xstilts.tasks.document_qa.model import MINIMAL, MODEL, NO, NONE, PASSAGE, YES
from xstilts.tasks.document_qa.scoring import SCORING


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters")))


def annotation(passage=-1, start=-1, end=-1, yes_no="none"):
    return {"passage": passage, "start": start, "end": end, "yes_no": yes_no}


def row(*passages, answers=(), name="1", between=" 今 ", question="ab"):
    """A document of these passages; ``answers`` are passage indices with a text, or annotations."""
    document, spans = "é", []
    for text in passages:
        start = len(document.encode())
        document += text + between
        spans.append({"start": start, "end": start + len(text.encode())})
    given = []
    for answer in answers:
        if not isinstance(answer, dict):
            passage, text = answer
            start = spans[passage]["start"] + passages[passage].encode().index(text.encode())
            answer = annotation(passage, start, start + len(text.encode()))
        given.append(answer)
    return {
        "id": name,
        "question": question,
        "document": document,
        "passages": spans,
        "annotations": given,
    }


def encoded(rows, tokenizer, training=False, **limits):
    limits = {"max_length": 64, "doc_stride": 8} | limits
    limits = tiny.hyperparameters(**limits)
    return MODEL.encode(rows, EncodingContext(tokenizer, (), limits, training=training))


def perfect(features):
    """A model that knows: its window's answer type, and ten at the gold places."""
    outputs = []
    for window, ids in zip(features.targets, features.sequences, strict=True):
        types, scores = np.zeros(5), np.zeros((len(ids), 2))
        types[window.gold.kind] = 5.0
        scores[window.gold.start, 0] = scores[window.gold.end, 1] = 10.0
        outputs.append(np.concatenate([types, scores.ravel()]).astype(np.float32))
    return outputs


def predictions(rows, features):
    return MODEL.decode(rows, features, perfect(features), (), "tydi")


# --- features ------------------------------------------------------------------------------------


def test_passages_are_read_after_their_numbers(letters):
    """``[0] abc [1] de``; text between passages is not read."""
    (window,) = encoded([row("abc", "de")], letters).targets
    assert window.passage.tolist() == [-1] * 3 + [0] * 3 + [-1] * 3 + [1] * 2
    assert window.spans[3:6].tolist() == [[1, 2], [2, 3], [3, 4]]
    assert (window.spans[window.passage < 0] == -1).all()


def test_a_minimal_answer_is_pointed_at_in_tokens(letters):
    """Byte offsets become places in the sequence, behind letters of several bytes too."""
    (window,) = encoded([row("a今bcd", answers=[(0, "bc")])], letters).targets
    at = window.offset + 3  # the marker
    assert window.gold == document_qa.Gold(MINIMAL, at + 2, at + 3)


@pytest.mark.parametrize(("word", "kind"), [("none", PASSAGE), ("yes", YES), ("no", NO)])
def test_an_answer_without_a_span_is_its_whole_passage(word, kind, letters):
    """Of which the answer type says what it is."""
    (window,) = encoded([row("abc", "defg", answers=[annotation(1, yes_no=word)])], letters).targets
    at = window.offset + 3 + 3 + 3
    assert window.gold == document_qa.Gold(kind, at, at + 3)


def test_the_most_exact_annotation_is_trained_towards(letters):
    """A span before yes or no, these before a passage."""
    answers = [annotation(0), annotation(0, yes_no="yes"), (1, "e"), annotation()]
    (window,) = encoded([row("abc", "def", answers=answers)], letters).targets
    assert window.gold.kind == MINIMAL


def test_windows_without_the_whole_answer_point_at_the_first_token(letters):
    """And are of no answer type."""
    rows = [row("a" * 40, "b" * 40, answers=[(1, "b" * 4)])]
    features = encoded(rows, letters, max_length=32)
    assert len(features) > 4
    for window in features.targets:
        shown = int((window.passage == 1).sum()) >= 4 and (window.spans[:, 0] == 44).any()
        assert (window.gold.kind == MINIMAL) == bool(shown)
        assert window.gold.kind != NONE or window.gold == document_qa.Gold(NONE, 0, 0)


def test_one_window_in_ten_without_an_answer_is_trained_on(letters):
    """The same ones every time; every window with an answer."""
    rows = [row("a" * 60, "b" * 60, answers=[(0, "aa")], name=str(i)) for i in range(60)]
    every = encoded(rows, letters, max_length=32)
    trained = encoded(rows, letters, training=True, max_length=32)
    again = encoded(rows, letters, training=True, max_length=32)
    with_answer = sum(w.gold.kind == MINIMAL for w in every.targets)
    assert sum(w.gold.kind == MINIMAL for w in trained.targets) == with_answer
    share = (len(trained) - with_answer) / (len(every) - with_answer)
    assert 0.07 < share < 0.13
    assert [s.tolist() for s in trained.sequences] == [s.tolist() for s in again.sequences]


def test_what_is_not_read_is_counted(letters):
    """Passages after the 45th, answers in them, ends of long questions."""
    many = row(*["ab"] * 50, answers=[(48, "b")], question="c" * 30)
    features = encoded([many], letters)
    assert features.counts == {
        "passages_not_read": 5,
        "unreachable_answers": 1,
        "truncated_questions": 1,
    }
    assert features.sequences[0][1:9].tolist() == [tiny.VOCABULARY.index("c")] * 8


def test_a_document_without_passages_has_one_window(letters):
    """And no answer."""
    rows = [row(answers=[annotation()] * 3)]
    features = encoded(rows, letters)
    (found,) = predictions(rows, features)
    assert (found["passage"], found["start"], found["score"]) == (-1, -1, document_qa.NOTHING)


# --- and back ------------------------------------------------------------------------------------


@given(
    texts=st.lists(st.text("ab今ไทé ", min_size=3, max_size=30), min_size=1, max_size=6),
    data=st.data(),
)
def test_a_minimal_answer_survives_the_way_to_tokens_and_back(letters, texts, data):
    """Byte for byte, whatever the script and the windows; and so does its passage."""
    passage = data.draw(st.integers(0, len(texts) - 1))
    solid = [i for i, c in enumerate(texts[passage]) if not c.isspace()]
    if not solid:
        return
    first = data.draw(st.sampled_from(solid))
    last = data.draw(st.sampled_from([i for i in solid if first <= i < first + 5]))
    base = row(*texts)
    start = base["passages"][passage]["start"] + len(texts[passage][:first].encode())
    end = start + len(texts[passage][first : last + 1].encode())
    rows = [base | {"annotations": [annotation(passage, start, end)] * 3}]
    (found,) = predictions(rows, encoded(rows, letters, max_length=32))
    assert (found["passage"], found["start"], found["end"]) == (passage, start, end)
    assert found["prediction"] == base["document"].encode()[start:end].decode()


def test_perfect_outputs_score_100(letters):
    """Passages, spans, yes, no and no answer, over several windows."""
    rows = tiny.articles(24)
    features = encoded(rows, letters, max_length=20)
    assert len(features) > len(rows)
    n, metrics = SCORING.score(rows, predictions(rows, features), "tydi", "sw")
    assert n == 24
    assert metrics == dict.fromkeys(MODEL.schema.scorers["tydi"], 100.0)


def test_yes_and_no_have_no_span(letters):
    """As the evaluation demands; the passage is given beside them."""
    rows = [row("abc", "defg", answers=[annotation(1, yes_no="no")] * 3)]
    (found,) = predictions(rows, encoded(rows, letters))
    assert (found["yes_no"], found["passage"]) == ("no", 1)
    assert (found["start"], found["end"], found["prediction"]) == (-1, -1, "no")


def test_a_span_of_nothing_but_white_space_is_wrong_and_no_more():
    """XLM-R has a token of its own for the space before a sign; a weak model may point at it."""
    rows = [row("a  b", answers=[(0, "b")] * 3)]
    spaces = document_qa._row(rows[0], 1.0, 0, 2, 4, "none")
    assert rows[0]["document"].encode()[spaces["start"] : spaces["end"]] == b"  "
    n, metrics = SCORING.score(rows, [spaces], "tydi", "sw")
    assert (n, metrics["passage_f1"], metrics["minimal_f1"]) == (1, 100.0, 0.0)


def test_the_score_is_above_that_of_no_answer(letters):
    """Start and end less the first token's; the best of all windows counts."""
    rows = [row("abcdef")]
    features = encoded(rows, letters)
    (window,) = features.targets
    scores = np.zeros((len(features.sequences[0]), 2), np.float32)
    scores[0] = (1.0, 2.0)
    scores[window.offset + 4, 0], scores[window.offset + 5, 1] = 3.0, 4.0
    value, passage, begin, end = document_qa.best_span(scores, window)
    assert (value, passage) == (4.0, 0)
    assert rows[0]["document"][begin:end] == "bc"


def test_a_span_lies_in_one_passage(letters):
    """However good a start in one and an end in another."""
    rows = [row("abc", "def")]
    features = encoded(rows, letters)
    (window,) = features.targets
    scores = np.zeros((len(features.sequences[0]), 2), np.float32)
    scores[window.offset + 4, 0] = scores[window.offset + 10, 1] = 9.0
    _, passage, begin, end = document_qa.best_span(scores, window)
    inside = [
        slice(*(document_qa.code_points(rows[0]["document"])[[p["start"], p["end"]]]))
        for p in rows[0]["passages"]
    ]
    assert inside[passage].start <= begin < end <= inside[passage].stop


def test_an_answer_has_at_most_a_hundred_tokens(letters):
    """As in the baseline."""
    rows = [row("a" * 150)]
    features = encoded(rows, letters, max_length=256)
    (window,) = features.targets
    scores = np.full((len(features.sequences[0]), 2), -9.0, np.float32)
    scores[window.offset + 3, 0] = scores[window.offset + 103, 1] = 9.0
    scores[window.offset + 102, 1] = 8.0
    _, _, begin, end = document_qa.best_span(scores, window)
    assert end - begin == 100


# --- loss ----------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_of_three_cross_entropies(letters):
    """Start and end over a window's own tokens, and its answer type."""
    rows = [row("abcdefg", answers=[(0, "cd")]), row("ab", answers=[annotation(0)], name="2")]
    features = encoded(rows, letters)
    batch = pack(features, [0, 1])
    scores, types = torch.randn(len(batch.ids), 2), torch.randn(2, 5)
    expected = torch.zeros(())
    for number, own in enumerate(scores.split(batch.lengths)):
        gold = features.targets[number].gold
        for side, place in enumerate((gold.start, gold.end)):
            expected += torch.nn.functional.cross_entropy(own[:, side], torch.tensor(place))
        expected += torch.nn.functional.cross_entropy(types[number], torch.tensor(gold.kind))
    torch.testing.assert_close(MODEL.loss((scores, types), batch), expected / 3)
    sizes = [len(o) for o in MODEL.outputs((scores, types), batch)]
    assert sizes == [5 + 2 * n for n in batch.lengths]


# --- code points ---------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_bytes_and_code_points_are_inverse(text):
    """At every boundary."""
    points = document_qa.code_points(text)
    for point in range(len(text) + 1):
        assert points[document_qa.byte_offset(text, point)] == point
