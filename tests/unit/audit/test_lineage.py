"""What scores were computed from: encoders that are local folders."""

from __future__ import annotations

import pytest

from support.world import ENCODER
from xstilts.audit.lineage import Lineage, Options
from xstilts.provenance.stamp import write_stamp

FILES = ("config.json", "model.safetensors", "tokenizer.json")
CODE = {"architecture": "automodel", "trust_remote_code": True, "code": ["modeling.py"]}


def encoder_findings(world, changes, rewritten):
    """What is found about an encoder of which fetching has rewritten some files."""
    local = world.folder / "local"
    local.mkdir()
    names = [*FILES, *changes.get("code", ())]
    for name in names:
        (local / name).write_text(name)
    world.write("encoders", ENCODER | {"folder": str(local)} | changes)
    grid = world.grid(resources=str(world.folder / "resources"))
    artefact = grid.encoder("tiny")
    artefact.folder.mkdir(parents=True)
    for name in names:
        (artefact.folder / name).write_text(f"{name}{' rewritten' * (name in rewritten)}")
    files = [artefact.folder / name for name in names]
    write_stamp(artefact.stamp, spec=artefact.digest, inputs={}, files=files)
    return Lineage(grid, Options(weights=False, checksums={}, environment=None)).encoder("tiny")


@pytest.mark.parametrize(
    ("changes", "rewritten"),
    [
        ({}, ()),
        ({"layers": 1, "retrieval_layer": 1}, ("model.safetensors", "config.json")),
        ({"architecture": "automodel"}, ("model.safetensors",)),
        (CODE, ("model.safetensors",)),
    ],
)
def test_a_local_encoder_is_verified_however_it_is_fetched(world, changes, rewritten):
    assert encoder_findings(world, changes, rewritten) == []


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({}, "model.safetensors"),
        ({"layers": 1, "retrieval_layer": 1}, "tokenizer.json"),
        ({"architecture": "automodel"}, "config.json"),
        (CODE, "modeling.py"),
    ],
)
def test_another_file_than_that_of_the_folder_is_named(world, changes, file):
    """Though its stamp fits it."""
    (finding,) = encoder_findings(world, changes, (file,))
    assert finding.place.endswith(f"/{file}")
    assert finding.problem == "is not that of the card"
