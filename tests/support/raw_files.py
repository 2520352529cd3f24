"""A small file of the form that each reader reads, with real-looking content."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class RawExample:
    """Files for a reader, by part, and how to read them."""

    reader: str
    task_type: str
    files: dict[str, bytes]
    options: dict[str, Any] = field(default_factory=dict)
    language: str = "sw"
    labels: tuple[str, ...] = ("x", "y")
    rows: Callable[[dict[str, bytes]], int] | None = None
    """The rows of files that were read without an error; None: the form has no such unit."""


def lines_of(*values: Any) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def _parquet(*rows: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), stream)
    return stream.getvalue()


def _json_rows(files: dict[str, bytes]) -> int:
    return sum(1 for content in files.values() for line in content.split(b"\n") if line.strip())


def _questions(files: dict[str, bytes]) -> int:
    data = json.loads(files["questions"].decode("utf-8-sig"))["data"]
    paragraphs = [article["paragraphs"] for article in data]
    flat = [p for some in paragraphs for p in (some if isinstance(some, list) else [some])]
    return sum(len(paragraph["qas"]) for paragraph in flat)


TEXTS = [
    {"id": "1", "text": "Rais alifika jana.", "label": "x", "set": "a"},
    {"id": "2", "text": 'Alisema "sawa".', "label": "y", "set": "a"},
    {"id": "3", "text": "Mvua ilinyesha, kweli.", "label": "-", "set": "b"},
    {"id": "4", "text": "Ñandú çok\u2028güzel 🙂", "label": "x", "set": "a"},
]
NLI = {"text": "text", "label": "label", "id": "id", "labels": {"x": "x", "y": "y", "-": None}}
CONTEXT = "The Nile is the longest river of Africa. It ends in Egypt."
QUESTIONS = [
    {
        "id": f"q{i}",
        "question": f"What is {text}?",
        "answers": [{"text": text, "answer_start": CONTEXT.index(text)}],
    }
    for i, text in enumerate(("Nile", "Africa", "Egypt"))
]
SQUAD = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": QUESTIONS}]}]}
QUESTION_ROWS = [
    {
        "id": question["id"],
        "context": CONTEXT,
        "question": question["question"],
        "answers": {
            "text": [answer["text"] for answer in question["answers"]],
            "answer_start": [answer["answer_start"] for answer in question["answers"]],
        },
    }
    for question in QUESTIONS
]
CHOICES = [
    {"p": "The man fell.", "c": ["He slipped.", "He sang."], "gold": "A", "id": "1"},
    {"p": "It rained.", "c": ["The road dried.", "The road got wet."], "gold": "B", "id": "2"},
]
CONLLU = b"""# sent_id = 1
# text = va al lado
1\tva\tir\tVERB\t_\t_\t0\troot\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\ta\tADP\t_\t_\t4\tcase\t_\t_
3\tel\tel\tDET\t_\t_\t4\tdet\t_\t_
4\tlado\tlado\tNOUN\t_\t_\t1\tobl\t_\t_
4.1\tx\t_\t_\t_\t_\t_\t_\t_\t_

# sent_id = 2
# text = _ _
1\t_\t_\tNOUN\t_\t_\t0\troot\t_\t_
2\t_\t_\tPUNCT\t_\t_\t1\tpunct\t_\t_

"""
UPOS = ("ADP", "DET", "NOUN", "PUNCT", "VERB")
CCG = b"""ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 0 2> (<L NP NNP NNP Vinken NP>) (<L S[dcl]\\NP VBZ VBZ reads S[dcl]\\NP>) )
ID=wsj_0001.2 PARSER=GOLD NUMPARSE=1
(<L NP NNP NNP -LRB- NP>)
"""
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE copa-corpus SYSTEM "copa.dtd">
<copa-corpus version="1.0">
<item id="1" asks-for="cause" most-plausible-alternative="1">
<p>My body cast a shadow.</p><a1>The sun was rising.</a1><a2>The grass was cut.</a2>
</item>
<item id="2" asks-for="effect" most-plausible-alternative="2">
<p>It rained &amp; rained.</p><a1>The road dried.</a1><a2>The road got wet.</a2>
</item>
</copa-corpus>
"""
TYDI = [
    {
        "example_id": number,
        "language": language,
        "document_plaintext": "Nairobi ni mji mkuu. Ni mkubwa.",
        "question_text": "Mji mkuu?",
        "passage_answer_candidates": [{"plaintext_start_byte": 0, "plaintext_end_byte": 20}],
        "annotations": [
            {
                "passage_answer": {"candidate_index": 0},
                "minimal_answer": {"plaintext_start_byte": 0, "plaintext_end_byte": 7},
                "yes_no_answer": "NONE",
            }
        ],
    }
    for number, language in ((1, "swahili"), (2, "korean"))
]
_SENTENCE = {"text": "Rais alifika Nairobi jana.", "language": "sw"}
_SENTENCE |= {"sentence_spans": [{"start": 0, "end": 26}]}
_MENTION = {"example_id": "m1", "mention_span": {"start": 13, "end": 20}, "entity_id": "Q1"}
_ENTITY = {"entity_id": "Q1", "description": "Mji.", "sentence_spans": [{"start": 0, "end": 4}]}
XQUAD_R = {
    "data": [
        {
            "paragraphs": [
                {"context": CONTEXT, "sentence_breaks": [[0, 40], [41, 58]], "qas": QUESTIONS}
            ]
        }
    ]
}
AFRIQA = [
    {
        "id": f"a{i}",
        "context": CONTEXT,
        "question_lang": "Mto gani?",
        "answer_pivot": {"text": [text], "answer_start": [4]},
    }
    for i, text in enumerate(("Nile", "yes", "Egypt"))
]
TAGGED = [{"tokens": ["Ana", "alikuja"], "ner_tags": [1, 0]}, {"tokens": [], "ner_tags": []}]


def _tables(form: str, **more: Any) -> dict[str, Any]:
    return {"tables": {"*": {"form": form, **more}}}


_TSV = "id\ttext\tlabel\n" + "".join(
    f"{row['id']}\t{row['text'].replace(chr(10), ' ')}\t{row['label']}\n" for row in TEXTS
)
_CSV = 'id,text,label\n1,"Rais, alifika\njana.",x\n2,"Alisema ""sawa"".",y\n3,Mvua,-\n'
EXAMPLES = {
    "texts in json lines": RawExample(
        "labelled_texts",
        "classification",
        {"texts": lines_of(*TEXTS)},
        _tables("jsonl") | NLI | {"where": {"set": "a"}},
        rows=_json_rows,
    ),
    "texts in tsv": RawExample(
        "labelled_texts", "classification", {"texts": _TSV.encode()}, _tables("tsv") | NLI
    ),
    "texts in csv": RawExample(
        "labelled_texts", "classification", {"texts": _CSV.encode()}, _tables("csv") | NLI
    ),
    "texts in utf-16": RawExample(
        "labelled_texts",
        "classification",
        {"texts": _TSV.encode("utf-16")},
        _tables("tsv", encoding="utf-16") | NLI,
    ),
    "texts in parquet": RawExample(
        "labelled_texts", "classification", {"texts": _parquet(*TEXTS)}, _tables("parquet") | NLI
    ),
    "texts joined by row": RawExample(
        "labelled_texts",
        "classification",
        {"a": b"one\ntwo\nthree\n", "b": b"x\ny\n-\n", "rows": b"row\n2\n0\n1\n"},
        {
            "tables": {
                "a": {"form": "lines", "columns": ["text"]},
                "b": {"form": "lines", "columns": ["label"]},
            },
            "text": "text",
            "label": "label",
            "labels": {"x": "x", "y": "y", "-": None},
            "selection": {"part": "rows", "column": "row"},
        },
    ),
    "choices": RawExample(
        "choices",
        "multiple_choice",
        {"items": lines_of(*CHOICES)},
        _tables("jsonl")
        | {
            "prompt": "{p}",
            "choices": "c",
            "label": "gold",
            "labels": {"A": 0, "B": 1},
            "id": "id",
        },
        rows=_json_rows,
    ),
    "copa": RawExample("copa_xml", "multiple_choice", {"items": XML}),
    "hellaswag": RawExample(
        "hellaswag_lines", "multiple_choice", {"items": b"A man\n3\na\nb\nc\nd\nB\n0\na\nb\nc\nd\n"}
    ),
    "squad": RawExample(
        "squad_json",
        "span_qa",
        {"questions": json.dumps(SQUAD).encode()},
        {"repair": True},
        rows=_questions,
    ),
    "squad without repair": RawExample(
        "squad_json",
        "span_qa",
        {"questions": json.dumps(SQUAD).encode()},
        {"text_offsets": True},
        rows=_questions,
    ),
    "questions in json lines": RawExample(
        "squad_rows",
        "span_qa",
        {"questions": lines_of(*QUESTION_ROWS)},
        _tables("jsonl") | {"repair": True},
        rows=_json_rows,
    ),
    "questions in parquet": RawExample(
        "squad_rows", "span_qa", {"questions": _parquet(*QUESTION_ROWS)}, _tables("parquet")
    ),
    "afriqa": RawExample("afriqa", "span_qa", {"questions": lines_of(*AFRIQA)}, rows=_json_rows),
    "tydi": RawExample(
        "tydi_primary",
        "document_qa",
        {"questions": lines_of(*TYDI)},
        {"names": {"sw": "swahili"}},
        rows=_json_rows,
    ),
    "conllu": RawExample("conllu", "tagging", {"words": CONLLU}, labels=UPOS),
    "conllu as text": RawExample("conllu_text", "mlm", {"words": CONLLU}),
    "tokens": RawExample(
        "token_lines",
        "tagging",
        {"tokens": b"Ana\tx\nalikuja\ty\n\n# note\nNairobi\tx\n"},
        {"comments": ["# "], "skip_empty_tokens": True},
    ),
    "tokens between spaces": RawExample(
        "token_lines", "tagging", {"tokens": b"Ana  x\nalikuja y \n\n"}, {"any_space": True}
    ),
    "tokens in rows": RawExample(
        "token_rows",
        "tagging",
        {"tokens": lines_of(*TAGGED)},
        _tables("jsonl") | {"names": ["x", "y"]},
        rows=_json_rows,
    ),
    "tokens in parquet": RawExample(
        "token_rows",
        "tagging",
        {"tokens": _parquet(*TAGGED)},
        _tables("parquet") | {"names": ["x", "y"]},
    ),
    "ccgbank": RawExample("ccg_auto", "tagging", {"trees": CCG}, labels=("NP", "S[dcl]\\NP")),
    "plain texts": RawExample(
        "plain_texts", "mlm", {"texts": _parquet(*TEXTS)}, _tables("parquet") | {"shortest": 5}
    ),
    "tatoeba": RawExample(
        "parallel_lines", "retrieval", {"english": b"One.\nTwo.\n", "foreign": b"Moja.\nMbili.\n"}
    ),
    "flores": RawExample(
        "parallel_rows",
        "retrieval",
        {"english.a": b"n\tt\n1\tOne.\n2\tTwo.\n", "foreign": b"n\tt\n2\tMbili.\n1\tMoja.\n"},
        {"table": {"form": "tsv"}, "text": "t", "id": "n"},
    ),
    "bucc": RawExample(
        "bucc",
        "retrieval",
        {
            "foreign": b"f1\tMoja\nf2\tMbili\n",
            "english": b"e1\tOne\ne2\tTwo\n",
            "gold": b"f1\te1\n",
        },
    ),
    "lareqa": RawExample(
        "lareqa", "retrieval", {code: json.dumps(XQUAD_R).encode() for code in ("sw", "en")}
    ),
    "mewslix": RawExample(
        "mewslix",
        "retrieval",
        {
            "mentions": lines_of({"context": _SENTENCE, "mentions": [_MENTION]}),
            "entities": lines_of(_ENTITY, _ENTITY | {"entity_id": "Q2"}),
        },
    ),
    "mewslix pairs": RawExample(
        "mewslix",
        "retrieval",
        {
            "pairs": lines_of(
                {
                    "contextual_mention": {"context": _SENTENCE, "mention": _MENTION},
                    "entity": _ENTITY,
                }
            )
        },
    ),
    "rows of examples": RawExample(
        "jsonl_rows",
        "classification",
        {"rows": lines_of({"id": "1", "text": "a", "text_pair": None, "label": "x"})},
        rows=_json_rows,
    ),
}
"""Files by what they are."""
