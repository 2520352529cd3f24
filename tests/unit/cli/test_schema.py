"""``xstilts schema``."""

from __future__ import annotations

import json

import jsonschema
import pytest

from support.places import ROOT
from xstilts.cli.main import main
from xstilts.config.schema import claims_schema, study_schema
from xstilts.config.yaml_models import read_yaml


def test_the_schema_is_printed(world, capsys):
    """With the names of the cards."""
    assert main(["schema", "--cards", str(world.config)]) == 0
    assert json.loads(capsys.readouterr().out) == study_schema(world.cards)


def test_the_schema_of_claims_files_is_printed_on_demand(world, capsys):
    """With the names of the targets."""
    assert main(["schema", "--claims", "--cards", str(world.config)]) == 0
    assert json.loads(capsys.readouterr().out) == claims_schema(world.cards)


@pytest.fixture(scope="module")
def published():
    return json.loads((ROOT / "workflow" / "schemas" / "task.json").read_text(encoding="utf-8"))


def test_the_published_schema_of_task_cards_is_the_code_s(published, capsys):
    """Editors must not accept what a card is refused for."""
    assert main(["schema", "--tasks"]) == 0
    assert json.loads(capsys.readouterr().out) == published, (
        "it drifted: xstilts schema --tasks > workflow/schemas/task.json"
    )


def test_every_card_of_the_project_fits_the_schema(published):
    validator = jsonschema.Draft202012Validator(published)
    for path in sorted((ROOT / "config" / "tasks").glob("*.yaml")):
        card = json.loads(json.dumps(read_yaml(path)))  # keys that are numbers become texts
        assert [error.message for error in validator.iter_errors(card)] == [], path


@pytest.mark.parametrize(
    "change",
    [
        {"reader": "labelled_text"},
        {"options": {"text": "text"}},
        {"options": {"tables": {"*": {"form": "jsn"}}, "text": "text"}},
        {"options": {"tables": {"*": {"form": "csv"}}, "txt": "text"}},
        {"options": {"tables": {"*": {"form": "csv"}}, "text": "text", "labels": ["a"]}},
    ],
)
def test_an_editor_marks_a_slip_in_a_reader_or_its_options(published, change):
    card = read_yaml(ROOT / "config" / "tasks" / "sib200.yaml")
    card["splits"]["test"] |= change
    assert not jsonschema.Draft202012Validator(published).is_valid(card)


def test_a_folder_without_cards_has_no_schema(tmp_path, capsys):
    """A schema that allows no encoder would be of no use."""
    assert main(["schema", "--cards", str(tmp_path)]) == 2
    assert f"no cards in {tmp_path}: it has no tasks, " in capsys.readouterr().err
