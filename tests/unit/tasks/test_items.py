"""Scores as ratios of sums over items: the official scores, and what each item adds to them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstilts.tasks.items import Predicted, item_parts
from xstilts.tasks.registry import SCHEMAS, TASK_TYPES
from xstilts.tasks.scoring import load_scoring

ROWS = {"min_size": 1, "max_size": 8}


def numbered(rows):
    return [{"id": str(number), **row} for number, row in enumerate(rows)]


labels = st.sampled_from(["yes", "no", "maybe"])
tags = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "SCONJ"])
answers = st.sampled_from(["", "the cat", "a black cat", "cat!", "dogs, cats", "黑猫"])


@st.composite
def classified(draw):
    rows = numbered(draw(st.lists(st.fixed_dictionaries({"prediction": labels, "gold": labels}))))
    return [{"id": row["id"], "label": row["gold"]} for row in rows], rows


@st.composite
def chosen(draw):
    number = st.integers(0, 2)
    rows = numbered(draw(st.lists(st.fixed_dictionaries({"prediction": number, "gold": number}))))
    return [{"id": row["id"], "label": row["gold"]} for row in rows], rows


@st.composite
def tagged(draw):
    sentences = st.lists(st.lists(st.tuples(tags, tags), **ROWS), **ROWS)
    rows = numbered(
        {"prediction": [a for a, _ in pairs], "gold": [b for _, b in pairs]}
        for pairs in draw(sentences)
    )
    return [{"id": row["id"], "tags": row["gold"]} for row in rows], rows


@st.composite
def answered(draw):
    gold = st.lists(answers.filter(bool), min_size=1, max_size=3)
    row = {"prediction": answers, "legacy_words": answers, "gold": gold}
    rows = numbered(draw(st.lists(st.fixed_dictionaries(row), **ROWS)))
    examples = [
        {"id": row["id"], "answers": [{"text": text} for text in row["gold"]]} for row in rows
    ]
    return examples, rows


@st.composite
def found(draw):
    names = st.sampled_from("abcd")
    row = {"prediction": names, "gold": st.lists(names, min_size=1, max_size=2, unique=True)}
    rows = numbered(draw(st.lists(st.fixed_dictionaries(row), **ROWS)))
    return rows, rows


@st.composite
def ranked(draw):
    names = st.sampled_from("abcd")
    row = {
        "prediction": st.lists(names, max_size=4),
        "gold": st.lists(names, min_size=1, max_size=3, unique=True),
    }
    rows = numbered(draw(st.lists(st.fixed_dictionaries(row), **ROWS)))
    return rows, rows


@st.composite
def mined(draw):
    """Queries with one gold pair or none, of which some have no mined pair at all."""
    queries = numbered(
        {"side": "query", "relevant": gold}
        for gold in draw(st.lists(st.lists(st.sampled_from("ab"), max_size=1), **ROWS))
    )
    rows = [
        {"id": query["id"], "prediction": name, "gold": query["relevant"], "kept": kept}
        for query in queries
        for name, kept in draw(
            st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=2, unique_by=str)
        )
    ]
    return queries, rows


@st.composite
def annotated(draw):
    place = st.sampled_from([(-1, -1), (0, 9), (3, 12)])
    yes_no = st.sampled_from(["none", "none", "yes"])

    def answer():
        start, end = draw(place)
        said = draw(yes_no) if start < 0 else "none"
        return {"passage": draw(st.integers(-1, 2)), "start": start, "end": end, "yes_no": said}

    rows = numbered(
        answer() | {"score": draw(st.sampled_from([0.0, 1.0, 2.0])), "gold": [answer()] * 3}
        for _ in range(draw(st.integers(1, 6)))
    )
    return [{"id": row["id"], "annotations": row["gold"]} for row in rows], rows


CASES = [
    ("classification", "accuracy", classified()),
    ("multiple_choice", "accuracy", chosen()),
    ("tagging", "span_f1", tagged()),
    ("tagging", "chunk_f1_upos", tagged()),
    ("tagging", "seqeval", tagged()),
    ("tagging", "seqeval_strict", tagged()),
    ("tagging", "token_accuracy", tagged()),
    ("span_qa", "squad", answered()),
    ("span_qa", "mlqa", answered()),
    ("span_qa", "squad2", answered()),
    ("retrieval", "nearest", found()),
    ("retrieval", "map20", ranked()),
    ("retrieval", "bucc", mined()),
    ("document_qa", "tydi", annotated()),
]


@pytest.mark.parametrize(
    ("task_type", "scorer", "scored"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
@settings(max_examples=25)
@given(data=st.data())
def test_the_ratio_is_the_official_score_and_influences_sum_to_zero(
    task_type, scorer, scored, data
):
    examples, rows = data.draw(scored.filter(lambda pair: pair[1]))
    n, official = load_scoring(task_type).score(examples, rows, scorer, "zh")
    table = pa.Table.from_pylist(rows)
    for metric, score in official.items():
        parts = item_parts(task_type, Predicted(table, n, scorer, metric, "zh"))
        assert parts.score == pytest.approx(score)
        assert len(parts.ids) == len(parts.influences) == len(set(parts.ids))
        assert parts.influences.sum() == pytest.approx(0, abs=1e-9)


def test_every_scorer_of_every_type_has_its_case():
    scorers = {
        (name, scorer)
        for name in TASK_TYPES
        for scorer in SCHEMAS[name].scorers
        if scorer != "none"
    }
    assert {case[:2] for case in CASES} == scorers


def test_a_metric_that_no_prediction_tells_has_no_items():
    """Such as the accuracy at a layer whose predictions are not kept."""
    table = pa.Table.from_pylist([{"id": "1", "prediction": "a", "gold": ["a"]}])
    asked = Predicted(table, 1, "nearest", "accuracy_layer_07", "sw")
    assert item_parts("retrieval", asked) is None
    assert item_parts("mlm", asked) is None


def test_influences_give_the_variance_that_a_bootstrap_of_sentences_gives():
    """Of a chunk F1, by drawing its sentences again and scoring them."""
    rng = np.random.default_rng(1)
    gold = [["O", *("B-PER" if x else "O" for x in rng.integers(0, 2, 6))] for _ in range(300)]
    noisy = [[tag if rng.random() < 0.8 else "O" for tag in sentence] for sentence in gold]
    rows = numbered({"prediction": p, "gold": g} for p, g in zip(noisy, gold, strict=True))
    asked = Predicted(pa.Table.from_pylist(rows), 300, "span_f1", "f1", "sw")
    parts = item_parts("tagging", asked)
    draws = []
    for _ in range(1_000):
        chosen = rng.integers(0, 300, 300)
        draws.append(200 * parts.numerators[chosen].sum() / parts.denominators[chosen].sum() / 2)
    assert float(np.sum(parts.influences**2)) == pytest.approx(np.var(draws), rel=0.15)
