"""A scorer refuses labels that it would read as something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.chunk_f1 import chunks, seqeval_chunks, strict_chunks
from xstilts.tasks.tagging.labels import label_faults

IOB = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
UPOS = [
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
]


@pytest.mark.parametrize(
    ("labels", "scorer"),
    [
        (IOB, "span_f1"),
        (IOB, "seqeval"),
        (IOB, "seqeval_strict"),
        ([*IOB, "E-PER", "S-PER"], "seqeval"),
        (["O", "B-person-other", "B-location-other"], "seqeval"),
        (["O", "B-deriv-per", "B-per"], "seqeval_strict"),
        (UPOS, "chunk_f1_upos"),
        (["O", "PER-B", "Z"], "token_accuracy"),
        ([], "span_f1"),
    ],
)
def test_labels_that_a_scorer_reads_rightly_are_accepted(labels, scorer):
    assert list(label_faults(labels, scorer)) == []


@pytest.mark.parametrize(
    ("labels", "scorer", "fault"),
    [
        (
            ["O", "B-person-other", "I-person-other", "B-location-other"],
            "span_f1",
            "span_f1 has one type 'other' for 'B-person-other' and 'B-location-other'; "
            "seqeval tells them apart",
        ),
        (
            ["B-deriv-per", "B-per"],
            "span_f1",
            "span_f1 has one type 'per' for 'B-deriv-per' and 'B-per'; seqeval tells them apart",
        ),
        (
            ["U-PER"],
            "seqeval",
            "seqeval: unknown form of label 'U-PER'. "
            "Allowed: B-<type>, E-<type>, I-<type>, O, S-<type>",
        ),
        (["L-PER"], "span_f1", "span_f1: unknown form of label 'L-PER'"),
        (["PER-B"], "span_f1", "span_f1: unknown form of label 'PER-B'"),
        (["B"], "seqeval", "seqeval: unknown form of label 'B'"),
        (["B-"], "seqeval", "seqeval: unknown form of label 'B-'"),
        (["OTHER"], "seqeval", "seqeval: unknown form of label 'OTHER'"),
        (["S-PER"], "seqeval_strict", "seqeval_strict: unknown form of label 'S-PER'"),
        (
            ["OTHER"],
            "chunk_f1_upos",
            "chunk_f1_upos never scores 'OTHER': a label in 'O' is in no chunk",
        ),
        (
            ["NOUN", "x-NOUN"],
            "chunk_f1_upos",
            "chunk_f1_upos has one type 'NOUN' for 'NOUN' and 'x-NOUN'",
        ),
    ],
)
def test_labels_that_a_scorer_confuses_are_refused(labels, scorer, fault):
    (found,) = label_faults(labels, scorer)
    assert found.startswith(fault)


@given(st.sets(st.from_regex(r"\A(O|[BI]-[a-c]{1,2}(-[a-c])?)\Z"), min_size=1))
def test_every_scorer_keeps_the_types_of_labels_that_it_accepts(labels):
    """A label alone in a sentence is a chunk of its type, for every scorer that accepts the set."""
    for scorer, rule in (
        ("span_f1", chunks),
        ("seqeval", seqeval_chunks),
        ("seqeval_strict", strict_chunks),
    ):
        if list(label_faults(sorted(labels), scorer)):
            continue
        starts = [label for label in labels if label.startswith("B")]
        types = {label: rule([[label]])[0].type for label in starts}
        assert len(set(types.values())) == len(starts)
