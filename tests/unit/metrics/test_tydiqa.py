"""TyDi QA's primary tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.tydiqa import (
    Annotation,
    Prediction,
    QuestionScore,
    best_f1,
    minimal_answers,
    score_minimal_answer,
    score_passage,
    select_passages,
    span_f1,
)

NONE = Annotation()


def passages(*indices):
    """One annotator for each passage index."""
    return [Annotation(passage=index) for index in indices]


@pytest.mark.parametrize(
    ("golds", "predicted", "has_answer", "answered", "credit"),
    [
        (passages(3, 3, -1), 3, True, True, 1.0),
        (passages(3, 5, -1), 5, True, True, 1.0),
        (passages(3, 5, -1), 4, True, True, 0.0),
        (passages(3, -1, -1), 3, False, True, 0.0),  # one vote is not enough
        (passages(3, 3, 3), -1, True, False, 0.0),
        (passages(-1, -1, -1), -1, False, False, 0.0),
    ],
)
def test_score_of_a_passage(golds, predicted, has_answer, answered, credit):
    """A passage is right if any annotator chose it and at least two chose some passage."""
    score = score_passage(golds, Prediction(passage=predicted, passage_score=2.5))
    assert score == (has_answer, answered, credit, 2.5)


def span(start, end):
    """An annotation with a byte span."""
    return Annotation(start=start, end=end)


@pytest.mark.parametrize(
    ("golds", "predicted", "has_answer", "answered", "credit"),
    [
        ([span(0, 10), span(0, 5), NONE], Prediction(start=0, end=5), True, True, 1.0),
        ([span(0, 10), NONE, NONE], Prediction(start=0, end=10), False, True, 0.0),
        ([span(0, 10), span(0, 10), NONE], Prediction(start=5, end=10), True, True, 2 / 3),
        ([span(0, 10), span(0, 10), NONE], Prediction(start=10, end=12), True, True, 0.0),
        ([span(0, 10), span(0, 10), NONE], Prediction(), True, False, 0.0),
        ([span(0, 9), Annotation(yes_no="yes"), NONE], Prediction(yes_no="yes"), True, True, 1.0),
        ([span(0, 9), Annotation(yes_no="yes"), NONE], Prediction(yes_no="no"), True, True, 0.0),
        ([Annotation(yes_no="no")] * 2, Prediction(start=0, end=3), True, True, 0.0),
    ],
)
def test_score_of_a_minimal_answer(golds, predicted, has_answer, answered, credit):
    """Spans get the best byte F1 over the annotators, yes and no the whole credit or none."""
    assert score_minimal_answer(golds, predicted)[:3] == (has_answer, answered, credit)


def test_missing_prediction_is_an_error_either_way():
    """A missing prediction counts as an answer exactly where there is no answer."""
    assert score_passage(passages(1, 1), None) == (True, False, 0.0, 0.0)
    assert score_passage(passages(-1, -1), None) == (False, True, 0.0, 0.0)
    assert score_minimal_answer([span(0, 1)] * 2, None) == (True, False, 0.0, 0.0)


def test_offsets_are_bytes():
    """A span of two Cyrillic letters is four bytes long."""
    text = "да нет"
    end = len(text[:2].encode())
    assert end == 4
    assert span_f1(span(0, len(text.encode())), span(0, end)) == pytest.approx(2 * 4 / (11 + 4))


def test_threshold_is_the_best_of_the_language():
    """Answers below the best confidence are dropped: one wrong answer with low confidence."""
    golds = {"a": passages(1, 1), "b": passages(2, 2), "c": passages(-1, -1)}
    predictions = {
        "a": Prediction(passage=1, passage_score=9.0),
        "b": Prediction(passage=2, passage_score=5.0),
        "c": Prediction(passage=7, passage_score=1.0),
    }
    assert select_passages(golds, predictions) == (100.0, 100.0, 100.0, 5.0)


def test_without_scores_there_is_one_threshold():
    """Equal confidences are taken together: 2 right of 3 answers, 2 questions with an answer."""
    golds = {"a": passages(1, 1), "b": passages(2, 2), "c": passages(-1, -1)}
    predictions = {"a": Prediction(1), "b": Prediction(2), "c": Prediction(7)}
    score = select_passages(golds, predictions)
    assert score == pytest.approx((80.0, 200 / 3, 100.0, 0.0))


def test_minimal_answers_share_credit():
    """Precision and recall are sums of byte F1."""
    golds = {"a": [span(0, 10)] * 3, "b": [span(0, 10)] * 3}
    predictions = {"a": Prediction(start=5, end=10)}
    f1, precision, recall, _ = minimal_answers(golds, predictions)
    assert (precision, recall) == pytest.approx((200 / 3, 100 / 3))
    assert f1 == pytest.approx(400 / 9)


def test_nothing_right_gives_zero():
    """No credit gives 0 without a division by zero."""
    assert best_f1([QuestionScore(False, False, 0.0, 1.0)]) == (0.0, 0.0, 0.0, 0.0)


SCORES = st.lists(
    st.builds(
        QuestionScore,
        st.booleans(),
        st.booleans(),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.integers(-2, 2).map(float),
    ).filter(lambda o: o.credit == 0 or (o.has_answer and o.answered)),
    min_size=1,
)


@given(SCORES, st.randoms())
def test_best_f1_against_all_thresholds(scores, random):
    """The best F1 is the maximum over thresholds that drop answers, in any order of questions."""
    best = 0.0
    wanted = sum(o.has_answer for o in scores)
    for threshold in {o.confidence for o in scores}:
        kept = [o for o in scores if o.confidence >= threshold and o.answered]
        credit = sum(o.credit for o in kept)
        if credit:
            best = max(best, 200 * credit / (len(kept) + wanted))
    assert best_f1(scores).f1 == pytest.approx(best)
    random.shuffle(scores)
    assert best_f1(scores).f1 == pytest.approx(best)


@given(st.tuples(*[st.integers(0, 12)] * 4))
def test_span_f1_against_sets_of_bytes(numbers):
    """The span F1 is that of the two sets of bytes."""
    a, b, c, d = numbers
    left, right = span(min(a, b), max(a, b)), span(min(c, d), max(c, d))
    one, two = set(range(left.start, left.end)), set(range(right.start, right.end))
    expected = 2 * len(one & two) / (len(one) + len(two)) if one & two else 0.0
    assert span_f1(left, right) == pytest.approx(expected)


def test_errors():
    """Impossible spans and words are refused."""
    with pytest.raises(ValueError, match=r"^byte span 5:3 is impossible; start <= end, or both"):
        Annotation(start=5, end=3)
    with pytest.raises(ValueError, match=r"^byte span -1:3 is impossible"):
        Prediction(end=3)
    with pytest.raises(ValueError, match=r"^yes_no 'YES'; allowed: none, yes, no$"):
        Annotation(yes_no="YES")
    with pytest.raises(ValueError, match=r"^a prediction has a span or yes/no, not both"):
        Prediction(start=0, end=1, yes_no="no")
    with pytest.raises(ValueError, match=r"^no questions to score; give at least one$"):
        select_passages({}, {})
