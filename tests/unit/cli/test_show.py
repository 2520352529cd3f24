"""``xstilts show``: examples as they are read, and the inputs of an encoder."""

from __future__ import annotations

import json

import pytest

from support import tiny
from xstilts.cli.main import main

CONTEXT = "one two three four five six seven eight"


@pytest.fixture
def mirror(world, tmp_path):
    """A mirror with a task of questions, whose card was proposed."""
    folder = tmp_path / "mirror" / "asked"
    folder.mkdir(parents=True)
    answers = {"text": ["two"], "answer_start": [4]}
    row = {"id": "q1", "context": CONTEXT, "question": "which", "answers": answers}
    for name in ("train", "test"):
        (folder / f"{name}.en.jsonl").write_text(json.dumps(row) + "\n")
    main(["card", "new", str(folder), "--cards", str(world.config)])
    return folder.parent


def show(world, mirror, *options):
    arguments = ["show", *options, "--cards", str(world.config), "--mirror", str(mirror)]
    return main([*arguments, "--resources", str(mirror.parent / "resources")])


def test_examples_are_printed_by_column(world, mirror, capsys):
    capsys.readouterr()
    assert show(world, mirror, "asked", "en") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("asked/test/en: 1 examples\n")
    assert f"context: {CONTEXT}\n" in printed
    assert 'answers: [{"text": "two", "start": 4}]' in printed


def test_windows_are_printed_where_the_context_is_cut(world, mirror, tmp_path, capsys):
    encoder = tiny.encoder(tmp_path / "encoder").parent
    capsys.readouterr()
    options = ("--encoder", str(encoder), "--max-length", "32")
    assert show(world, mirror, "asked", "en", *options) == 0
    inputs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("input")]
    assert len(inputs) > 1
    assert inputs[0].startswith(f"input 1 of {len(inputs)}, 32 tokens: ")


def test_a_language_that_the_task_lacks_is_named(world, mirror, capsys):
    assert show(world, mirror, "asked", "sw") == 1
    assert "asked, test: unknown language 'sw'" in capsys.readouterr().err
