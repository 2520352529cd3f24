"""SQuAD v1.1, MLQA and SQuAD v2."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.question_answering import (
    exact_match,
    exact_match_v2,
    mlqa,
    normalize_mlqa,
    normalize_squad,
    squad,
    squad_v2,
    token_f1,
    token_f1_v2,
)

TEXTS = st.text(st.sampled_from("ab the.,-电 ال\t"), max_size=12)
GOLDS = st.lists(TEXTS, min_size=1, max_size=3)


# --- SQuAD v1.1 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat,\tsat!", "cat sat"),
        ("an apple a day", "apple day"),
        ("theatre another", "theatre another"),
        ("a-b", "ab"),
        ("U.S.A.", "usa"),
        ("the.a", "thea"),  # punctuation goes first: no article is left
        ("«der» Hund", "«der» hund"),  # no Unicode punctuation, no German articles
        ("电化 电池。", "电化 电池。"),
        ("The", ""),
    ],
)
def test_normalize_squad(text, expected):
    """SQuAD lowers, deletes ASCII punctuation, then English articles, then joins by spaces."""
    assert normalize_squad(text) == expected


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("308", ["308"], 1.0, 1.0),
        ("The 308!", ["308"], 1.0, 1.0),
        ("308分", ["308"], 0.0, 0.0),
        ("big cat", ["cat"], 0.0, 2 / 3),
        ("cat cat", ["cat"], 0.0, 2 / 3),
        ("cat", ["dog", "the cat", "cat sat"], 1.0, 1.0),
        ("the", ["a"], 1.0, 0.0),  # both empty: equal, but no common token
        ("", ["cat"], 0.0, 0.0),
    ],
)
def test_one_answer(prediction, golds, exact, f1):
    """Scores are the best over the gold answers; F1 is 0 without a common token."""
    assert exact_match(prediction, golds) == exact
    assert token_f1(prediction, golds) == f1


def test_missing_prediction_counts_as_wrong():
    """A question without prediction is 0 and stays in the denominator; others are ignored."""
    golds = {"q1": ["308"], "q2": ["136"], "q3": ["big cat"]}
    score = squad(golds, {"q1": "308", "q3": "cat", "q9": "x"})
    assert score == (100.0 * 1 / 3, 100.0 * (1 + 2 / 3) / 3)


@given(TEXTS, GOLDS)
def test_bounds(prediction, golds):
    """F1 lies in 0..1, more gold answers never lower it, and a match with a token has F1 1."""
    exact, f1 = exact_match(prediction, golds), token_f1(prediction, golds)
    assert 0 <= f1 <= 1.0
    assert f1 >= token_f1(prediction, golds[:1])
    if exact and normalize_squad(prediction):
        assert f1 == 1.0


@given(TEXTS, TEXTS)
def test_f1_is_symmetric_and_blind_to_order(left, right):
    """Swapping sides, or turning the tokens around, leaves F1 as it is."""
    turned = " ".join(reversed(left.split()))
    assert token_f1(left, [right]) == pytest.approx(token_f1(right, [left]))
    assert token_f1(turned, [right]) == token_f1(left, [right])


@given(TEXTS)
def test_normal_form_is_stable_in_spaces(text):
    """Normal forms are lower-case tokens joined by single spaces."""
    normal = normalize_squad(text)
    assert normal == " ".join(normal.lower().split())


def test_answer_errors():
    """No gold answer, a bare text for golds and no questions are refused by name."""
    with pytest.raises(ValueError, match=r"^no gold answer; this metric needs at least one"):
        token_f1("cat", [])
    with pytest.raises(TypeError, match=r"must be a collection of texts, got the text 'cat'$"):
        exact_match("cat", "cat")
    with pytest.raises(ValueError, match=r"^question 'q1' has no gold answer; give at least one$"):
        squad({"q1": []}, {})
    with pytest.raises(ValueError, match=r"^no questions to score; give at least one$"):
        squad({}, {})


# --- MLQA ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "The cat’s “hat”", "cats hat"),
        ("en", "$5 + 3 = 8 €", "5 3 8 €"),  # ASCII symbols go, other symbols stay
        ("es", "La casa de los niños", "casa de niños"),
        ("de", "Der Hund eines Mannes", "hund mannes"),
        ("de", "the dog", "the dog"),
        ("vi", "những con mèo của tôi", "con mèo tôi"),
        ("hi", "एक।", "एक"),
        ("ar", "الطرق الترابية", "طرق ترابية"),
        ("ar", "مالك", "م ك"),  # the pair of letters goes inside a word, too
        ("zh", "电化 电池ab c。", "电 化 电 池 ab c"),
        ("zh", "、。", ""),
    ],
)
def test_normalize_mlqa(language, text, expected):
    """MLQA deletes Unicode punctuation and its articles; each Han character is a token."""
    assert normalize_mlqa(text, language) == expected


def test_mlqa_scores_chinese_by_character():
    """Three of four characters: F1 6/7, where SQuAD's metric gives 0."""
    golds, predictions = {"q": ["电化电池"]}, {"q": "电化电"}
    assert mlqa(golds, predictions, "zh").f1 == pytest.approx(600 / 7)
    assert squad(golds, predictions).f1 == 0.0
    assert mlqa({"q": ["电化"]}, {"q": "电 化"}, "zh").exact_match == 100.0


def test_mlqa_language_is_needed():
    """Languages without a rule are refused, as in the official script."""
    with pytest.raises(ValueError, match=r"^unknown MLQA language 'th'.*Allowed: ar, de, en, es"):
        mlqa({"q": ["x"]}, {"q": "x"}, "th")


@given(TEXTS, st.sampled_from(["en", "es", "hi", "vi", "de", "ar", "zh"]))
def test_mlqa_exact_match_with_itself(text, language):
    """Every text matches itself in every language."""
    assert mlqa({"q": [text]}, {"q": text}, language).exact_match == 100.0


# --- SQuAD v2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("", [], 1.0, 1.0),
        ("the", [], 1.0, 1.0),
        ("cat", [], 0.0, 0.0),
        ("", ["cat"], 0.0, 0.0),
        ("big cat", ["cat"], 0.0, 2 / 3),
        ("", ["the", "cat"], 0.0, 0.0),  # golds that are empty in normal form are removed
        ("", ["the"], 1.0, 1.0),  # none is left: the one empty gold
    ],
)
def test_one_answer_v2(prediction, golds, exact, f1):
    """Where either side has no tokens, F1 is whether both have none."""
    assert exact_match_v2(prediction, golds) == exact
    assert token_f1_v2(prediction, golds) == f1


GOLDS_V2 = {"a": ["cat"], "b": ["big dog"], "c": [], "d": []}


def test_report_v2():
    """Questions with and without answers are also scored apart, without a threshold by default."""
    report = squad_v2(GOLDS_V2, {"a": "cat", "b": "dog", "c": "", "d": "fish"})
    assert report["exact"] == 50.0
    assert report["f1"] == 100.0 * (1 + 2 / 3 + 1 + 0) / 4
    assert (report["HasAns_exact"], report["NoAns_exact"]) == (50.0, 50.0)
    assert (report["HasAns_f1"], report["NoAns_f1"]) == (100.0 * (1 + 2 / 3) / 2, 50.0)
    assert report["total"] == 4


def test_threshold_v2():
    """Above the threshold a prediction counts as no answer; the best threshold is found."""
    predictions = {"a": "cat", "b": "dog", "c": "fish", "d": "fish"}
    doubt = {"a": 0.1, "b": 0.2, "c": 0.8, "d": 0.9}
    assert squad_v2(GOLDS_V2, predictions, doubt)["exact"] == 25.0
    assert squad_v2(GOLDS_V2, predictions, doubt, threshold=0.5)["exact"] == 75.0
    report = squad_v2(GOLDS_V2, predictions, doubt)
    assert (report["best_exact"], report["best_exact_thresh"]) == (75.0, 0.1)
    assert report["best_f1"] == pytest.approx(100 * (3 + 2 / 3) / 4)
    assert report["best_f1_thresh"] == 0.2


def test_groups_without_members_are_absent_v2():
    """No NoAns scores where every question has an answer."""
    assert not any(name.startswith("NoAns") for name in squad_v2({"a": ["x"]}, {"a": "x"}))


@given(
    st.dictionaries(
        st.sampled_from("abcde"),
        st.tuples(
            st.lists(st.sampled_from(["cat", "big dog"]), max_size=2),
            st.sampled_from(["", "cat", "dog"]),
            st.integers(0, 1000),
        ),
        min_size=1,
    )
)
def test_best_threshold_v2_against_all_thresholds(rows):
    """With distinct doubts the best score equals the best over every possible threshold."""
    golds = {name: answers for name, (answers, _, _) in rows.items()}
    predictions = {name: text for name, (_, text, _) in rows.items()}
    doubt = {name: (level + i / 10) / 2000 for i, (name, (_, _, level)) in enumerate(rows.items())}
    report = squad_v2(golds, predictions, doubt)
    cuts = [-1.0, *doubt.values()]
    for metric in ("exact", "f1"):
        reached = max(squad_v2(golds, predictions, doubt, cut)[metric] for cut in cuts)
        assert report[f"best_{metric}"] == pytest.approx(reached)


@given(st.permutations(list("abcd")))
def test_order_of_questions_does_not_matter_v2(order):
    """With distinct doubts the report does not depend on the order of the questions."""
    predictions = {"a": "cat", "b": "dog", "c": "", "d": "fish"}
    doubt = {"a": 0.1, "b": 0.2, "c": 0.8, "d": 0.9}
    first = squad_v2(GOLDS_V2, predictions, doubt)
    other = squad_v2({name: GOLDS_V2[name] for name in order}, predictions, doubt)
    assert other == pytest.approx(first)


@pytest.mark.parametrize(
    ("order", "best"), [("abcd", (100.0 * 3 / 4, 0.5)), ("cdab", (100.0 * 2 / 4, 0.0))]
)
def test_equal_doubts_are_walked_in_the_order_of_their_file_v2(order, best):
    """Whatever the order of the questions: the official script may stop among equal doubts."""
    golds = {"d": [], "c": [], "b": ["dog"], "a": ["cat"]}
    predictions = {"a": "cat", "b": "wrong", "c": "x", "d": "x"}
    report = squad_v2(golds, predictions, dict.fromkeys(order, 0.5))
    assert (report["best_exact"], report["best_exact_thresh"]) == best


def test_without_doubts_the_order_is_that_of_the_predictions_v2():
    """All doubts are zero then, and the threshold stays 0."""
    golds = {"c": [], "a": ["cat"]}
    first = squad_v2(golds, {"a": "cat", "c": "x"})
    other = squad_v2(golds, {"c": "x", "a": "cat"})
    assert (first["best_exact"], other["best_exact"]) == (100.0, 50.0)


def test_missing_prediction_v2():
    """A missing prediction is an error: the official script would drop the question."""
    with pytest.raises(ValueError, match=r"^no prediction for question 'b'$"):
        squad_v2({"a": [], "b": []}, {"a": ""})
    with pytest.raises(ValueError, match=r"^no questions$"):
        squad_v2({}, {})


def test_gold_order_does_not_matter():
    """The best over the golds is the same in every order."""
    golds = ["cat", "big cat", "dog"]
    assert len({token_f1("big cat here", list(order)) for order in permutations(golds)}) == 1
