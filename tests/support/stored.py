"""Grids whose artefacts are there without anybody having trained: stamps over random bytes."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from support.world import ENCODER
from xstilts.evaluation import scores
from xstilts.provenance import digests, stamp

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from support.world import World
    from xstilts.grid.artefacts import Grid, Stage

KEY = ("tiny", "nli", 1, "qa")
START = ("tiny", "nli", 1, "intermediate")
WEIGHTS = 2**20 + 7  # enough to be linked


def grid_in(world: World, folder: Path, **changes: object) -> Grid:
    """The small study with results and resources of its own; its encoder is pinned on the Hub."""
    hub = {"hub": "some/encoder", "revision": "0" * 40}
    world.write("encoders", {k: v for k, v in ENCODER.items() if k != "folder"} | hub)
    return world.grid(
        results=str(folder / "results"), resources=str(folder / "resources"), **changes
    )


def put_inputs(grid: Grid, key: tuple[str, str, int, str], salt: str = "") -> None:
    """Make the encoder and the examples of a training; another salt gives other bytes."""
    for stage in grid.training_inputs(*key):
        if stage.spec["stage"] != "training" and not stage.stamp.exists():
            folder = stage.stamp.parent
            folder.mkdir(parents=True, exist_ok=True)
            name = "model.safetensors" if stage.spec["stage"] == "encoder" else "en.parquet"
            (folder / name).write_bytes(random.Random(f"{stage.digest}{salt}").randbytes(1000))
            stamp.write_stamp(stage.stamp, spec=stage.digest, inputs={}, files=[folder / name])


def train(grid: Grid, *keys: tuple[str, str, int, str], salt: str = "") -> None:
    """Leave what these trainings would leave."""
    for key in keys:
        put_inputs(grid, key)
        stage = grid.training(*key)
        inputs = {
            f"role{place}": digests.file_sha256(source.stamp)
            for place, source in enumerate(grid.training_inputs(*key))
        }
        weights = stage.stamp.parent / "weights.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        fresh = weights.with_name("fresh")
        fresh.write_bytes(random.Random(f"{stage.digest}{inputs}{salt}").randbytes(WEIGHTS))
        fresh.replace(weights)
        stamp.write_stamp(stage.stamp, spec=stage.digest, inputs=inputs, files=[weights])
        (weights.parent / "run.json").write_text('{"seconds": 12.5, "started": "then"}')


def evaluate(
    grid: Grid,
    *key: str | int,
    spec: str | None = None,
    languages: Collection[str] | None = None,
) -> None:
    """Leave the cells that an evaluation would leave; predictions are empty."""
    nothing = grid.results / "nothing"
    nothing.parent.mkdir(parents=True, exist_ok=True)
    nothing.write_bytes(b"")
    made = {}
    for language in languages or grid.resolved.languages[key[3]]:
        inputs = {"checkpoint": grid.evaluated(*key)} | grid.cell_examples(key[3], language)
        made[language] = {
            "cell": scores.VERSION,
            "language": language,
            "spec": spec or grid.evaluation(*key).digest,
            "inputs": {
                role: digests.file_sha256(path) if path.exists() else "0" * 64
                for role, path in inputs.items()
            },
            "metrics": {"accuracy": 50.0},
            "predictions": {"sha256": digests.file_sha256(nothing), "bytes": 0},
        }
    scores.write(grid.cells(*key), made, dict.fromkeys(made, nothing))


def bytes_of(stage: Stage) -> bytes:
    """Stamp and weights of a checkpoint."""
    return stage.stamp.read_bytes() + (stage.stamp.parent / "weights.safetensors").read_bytes()


def flip(path: Path) -> None:
    """Change one bit in the middle, whatever the file's mode."""
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        (byte,) = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


__all__ = ["KEY", "START", "bytes_of", "evaluate", "flip", "grid_in", "put_inputs", "train"]
