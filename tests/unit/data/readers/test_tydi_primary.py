"""TyDi QA's primary tasks: articles of all languages in one file."""

from __future__ import annotations

import gzip
import json

import pytest

from xstilts.data.readers import tydi_primary
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile

NAMES = {"en": "english", "ko": "korean"}
DOCUMENT = "《도라에몽》은 TV시리즈이다. 1979년."


def annotation(passage=-1, start=-1, end=-1, yes_no="NONE"):
    """As the published files have it, with offsets in the page's source that are of no use here."""
    minimal = {"plaintext_start_byte": start, "plaintext_end_byte": end}
    return {
        "annotation_id": 4631925399868346660,
        "minimal_answer": {"html_start_byte": -1, "html_end_byte": -1} | minimal,
        "passage_answer": {"candidate_index": passage},
        "yes_no_answer": yes_no,
    }


def article(**changes):
    values = {
        "example_id": -6046114434137486123,
        "language": "korean",
        "document_title": "도라에몽",
        "document_url": "https://ko.wikipedia.org/",
        "document_plaintext": DOCUMENT,
        "question_text": "도라에몽은 언제?",
        "passage_answer_candidates": [
            {"plaintext_start_byte": 0, "plaintext_end_byte": 37},
            {"plaintext_start_byte": 38, "plaintext_end_byte": 46},
        ],
        "annotations": [annotation(1, 38, 45), annotation(0, yes_no="YES"), annotation()],
    }
    return values | changes


def written(tmp_path, *articles, name="dev.jsonl.gz"):
    text = "".join(json.dumps(a, ensure_ascii=False) + "\n" for a in articles)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return {"questions": path}


def read(files, language="ko"):
    return list(tydi_primary.read(files, language, names=NAMES))


@pytest.mark.parametrize("name", ["dev.jsonl.gz", "dev.jsonl"])
def test_an_article_becomes_an_example(tmp_path, name):
    """Bytes stay bytes; what is not there is -1 and none."""
    (row,) = read(written(tmp_path, article(), name=name))
    assert row["id"] == "-6046114434137486123"
    assert (row["question"], row["document"]) == ("도라에몽은 언제?", DOCUMENT)
    assert row["passages"] == [{"start": 0, "end": 37}, {"start": 38, "end": 46}]
    assert row["annotations"] == [
        {"passage": 1, "start": 38, "end": 45, "yes_no": "none"},
        {"passage": 0, "start": -1, "end": -1, "yes_no": "yes"},
        {"passage": -1, "start": -1, "end": -1, "yes_no": "none"},
    ]


def test_one_language_is_read(tmp_path):
    """Chosen by the name that the files have for it."""
    files = written(tmp_path, article(), article(language="english", example_id=7))
    remark, row = read(files, "en")
    assert remark == Remark("question left out: it is in another language")
    assert row["id"] == "7"
    with pytest.raises(MalformedFile, match="option names: no key 'sw'; its keys: en, ko"):
        read(files, "sw")


def test_a_damaged_line_is_named(tmp_path):
    """With file and line."""
    files = written(tmp_path, article(), article(passage_answer_candidates=[{"a": 1}]))
    with pytest.raises(MalformedFile, match=r"dev.jsonl.gz:2: passage_answer_candidates\[0\]: no"):
        read(files)
    files["questions"].write_text('{"language": "korean"\n')
    with pytest.raises(MalformedFile, match=r"dev.jsonl.gz:1: not JSON"):
        read(files)
