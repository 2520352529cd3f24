"""Span question answering: windows over the context, and the official way back to a text."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support import tiny
from support.places import MIRROR, ROOT
from xstilts.data.readers import afriqa, squad_json
from xstilts.metrics.question_answering import normalize_squad
from xstilts.models.batch import pack
from xstilts.models.tokenizer import Tokenizer, windows_of
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.span_qa import model as span_qa
from xstilts.tasks.span_qa.model import MODEL
from xstilts.tasks.span_qa.scoring import SCORING

GRAPHEMES = [
    *(
        "a",
        "b",
        "1",
        ".",
        "今",
        "天",
        "日本",
        "ไ",
        "ท",
        "ย",
        "กำ",
        "นี้",
        "é",
        "o\u0308\u0301",
        "क्षि",
    ),
    *("👩\u200d👩\u200d👧", "🇰🇪", "𝔘", "ß"),
]
WORDS = [
    *("Nairobi", "3,000", "km", "今天是", "ภาษาไทย", "किताब", "e\u0301t", "👩🏽\u200d🚀", "(ليلى)"),
    *("Ñandú", "𝔘nicode", "ﬁn", "½", "㎏", "ნინო"),
]


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters"), second_type=1))


@pytest.fixture(scope="session")
def real(packaged_encoder) -> Tokenizer:
    return Tokenizer(packaged_encoder)


def example(context, answer=None, question="ab", start=None, name="1"):
    start = context.index(answer) if answer and start is None else start
    answers = [{"text": answer, "start": start}] if answer else []
    return {"id": name, "context": context, "question": question, "answers": answers}


def encoded(rows, tokenizer, training=False, **limits):
    limits = {"max_length": 24, "doc_stride": 6} | limits
    limits = tiny.hyperparameters(**limits)
    return MODEL.encode(rows, EncodingContext(tokenizer, (), limits, training=training))


def perfect(features):
    """A model that knows: ten at the gold places of a window, `<s>` where it shows no answer."""
    outputs = []
    for window, ids in zip(features.targets, features.sequences, strict=True):
        scores = np.zeros((len(ids), 2), np.float32)
        scores[window.gold[0], 0] = scores[window.gold[1], 1] = 10 if any(window.gold) else 20
        outputs.append(scores)
    return outputs


def answers(rows, features, outputs, scorer="squad"):
    return [p["prediction"] for p in MODEL.decode(rows, features, outputs, (), scorer)]


# --- windows -------------------------------------------------------------------------------------


@given(tokens=st.integers(0, 200), room=st.integers(1, 40), stride=st.integers(1, 60))
def test_windows_show_every_token(tokens, room, stride):
    """They begin every ``stride`` tokens (no token is skipped) and the last ends with the text."""
    cuts = list(windows_of(tokens, room, stride))
    assert [begin for begin, _ in cuts] == [i * min(room, stride) for i in range(len(cuts))]
    assert all(end - begin == room for begin, end in cuts[:-1])
    assert cuts[-1][1] == tokens
    assert {t for begin, end in cuts for t in range(begin, end)} == set(range(tokens))


@given(tokens=st.integers(1, 120), room=st.integers(1, 40), stride=st.integers(1, 40))
def test_each_token_is_decided_on_by_the_window_with_most_context(tokens, room, stride):
    """By exactly one window: the first with the best ``_check_is_max_context`` score."""
    cuts = list(windows_of(tokens, room, stride))
    deciding = span_qa._deciding(tokens, cuts)
    for token in range(tokens):
        best, chosen = None, None
        for number, (begin, end) in enumerate(cuts):  # as in the BERT scripts
            if begin <= token < end:
                score = min(token - begin, end - 1 - token) + 0.01 * (end - begin)
                if best is None or score > best:
                    best, chosen = score, number
        decided = [
            number
            for number, (begin, end) in enumerate(cuts)
            if begin <= token < end and deciding[number][token - begin]
        ]
        assert decided == [chosen]


def test_a_window_is_laid_out_as_a_pair(letters):
    """Question first; ``offset`` is where the context begins: len(question) + 3 in XLM-R."""
    features = encoded([example("cdef", "de")], letters)
    (window,) = features.targets
    assert features.sequences[0].tolist() == [0, 4, 5, 2, 2, 6, 7, 8, 9, 2]
    assert (window.offset, window.gold) == (5, (6, 7))
    assert features.second_segment_starts.tolist() == [5]


def test_training_windows_without_the_whole_answer_point_at_the_first_token(letters):
    """Every window is kept."""
    features = encoded([example("c" * 30 + "d" + "c" * 9, "d")], letters, training=True)
    gold = [(w.gold, bool((w.spans[:, 0] == 30).any())) for w in features.targets]
    assert len(gold) > 2
    assert all((places != (0, 0)) == shown for places, shown in gold)


def test_long_questions_are_cut_and_counted(letters):
    """At max_query_length tokens, and never beyond half of the sequence."""
    rows = [example("c", "c", question="a" * n, name=str(n)) for n in (3, 4, 9)]
    features = encoded(rows, letters, max_query_length=3)
    assert [w.offset for w in features.targets] == [6, 6, 6]
    assert features.counts == {"truncated_questions": 2}
    features = encoded(rows, letters, max_query_length=64, max_length=16)
    assert [w.offset for w in features.targets] == [6, 7, 9]
    assert features.counts == {"truncated_questions": 1}


def test_a_question_longer_than_a_sequence_leaves_room_for_the_context(letters):
    """Windows come to an end whatever the limits."""
    row = example("c" * 40, "c", question="a" * 300)
    features = encoded([row], letters, max_query_length=200, max_length=16, doc_stride=3)
    assert max(map(len, features.sequences)) == 16
    assert answers([row], features, perfect(features)) == ["c"]


def test_answers_that_no_window_shows_are_counted(letters):
    """Longer than the windows' overlap, or made of nothing that is a token."""
    rows = [
        example("c" * 40, "c" * 20),
        example("ab  cd", "  ", name="2"),
        example("c", "c", name="3"),
    ]
    assert encoded(rows, letters).counts == {"unreachable_answers": 2}


def test_training_leaves_out_answers_without_a_token(letters):
    """They cannot be pointed at; questions without an answer stay, and point at `<s>`."""
    rows = [example("ab  cd", "  "), example("ab", name="2"), example("ab", "b", name="3")]
    features = encoded(rows, letters, training=True)
    assert [(w.example, w.gold) for w in features.targets] == [(1, (0, 0)), (2, (6, 6))]
    assert features.counts == {"unreachable_answers": 1}


def test_only_the_first_gold_answer_is_trained_towards(letters):
    """The others count in scoring alone."""
    row = example("abcd", "d")
    row["answers"].append({"text": "a", "start": 0})
    (window,) = encoded([row], letters).targets
    assert window.gold == (window.offset + 3, window.offset + 3)


def test_a_context_without_tokens_is_answered_as_officially(letters):
    """The literal text "empty"; in SQuAD v2 there is no answer."""
    rows = [example("   ")]
    features = encoded(rows, letters)
    assert answers(rows, features, perfect(features)) == ["empty"]
    assert answers(rows, features, perfect(features), "squad2") == [""]


# --- from characters to tokens and back ----------------------------------------------------------


@st.composite
def contexts(draw):
    """A context of graphemes and spaces, and an answer in it, begun and ended by no space."""
    pieces = draw(st.lists(st.sampled_from([*GRAPHEMES, " ", "  "]), min_size=1, max_size=70))
    context = "".join(pieces)
    places = [i for i, c in enumerate(context) if not c.isspace()]
    assume(places)
    first = draw(st.integers(0, len(places) - 1))
    last = min(len(places) - 1, first + draw(st.integers(0, 2)))
    begin, end = places[first], places[last] + 1
    return example(context, context[begin:end], start=begin)


@settings(max_examples=200)
@given(row=contexts(), stride=st.integers(1, 8))
def test_every_gold_answer_survives_the_way_to_tokens_and_back(letters, row, stride):
    """Whatever the script, in as many windows as it takes, the very text comes back."""
    features = encoded([row], letters, doc_stride=stride)
    assert features.counts == {}
    text = row["answers"][0]["text"]
    assert answers([row], features, perfect(features)) == [text]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), data=st.data())
def test_words_survive_the_packaged_encoders_tokenizer(real, words, data):
    """Pieces may join letters or cover the space before them: words come back whole."""
    first = data.draw(st.integers(0, len(words) - 1))
    chosen = words[first : first + 2]
    context, text = " ".join(words), " ".join(chosen)
    row = example(context, text, start=len(" ".join([*words[:first], ""])))
    features = encoded([row], real, max_length=64, doc_stride=16)
    assert answers([row], features, perfect(features)) == [text]


KNOWN = ROOT / "tests/data/answers_inside_tokens.tsv"


def known_counts():
    """For each file of the mirror: its distinct answers, and those that no token borders."""
    with KNOWN.open(encoding="utf-8") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        return [
            pytest.param(path, int(answers), int(inside), id=path)
            for path, answers, inside in csv.reader(lines, delimiter="\t")
        ]


@pytest.mark.mirror
@pytest.mark.parametrize(("path", "count", "inside"), known_counts())
def test_every_gold_answer_of_the_benchmarks_survives_the_way_back(path, count, inside, real):
    """Characters -> tokens -> windows -> characters, with XLM-R's vocabulary.

    Every gold answer is shown whole by a window, and what its tokens cover contains it and equals
    it after the metric's normalisation, but for answers that begin or end inside a token, or begin
    with a character of no width: no span of tokens gives these. Their number is known exactly.
    """
    if not (MIRROR / path).is_file():
        pytest.skip(f"no {MIRROR / path}: set XSTILTS_MIRROR to the mirror's folder")
    reader = afriqa if path.startswith("afriqa") else squad_json
    golds = {
        (row["context"], gold["text"], gold["start"]): row["question"]
        for row in reader.read({"questions": MIRROR / path}, "")
        if isinstance(row, dict)  # and no remark about a row that is left out
        for gold in row["answers"]
    }
    rows = [
        example(context, text, question, start, str(number))
        for number, ((context, text, start), question) in enumerate(golds.items())
    ]
    features = encoded(rows, real, max_length=384, doc_stride=128, max_query_length=64)
    found = {}
    for window in features.targets:
        if window.gold != (0, 0):
            begin, end = (place - window.offset for place in window.gold)
            found[window.example] = window.text(rows[window.example]["context"], begin, end + 1)
    wanted = [row["answers"][0]["text"] for row in rows]
    assert [i for i, text in enumerate(wanted) if span_qa.bare(text) not in found[i]] == []
    differ = [i for i, t in enumerate(wanted) if normalize_squad(found[i]) != normalize_squad(t)]
    assert (len(rows), len(differ)) == (count, inside)
    assert features.counts["inexact_answers"] == inside
    assert features.counts["unreachable_answers"] == 0


@pytest.mark.parametrize("scorer", ["squad", "mlqa", "squad2"])
def test_perfect_outputs_score_100(scorer, letters):
    """Exact match, F1 and their mean, over questions with one window and with several."""
    rows = tiny.questions(20, "bcdefghi")  # "a" alone is an article: its F1 is 0
    if scorer == "squad2":
        rows.append(example("abc", name="none"))
    features = encoded(rows, letters)
    assert len(features) > len(rows)
    predictions = MODEL.decode(rows, features, perfect(features), (), scorer)
    n, metrics = SCORING.score(rows, predictions, scorer, "en")
    assert n == len(rows)
    assert metrics == dict.fromkeys(MODEL.schema.scorers[scorer], 100.0)


def test_em_f1_is_the_mean_of_both():
    """XTREME averages exact match and F1."""
    rows = [example("big cat", "big cat")]
    n, metrics = SCORING.score(
        rows, [{"id": "1", "prediction": "cat", "legacy_words": "big cat"}], "squad", "en"
    )
    assert (n, metrics["exact_match"]) == (1, 0.0)
    assert metrics["em_f1"] == pytest.approx(metrics["f1"] / 2) == pytest.approx(100 / 3)
    assert metrics["em_f1_legacy_words"] == 100.0


# --- the official rule ---------------------------------------------------------------------------


def official(row, windows, outputs, scorer):
    """``compute_predictions_logits`` of the BERT scripts, slowly; spans by character offsets."""
    pool, null = [], np.inf
    for window, scores in zip(windows, outputs, strict=True):
        null = min(null, float(scores[0, 0]) + float(scores[0, 1]))
        best = [
            [
                i
                for i, _ in sorted(enumerate(scores[:, side]), key=lambda x: x[1], reverse=True)[
                    :20
                ]
            ]
            for side in (0, 1)
        ]
        for start in best[0]:
            for end in best[1]:
                a, b = start - window.offset, end - window.offset
                if not (0 <= a < len(window.spans) and 0 <= b < len(window.spans)):
                    continue
                if not window.deciding[a] or b < a or b - a + 1 > 30:
                    continue
                value = float(scores[start, 0]) + float(scores[end, 1])
                text = row["context"][window.spans[a, 0] : window.spans[b, 1]].strip()
                pool.append((value, text))
    pool.sort(key=lambda x: x[0], reverse=True)  # stable
    value, text = pool[0] if pool else (-np.inf, "empty")
    return "" if scorer == "squad2" and null - value > 0 else text


@settings(max_examples=150)
@given(
    length=st.integers(1, 90),
    stride=st.integers(1, 50),
    seed=st.integers(0, 10**6),
    ties=st.booleans(),
    scorer=st.sampled_from(["squad", "squad2"]),
)
def test_decoding_follows_the_official_rule(letters, length, stride, seed, ties, scorer):
    """20 best starts and ends, deciding windows, 30 tokens, the first of equals, the null score."""
    rng = np.random.default_rng(seed)
    context = "".join(rng.choice(list("abcdefg"), length))
    row = example(context)
    features = encoded([row], letters, max_length=56, doc_stride=stride)
    outputs = [
        (rng.integers(0, 6, (len(s), 2)) if ties else rng.normal(size=(len(s), 2)) * 5)
        for s in features.sequences
    ]
    outputs = [o.astype(np.float32) for o in outputs]
    expected = official(row, features.targets, outputs, scorer)
    assert answers([row], features, outputs, scorer) == [expected]


def test_an_answer_has_at_most_thirty_tokens(letters):
    """A span of 31 is passed over for the next best."""
    row = example("a" * 40)
    features = encoded([row], letters, max_length=64)
    scores = np.full((len(features.sequences[0]), 2), -9.0, np.float32)
    scores[5, 0] = scores[35, 1] = 10.0
    assert answers([row], features, [scores]) != ["a" * 31]
    scores[34, 1] = 9.0
    assert answers([row], features, [scores]) == ["a" * 30]


def test_the_question_is_no_answer(letters):
    """Scores outside of the context use up the best twenty, but give nothing."""
    row = example("cd", question="ab")
    features = encoded([row], letters)
    scores = np.zeros((len(features.sequences[0]), 2), np.float32)
    scores[1:3] = 50.0
    scores[6] = 1.0
    assert answers([row], features, [scores]) == ["d"]


@pytest.mark.parametrize(("better", "answer"), [(19, "d"), (20, "empty")])
def test_a_start_is_among_the_twenty_best_of_the_whole_window(better, answer, letters):
    """Question tokens count: with twenty better ones no start is left."""
    row = example("cd", question="a" * better)
    features = encoded([row], letters, max_length=64, max_query_length=64)
    scores = np.zeros((len(features.sequences[0]), 2), np.float32)
    scores[1 : 1 + better, 0] = 5.0
    scores[features.targets[0].offset + 1] = 1.0
    assert answers([row], features, [scores]) == [answer]


@pytest.mark.parametrize(("null", "answer"), [(2.0, ""), (1.0, "d")])
def test_no_answer_needs_a_higher_score_than_the_best_answer(null, answer, letters):
    """Threshold 0: on a tie the answer is given. SQuAD v1.1 always answers."""
    row = example("cd")
    features = encoded([row], letters)
    scores = np.zeros((len(features.sequences[0]), 2), np.float32)
    scores[0] = null
    scores[6] = 1.0
    assert answers([row], features, [scores], "squad2") == [answer]
    assert answers([row], features, [scores], "squad") == ["d"]


def test_the_least_null_score_of_all_windows_counts(letters):
    """One window that believes in its answer is enough."""
    row = example("c" * 30)
    features = encoded([row], letters)
    outputs = [np.zeros((len(s), 2), np.float32) for s in features.sequences]
    for scores in outputs:
        scores[0] = 9.0
    assert answers([row], features, outputs, "squad2") == [""]
    outputs[1][0] = -9.0
    assert answers([row], features, outputs, "squad2") == ["c"]


# --- head and loss -------------------------------------------------------------------------------


def test_the_loss_is_the_mean_of_two_cross_entropies_over_a_windows_tokens(letters):
    """Over its own tokens: padding takes no part."""
    rows = [example("abcdefg", "cd"), example("ab", "b", name="2")]
    features = encoded(rows, letters)
    batch = pack(features, [0, 1])
    scores = torch.randn(len(batch.ids), 2)
    expected = torch.zeros(())
    for own, window in zip(scores.split(batch.lengths), features.targets, strict=True):
        for side in (0, 1):
            gold = torch.tensor([window.gold[side]])
            expected += torch.nn.functional.cross_entropy(own[None, :, side], gold) / 2
    torch.testing.assert_close(MODEL.loss(scores, batch), expected)
    assert [o.shape for o in MODEL.outputs(scores, batch)] == [(n, 2) for n in batch.lengths]


def test_an_answer_keeps_the_accent_of_its_last_letter():
    """The tokenizer's span of a composed letter ends before its combining accent."""
    context = "Lome\u0301 is"
    assert span_qa.cut_out(context, np.array([[0, 4], [6, 8]]), 0, 1) == "Lome\u0301"
    assert span_qa.cut_out(context, np.array([[0, 4], [4, 5]]), 0, 1) == "Lome"


@pytest.mark.parametrize(
    ("context", "span", "text"),
    [
        ("born.[9]\u200b In", (0, 8), "born.[9]\u200b"),  # the token ends before it
        ("born.[9]\u200b In", (0, 9), "born.[9]\u200b"),  # the token covers it
        ("born.[9]\u200b", (0, 8), "born.[9]\u200b"),
        ("\ufeffSchulen", (0, 8), "Schulen"),
        ("two\u200bwords", (0, 3), "two"),
        ("two\u200bwords", (0, 4), "two"),
        ("two \u200b", (0, 3), "two"),
        ("\u200b two", (0, 1), ""),
    ],
)
def test_a_character_of_no_width_belongs_to_the_word_that_it_ends(context, span, text):
    """As the benchmarks cut: MLQA's Spanish answers end with it, XQuAD's never begin with it."""
    assert span_qa.cut_out(context, np.array([span]), 0, 1) == text
