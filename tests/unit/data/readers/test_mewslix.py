"""Mewsli-X in its release format."""

from __future__ import annotations

import json

import pytest

from xstilts.data.readers import mewslix
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile

TEXT = "Kichwa\n\nRais alifika {jana}  Nairobi mapema. Kisha akaondoka."
BEGIN = TEXT.index("Nairobi")
CONTEXT = {
    "document_title": "Kichwa",
    "document_url": "u",
    "document_id": "d",
    "language": "sw",
    "text": TEXT,
    "sentence_spans": [
        {"start": 0, "end": 6},
        {"start": 8, "end": TEXT.index(" Kisha")},
        {"start": TEXT.index("Kisha"), "end": len(TEXT)},
    ],
}
MENTION = {
    "example_id": "m1",
    "mention_span": {"start": BEGIN, "end": BEGIN + 7, "text": "Nairobi"},
    "entity_id": "Q3870",
}
ENTITY = {
    "entity_id": "Q3870",
    "title": "Nairobi",
    "description": "Nairobi ni mji.\nNi mkubwa. Zaidi.",
    "description_language": "sw",
    "description_url": "u",
    "sentence_spans": [{"start": 0, "end": 15}, {"start": 16, "end": 26}],
}
QUERY = {
    "id": "m1",
    "side": "query",
    "text": "Nairobi: Rais alifika (jana)  { Nairobi } mapema.",
    "relevant": ["Q3870"],
}
CANDIDATE = {
    "id": "Q3870",
    "side": "candidate",
    "text": "Nairobi ni mji. Ni mkubwa.",
    "relevant": [],
}


def write(folder, **parts):
    files = {}
    for part, rows in parts.items():
        files[part] = folder / f"{part}.jsonl"
        files[part].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return files


def test_a_mention_is_marked_in_its_sentence_and_entities_are_described(tmp_path):
    """As XTREME-R's baseline puts them together; other languages' documents are left out."""
    other = {"context": CONTEXT | {"language": "de"}, "mentions": [MENTION]}
    documents = [{"context": CONTEXT, "mentions": [MENTION]}, other]
    files = write(tmp_path, mentions=documents, entities=[ENTITY])
    assert list(mewslix.read(files, "sw")) == [
        QUERY,
        Remark("document left out: it is in another language"),
        CANDIDATE,
    ]


def test_an_entity_of_several_pairs_is_one_candidate(tmp_path):
    """Two mentions of Nairobi have one right answer."""
    pair = {"contextual_mention": {"context": CONTEXT, "mention": MENTION}, "entity": ENTITY}
    again = {"context": CONTEXT, "mention": MENTION | {"example_id": "m2"}}
    files = write(tmp_path, pairs=[pair, pair | {"contextual_mention": again}])
    assert list(mewslix.read(files, "en")) == [
        QUERY,
        CANDIDATE,
        QUERY | {"id": "m2"},
        Remark("entity left out: an earlier line has it"),
    ]


def test_a_mention_in_no_sentence_is_an_error(tmp_path):
    """Its offsets belong to another text."""
    outside = MENTION | {"mention_span": {"start": 4, "end": 12}}
    files = write(
        tmp_path, mentions=[{"context": CONTEXT, "mentions": [outside]}], entities=[ENTITY]
    )
    with pytest.raises(
        MalformedFile, match=r"jsonl:1: no sentence contains the mention at 4 to 12"
    ):
        list(mewslix.read(files, "sw"))
