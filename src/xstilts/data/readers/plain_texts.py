"""Plain text for masked language modelling: Wikipedia's articles, any table with a column of text.

Articles are long and an example is one input, so the reader cuts texts at ``split`` and skips short
pieces (headings, list items).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.records import joined
from xstilts.data.readers.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.data.readers.options import Place, Tables, Text
    from xstilts.data.readers.remarks import Rows


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Tables,
    text: Text = "text",
    split: Text | None = None,
    shortest: Place = 1,
    most: Place | None = None,
) -> Rows:
    """Yield the texts of a column, cut at ``split``, in the order of the files.

    Pieces of fewer than ``shortest`` characters are skipped; reading ends after ``most`` pieces.
    A piece's id is the number of its row and its own number within the row.
    """
    count = 0
    for record in joined(files, tables, language):
        whole = record.text(text)
        for number, piece in enumerate(whole.split(split) if split else [whole]):
            words = " ".join(piece.split())
            if len(words) < shortest:
                yield Remark(f"piece of text left out: fewer than {shortest} characters")
                continue
            if most is not None and count >= most:
                return
            yield {"id": f"{record.row}.{number}", "text": words}
            count += 1
