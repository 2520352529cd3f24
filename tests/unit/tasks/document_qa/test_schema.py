"""What is known of question answering over documents without a model."""

from __future__ import annotations

import pytest

from support import tiny
from xstilts.tasks.document_qa.schema import SCHEMA

ROW = tiny.articles(1)[0]
WITHOUT_ANSWER = {"passage": -1, "start": -1, "end": -1, "yes_no": "none"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"start": 5, "end": 4}, "annotation 0 spans bytes 5 to 4 of a document of "),
        ({"end": 10_000, "start": 0}, "annotation 0 spans bytes 0 to 10000 of a document of "),
        ({"passage": 3}, "annotation 0 names passage 3 of 3"),
        ({"yes_no": "maybe"}, "unknown yes_no answer 'maybe'"),
    ],
)
def test_an_annotation_fits_the_document(changes, fault):
    """By bytes, passages and words."""
    assert list(SCHEMA.faults(ROW, [])) == []
    assert list(SCHEMA.faults(ROW | {"annotations": [WITHOUT_ANSWER]}, [])) == []
    (found,) = SCHEMA.faults(ROW | {"annotations": [WITHOUT_ANSWER | changes]}, [])
    assert found.startswith(fault)


def test_a_passage_lies_in_the_document():
    """Its end is one of the document's bytes."""
    fault, *_ = SCHEMA.faults(ROW | {"passages": [{"start": 0, "end": 999}] * 3}, [])
    assert fault.startswith("passage 0 spans bytes 0 to 999")


def test_a_question_that_nobody_annotated_cannot_be_scored():
    """An annotator who found no answer is an annotation."""
    assert list(SCHEMA.gold_faults([ROW | {"annotations": [WITHOUT_ANSWER]}], "tydi")) == []
    assert len(list(SCHEMA.gold_faults([ROW | {"annotations": []}], "tydi"))) == 1
