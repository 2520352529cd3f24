"""The sentences of a treebank as plain text: the ``# text =`` comments of CoNLL-U.

No tag is read. But these are the sentences of the treebank itself, so the text of test files must
not be used for training if they are scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import in_order, lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.data.readers.remarks import Rows

_TEXT = "# text = "
_WITHHELD = "_"


def read(files: Mapping[str, Path], language: str) -> Rows:
    """Yield every sentence; its id is its number from 0. A treebank without text has none."""
    row = 0
    for _, path in in_order(files):
        for _, line in lines(path):
            text = line.removeprefix(_TEXT).strip() if line.startswith(_TEXT) else ""
            if text.replace(_WITHHELD, "").strip():
                yield {"id": str(row), "text": text}
                row += 1
            elif line.startswith(_TEXT):
                yield Remark("sentence left out: the treebank withholds its words")
