"""TyDi QA's primary tasks: JSON lines of whole articles, all languages in one file.

``document_plaintext``, ``passage_answer_candidates[].{plaintext_start_byte, plaintext_end_byte}``
and ``annotations[].{passage_answer, minimal_answer, yes_no_answer}``, with offsets in bytes of the
UTF-8 text and -1 for none; one annotation a question in train, three in dev (v1.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import field, in_order, json_lines
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Text
    from xstilts.data.readers.remarks import Rows


def read(files: Mapping[str, Path], language: str, *, names: Mapping[str, Text]) -> Rows:
    """Yield the questions of one language, one article in memory at a time.

    ``names`` maps our language code to the language's name in the files (``sw: swahili``).
    """
    if language not in names:
        raise MalformedFile(
            ", ".join(map(str, files.values())),
            None,
            f"option names: no key {language!r}; its keys: {', '.join(names)}",
        )
    for _, path in in_order(files):
        for line, item in json_lines(path):
            if field(item, "language", str, path, line, "") == names[language]:
                yield _row(path, line, item)
            else:
                yield Remark("question left out: it is in another language")


def _row(path: Path, line: int, item: dict[str, Any]) -> Example:
    candidates = field(item, "passage_answer_candidates", list, path, line, "")
    annotations = field(item, "annotations", list, path, line, "")
    return {
        "id": str(field(item, "example_id", (int, str), path, line, "")),
        "question": field(item, "question_text", str, path, line, ""),
        "document": field(item, "document_plaintext", str, path, line, ""),
        "passages": [
            _span(candidate, path, line, f"passage_answer_candidates[{i}]")
            for i, candidate in enumerate(candidates)
        ],
        "annotations": [
            _annotation(annotation, path, line, f"annotations[{i}]")
            for i, annotation in enumerate(annotations)
        ],
    }


def _span(record: Any, path: Path, line: int, at: str) -> dict[str, int]:
    start = field(record, "plaintext_start_byte", int, path, line, at)
    end = field(record, "plaintext_end_byte", int, path, line, at)
    return {"start": start, "end": end} if start >= 0 <= end else {"start": -1, "end": -1}


def _annotation(record: Any, path: Path, line: int, at: str) -> dict[str, int | str]:
    passage = field(record, "passage_answer", dict, path, line, at)
    minimal = field(record, "minimal_answer", dict, path, line, at)
    return {
        "passage": field(passage, "candidate_index", int, path, line, f"{at}.passage_answer"),
        **_span(minimal, path, line, f"{at}.minimal_answer"),
        "yes_no": field(record, "yes_no_answer", str, path, line, at).lower(),
    }
