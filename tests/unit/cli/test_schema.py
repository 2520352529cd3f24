"""``xstilts schema``."""

from __future__ import annotations

import json

from xstilts.cli.main import main
from xstilts.config.schema import claims_schema, study_schema


def test_the_schema_is_printed(world, capsys):
    """With the names of the cards."""
    assert main(["schema", "--cards", str(world.config)]) == 0
    assert json.loads(capsys.readouterr().out) == study_schema(world.cards)


def test_the_schema_of_claims_files_is_printed_on_demand(world, capsys):
    """With the names of the targets."""
    assert main(["schema", "--claims", "--cards", str(world.config)]) == 0
    assert json.loads(capsys.readouterr().out) == claims_schema(world.cards)


def test_a_folder_without_cards_has_no_schema(tmp_path, capsys):
    """A schema that allows no encoder would be of no use."""
    assert main(["schema", "--cards", str(tmp_path)]) == 2
    assert f"no cards in {tmp_path}: it has no tasks, " in capsys.readouterr().err
