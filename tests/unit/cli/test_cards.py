"""``xstilts cards``."""

from __future__ import annotations

import json

import pytest

from xstilts.cli.main import main


@pytest.fixture
def listed(world, capsys):
    """Run the command; give what it prints."""

    def run(*arguments, status=0):
        assert main(["cards", "--cards", str(world.config), *arguments]) == status
        return capsys.readouterr()

    return run


def test_tasks_and_encoders_are_listed(listed):
    """With what a study's author chooses by."""
    rows = json.loads(listed("--json").out)
    by_name = {row["task"]: row for row in rows["tasks"]}
    assert by_name["nli"]["use"] == "train"
    assert by_name["xnli"]["use"] == "test"
    assert by_name["xnli"]["languages"] == 5
    assert by_name["xnli"]["low_resource"] == 2  # sw and yo
    assert {row["encoder"] for row in rows["encoders"]} == {"tiny", "other"}


def test_a_type_narrows_the_list(listed):
    """To its tasks; an encoder has none."""
    rows = json.loads(listed("--json", "--type", "span_qa").out)
    assert {row["type"] for row in rows["tasks"]} == {"span_qa"}
    assert rows["encoders"] == []


def test_a_language_narrows_the_list(listed):
    rows = json.loads(listed("--json", "--language", "yo").out)
    assert "xnli" in {row["task"] for row in rows["tasks"]}
    assert "nli" not in {row["task"] for row in rows["tasks"]}


def test_an_unknown_type_is_an_error_with_the_nearest_name(listed):
    err = listed("--type", "span-qa", status=1).err
    assert err.startswith("xstilts: --type: unknown task type 'span-qa'; did you mean 'span_qa'")


def test_a_language_that_no_task_has_is_said_to_be_in_none(listed):
    assert listed("--language", "tlh").out == "No task has what was asked for.\n"


def test_the_table_is_for_people(listed):
    out = listed("--type", "span_qa").out
    assert out.splitlines()[0].split() == [
        "task", "type", "use", "languages", "low", "resource", "metric", "title", "licence",
    ]  # fmt: skip
