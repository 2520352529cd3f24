"""``xstilts invalidate``."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xstilts.cli.main import main
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION


@pytest.fixture
def path(tmp_path):
    """A file of scores in German and Swahili."""
    found, predictions = {}, {}
    for language in ("de", "sw"):
        predictions[language] = tmp_path / f"{language}.parquet"
        pq.write_table(pa.table({"id": [language]}), predictions[language])
        found[language] = {
            "version": VERSION,
            "language": language,
            "metrics": {},
            "predictions": described(predictions[language]),
        }
    scores.write(tmp_path / "xnli.jsonl", found, predictions)
    return tmp_path / "xnli.jsonl"


def test_the_scores_of_the_languages_are_deleted(path):
    """The next run computes them again; the others stay."""
    assert main(["invalidate", str(path), "sw"]) == 0
    assert list(scores.read(path)) == ["de"]


def test_a_language_without_a_score_is_named(path, capsys):
    """With those that have one; nothing is deleted."""
    assert main(["invalidate", str(path), "sw", "yo"]) == 1
    assert capsys.readouterr().err.endswith(" of yo; it has de, sw\n")
    assert list(scores.read(path)) == ["de", "sw"]


def test_a_file_that_does_not_exist_is_named(tmp_path, capsys):
    """Rather than that it lacks a language."""
    assert main(["invalidate", str(tmp_path / "nowhere.jsonl"), "sw"]) == 2
    assert capsys.readouterr().err == (
        f"xstilts: {tmp_path}/nowhere.jsonl: does not exist; give a file of scores "
        "(<target>.jsonl)\n"
    )
