"""``xstilts score``."""

from __future__ import annotations

import json

import pytest

from xstilts.analysis.score_submission import as_text, score_submission
from xstilts.cli.main import main

XNLI = "entailment\nneutral\ncontradiction\nneutral\n"


@pytest.fixture
def folders(tmp_path):
    """Labels and predictions of PAWS-X in German and English, and of XNLI in Swahili."""
    files = {
        "labels/pawsx/test-de.tsv": "0\n1\n0\n",
        "predictions/pawsx/test-de.tsv": "0\n1\n1\n",
        "labels/pawsx/test-en.tsv": "0\n1\n0\n",
        "predictions/pawsx/test-en.tsv": "0\n1\n0\n",
        "labels/xnli/test-sw.tsv": XNLI,
        "predictions/xnli/test-sw.tsv": XNLI,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "labels", tmp_path / "predictions"


def test_text(folders, capsys):
    """The averages of all tasks; languages only for a chosen task or language."""
    paths = [str(path) for path in folders]
    assert main(["score", *paths]) == 0
    results = score_submission(*folders)
    assert capsys.readouterr().out == as_text(results) + "\n"
    assert main(["score", *paths, "--language", "sw"]) == 0
    results = score_submission(*folders, language="sw")
    assert capsys.readouterr().out == as_text(results, by_language=True) + "\n"


def test_json(folders, capsys):
    """Every digit, with options before and after the folders."""
    paths = [str(path) for path in folders]
    assert main(["score", "--benchmark", "xtreme", *paths, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results == score_submission(*folders)
    assert set(results) == {"pawsx", "xnli"}


def test_one_task_and_language(folders, capsys):
    """``--task`` and ``--language`` choose."""
    options = ["--task", "pawsx", "--language", "de", "--json"]
    assert main(["score", *map(str, folders), *options]) == 0
    accuracy = {"accuracy": 2 / 3 * 100}
    assert json.loads(capsys.readouterr().out) == {
        "pawsx": {"average": accuracy, "languages": {"de": accuracy}}
    }


def test_an_error_is_one_line_and_status_1(folders, capsys):
    """On stderr, with nothing on stdout."""
    labels, predictions = folders
    (predictions / "pawsx" / "test-de.tsv").write_text("0\n1\n")
    assert main(["score", str(labels), str(predictions), "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"xstilts: {predictions}/pawsx/test-de.tsv: 2 labels, but ")
    assert output.err.count("\n") == 1
