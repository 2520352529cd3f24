"""Mewsli-X: find the description of the entity that is mentioned in a sentence.

The format is that of the release (``mewsli_x/schema.py`` of google-research/google-research): a
line of the mentions holds a document with its sentences and several mentions, a line of the
entities one description, a line of the Wikipedia pairs one mention and its entity. Texts are put
together as XTREME-R's baseline does it (google-research/xtreme @ 66367fa,
``third_party/utils_mewslix.py``): one sentence of context, the mention before it and marked inside
it; of an entity the sentences of its description.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import field, json_lines, part
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.remarks import Rows

_BRACES = re.compile(r"\{(.*?)\}")


def read(files: Mapping[str, Path], language: str) -> Rows:
    """Yield queries and candidates.

    From the parts ``mentions`` and ``entities``: the mentions in documents of the language, and all
    entities in whatever language. From the one part ``pairs``: each mention with its entity.
    """
    if "pairs" in files:
        yield from _pairs(files["pairs"])
        return
    mentions, entities = part(files, "mentions"), part(files, "entities")
    for line, document in json_lines(mentions):
        context = field(document, "context", dict, mentions, line, "")
        if field(context, "language", str, mentions, line, "context") == language:
            for mention in field(document, "mentions", list, mentions, line, ""):
                yield _query(context, mention, mentions, line)
        else:
            yield Remark("document left out: it is in another language")
    for line, entity in json_lines(entities):
        yield _candidate(entity, entities, line)


def _pairs(path: Path) -> Rows:
    seen = set()
    for line, pair in json_lines(path):
        found = field(pair, "contextual_mention", dict, path, line, "")
        context = field(found, "context", dict, path, line, "contextual_mention")
        yield _query(context, found.get("mention"), path, line)
        candidate = _candidate(field(pair, "entity", dict, path, line, ""), path, line)
        if candidate["id"] not in seen:
            seen.add(candidate["id"])
            yield candidate
        else:
            yield Remark("entity left out: an earlier line has it")


def _query(context: Any, mention: Any, path: Path, line: int) -> Example:
    text = field(context, "text", str, path, line, "context")
    span = field(mention, "mention_span", dict, path, line, "mention")
    start, end = (field(span, key, int, path, line, "mention_span") for key in ("start", "end"))
    for begin, stop in _spans(context, path, line):
        if begin <= start and end <= stop:
            break
    else:
        raise MalformedFile(path, line, f"no sentence contains the mention at {start} to {end}")
    name = text[start:end]
    left, right = (_BRACES.sub(r"(\1)", side) for side in (text[begin:start], text[end:stop]))
    return {
        "id": field(mention, "example_id", str, path, line, "mention"),
        "side": "query",
        "text": _one_line(f"{name}: {left} {{ {name} }} {right}"),
        "relevant": [field(mention, "entity_id", str, path, line, "mention")],
    }


def _candidate(entity: Any, path: Path, line: int) -> Example:
    text = field(entity, "description", str, path, line, "entity")
    return {
        "id": field(entity, "entity_id", str, path, line, "entity"),
        "side": "candidate",
        "text": _one_line(" ".join(text[a:b] for a, b in _spans(entity, path, line))),
        "relevant": [],
    }


def _spans(holder: Any, path: Path, line: int) -> list[tuple[int, int]]:
    spans = field(holder, "sentence_spans", list, path, line, "")
    ends = ("start", "end")
    edges = [[field(s, end, int, path, line, "sentence_spans") for end in ends] for s in spans]
    for start, end in edges:
        if not 0 <= start <= end:
            raise MalformedFile(path, line, f"sentence_spans: no span is {start} to {end}")
    return [(start, end) for start, end in edges]


def _one_line(text: str) -> str:
    """Line ends become spaces, then two spaces one in a single pass, as in ``utils_mewslix.py``."""
    return " ".join(text.splitlines()).replace("  ", " ").strip()
