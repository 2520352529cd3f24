"""``xstilts power``."""

from __future__ import annotations

import json

import pytest

from xstilts.cli.main import main

DECLARED = ["--run-sd", "1", "--language-sd", "1", "--interaction-sd", "1.2"]


def test_text(capsys):
    """Both estimands, each number of seeds, and the seeds that are enough."""
    assert main(["power", *DECLARED, "--seeds", "3", "5", "--languages", "40"]) == 0
    out = capsys.readouterr().out
    assert "40 languages, 1 target" in out
    assert out.count("languages like these") == 3
    assert "for a power of 80%" in out


def test_json(capsys):
    assert main(["power", *DECLARED, "--seeds", "5", "--baseline-ratio", "3", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [line["baseline_seeds"] for line in table["lines"]] == [15, 15]
    assert table["spreads"]["run"] == 1.0


def test_without_variances_there_are_three_examples(capsys):
    assert main(["power"]) == 0
    out = capsys.readouterr().out
    assert [name for name in ("quiet:", "medium:", "noisy:") if name in out] == [
        "quiet:",
        "medium:",
        "noisy:",
    ]


def test_a_part_of_the_variances_is_refused(capsys):
    assert main(["power", "--run-sd", "1"]) == 2
    assert "give all" in capsys.readouterr().err


def test_one_seed_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["power", "--seeds", "1"])
    assert "invalid" in capsys.readouterr().err
