"""Each scorer of tagging gives its metrics."""

from __future__ import annotations

import pytest

from xstilts.tasks.tagging.schema import SCHEMA
from xstilts.tasks.tagging.scoring import RULES, SCORING

GOLD = ["B-person-other", "I-person-other", "O", "B-location-other"]
SWAPPED = ["B-location-other", "I-location-other", "O", "B-person-other"]
STRAY = ["I-person-other", "I-person-other", "O", "B-location-other"]


def score(predicted, scorer):
    rows = [{"id": "1", "tags": GOLD}]
    return SCORING.score(rows, [{"id": "1", "prediction": predicted}], scorer, "de")


@pytest.mark.parametrize("scorer", SCHEMA.scorers)
def test_a_scorer_gives_the_metrics_that_cards_may_name(scorer):
    count, metrics = score(GOLD, scorer)
    assert count == 1
    assert set(metrics) == set(SCHEMA.scorers[scorer])
    assert set(metrics.values()) == {100.0}


def test_a_rule_is_known_for_every_scorer_of_chunks():
    assert set(RULES) == set(SCHEMA.scorers) - {"token_accuracy"}


@pytest.mark.parametrize(
    ("predicted", "scorer", "f1"),
    [(SWAPPED, "seqeval", 0.0), (STRAY, "seqeval", 100.0), (STRAY, "seqeval_strict", 200 / 3)],
)
def test_types_with_a_hyphen_are_told_apart(predicted, scorer, f1):
    """What follows the last hyphen is the same for all: XTREME's rule would give 100."""
    assert score(predicted, scorer)[1]["f1"] == pytest.approx(f1)
    assert score(SWAPPED, "span_f1")[1]["f1"] == 100.0
