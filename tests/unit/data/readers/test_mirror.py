"""Real files that no card names: readers must still read them to the last row."""

from __future__ import annotations

import csv
from fnmatch import fnmatch

import pytest

from support.places import MIRROR
from xstilts.data.readers import conllu, copa_xml, labelled_texts, squad_json, token_lines
from xstilts.data.readers.remarks import Remark

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.skipif(
        not (MIRROR / "MANIFEST.tsv").is_file(),
        reason=f"no mirror at {MIRROR}: set XSTILTS_MIRROR to its folder",
    ),
]

XNLI_CSV = {"tables": {"*": {"form": "csv"}}, "text": "sentence1", "label": "gold_label"}
PAWSX = {
    "tables": {"*": {"form": "tsv", "quoted": True}},
    "text": "sentence1",
    "label": "label",
    "id": "id",
}
CASES = [
    ("masakhaner1/*/train.txt*", token_lines, {"separator": " "}),
    ("masakhaner2/*/train.txt*", token_lines, {"separator": " ", "skip_empty_tokens": True}),
    ("masakhapos/*/train.txt*", token_lines, {"separator": " "}),
    ("panx/train-*", token_lines, {}),
    ("panx/test-*", token_lines, {}),
    ("ud/*/*.conllu*", conllu, {"fused": False}),
    ("mlqa/MLQA_V1/dev/*", squad_json, {}),
    ("lareqa/xquad-r/*", squad_json, {}),
    ("copa/*.xml*", copa_xml, {}),
    ("xnli/xnli.*.csv*", labelled_texts, XNLI_CSV),
    ("pawsx/tsv_files/*", labelled_texts, PAWSX),
    ("mnli/dev.csv*", labelled_texts, {**XNLI_CSV, "text": "premise", "label": "label"}),
]


def listed():
    with (MIRROR / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


@pytest.mark.parametrize(("pattern", "reader", "options"), CASES, ids=[case[0] for case in CASES])
def test_rows_are_as_many_as_the_list_states(pattern, reader, options):
    """File by file."""
    found = [row for row in listed() if fnmatch(row["path"], pattern)]
    assert found
    for row in found:
        examples = reader.read({"file": MIRROR / row["path"]}, row["language"], **options)
        rows = [example for example in examples if not isinstance(example, Remark)]
        assert len(rows) == int(row["rows"]), row["path"]
