"""Grids whose artefacts exist although nothing was trained: true stamps over random bytes."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import yaml

from support.world import ENCODER
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION
from xstilts.grid.keys import EvaluationKey, ExamplesKey, TrainingKey
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from support.world import World
    from xstilts.grid.artefacts import Artefact, Grid

KEY = EvaluationKey("tiny", "nli", 1, "xqa")
RECIPE = TrainingKey("tiny", "nli", 1, "qa")
START = TrainingKey("tiny", "nli", 1, "intermediate")


def grid_in(world: World, folder: Path, **changes: object) -> Grid:
    """The small study with results and resources of its own; its encoder is pinned on the Hub."""
    hub = {"hub": "some/encoder", "revision": "0" * 40}
    world.write("encoders", {k: v for k, v in ENCODER.items() if k != "folder"} | hub)
    return world.grid(
        results=str(folder / "results"), resources=str(folder / "resources"), **changes
    )


def _put(stamp: Path, name: str, spec: str, inputs: dict[str, str], salt: str) -> None:
    file = stamp.parent / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(random.Random(f"{spec}{name}{salt}").randbytes(1000))
    write_stamp(stamp, spec=spec, inputs=inputs, files=[file])


def put_encoder(grid: Grid, name: str, salt: str = "") -> None:
    """Leave what fetching an encoder would leave; another salt gives other bytes."""
    artefact = grid.encoder(name)
    _put(artefact.stamp, "model.safetensors", artefact.digest, {}, salt)


def put_examples(grid: Grid, key: ExamplesKey, salt: str = "") -> None:
    """Leave what preparing examples would leave."""
    spec = grid.examples(key.task, key.split).digest
    _put(grid.examples_stamp(key), f"{key.language}.parquet", spec, {}, salt)


def train(grid: Grid, key: TrainingKey, salt: str = "") -> None:
    """Leave what a training would leave, from the inputs on disk."""
    artefact, reads = grid.training(key), grid.reads
    examples = reads.examples_of_training(key.condition, key.stage)
    sources = {"encoder": grid.encoder(key.encoder).stamp, "start": grid.start_of(key).stamp}
    sources |= {f"examples.{i}": grid.examples_stamp(k) for i, k in enumerate(examples)}
    inputs = {role: file_sha256(stamp) for role, stamp in sources.items()}
    _put(artefact.stamp, "weights.safetensors", artefact.digest, inputs, salt)
    (artefact.folder / "run.json").write_text('{"seconds": 12.5, "started": "then"}')


def evaluate(
    grid: Grid,
    key: EvaluationKey,
    spec: str | None = None,
    languages: Collection[str] | None = None,
    accuracy: float = 50.0,
) -> None:
    """Leave the scores that an evaluation would leave; predictions are empty."""
    empty = grid.paths.results / "empty"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(b"")
    made = {}
    for language in languages or grid.resolved.languages[key.target]:
        examples = grid.reads.score_inputs(key.target, language)
        inputs = {"checkpoint": grid.evaluated(key).stamp}
        inputs |= {role: grid.examples_stamp(k) for role, k in examples.items()}
        made[language] = {
            "version": VERSION,
            **key._asdict(),
            "language": language,
            "spec": spec or grid.evaluation(key).digest,
            "inputs": {
                role: file_sha256(path) if path.exists() else "0" * 64
                for role, path in inputs.items()
            },
            "task_type": "classification",
            "primary": "accuracy",
            "n": 2,
            "warnings": [],
            "metrics": {"accuracy": accuracy},
            "predictions": described(empty),
        }
    scores.write(grid.paths.scores(key), made, dict.fromkeys(made, empty))


def project_of(world: World, folder: Path) -> tuple[Path, Grid]:
    """Make the world a project with a lock file; give the file of its study, and its grid."""
    lock = world.folder / "envs" / "lock.txt"
    lock.parent.mkdir()
    lock.write_bytes((world.folder / "lock.txt").read_bytes())
    grid = grid_in(world, folder)
    path = folder / "study.yaml"
    folders = {"results": grid.study.results, "resources": grid.study.resources}
    path.write_text(yaml.safe_dump(world.study | folders))
    return path, grid


def put_inputs(grid: Grid) -> None:
    """Leave the encoders and all examples."""
    for name in grid.study.encoders:
        put_encoder(grid, name)
    for task, split, languages in grid.reads.needed_examples():
        for language in languages:
            put_examples(grid, ExamplesKey(task, split, language))


def finish(grid: Grid) -> None:
    """Leave every encoder, example, checkpoint and score of a grid, as if all jobs had run."""
    put_inputs(grid)
    for key in grid.reads.trainings():
        train(grid, key)
    for scored in grid.reads.evaluations():
        evaluate(grid, scored)


def two_claims(target: str) -> dict[str, object]:
    """A file of claims: nothing tests the first, gains on a target decide on the second."""
    gain = {"conditions": ["nli"], "targets": [target], "estimand": "these_languages"}
    second = {"id": 2, "text": "NLI helps.", "source": "me", "gain": gain}
    return {
        "claims": [
            {"id": 1, "text": "So it is.", "source": "me", "not_testable": "Nothing tests it."},
            second | {"supported": "all > 0", "contradicted": "any < 0"},
        ]
    }


def bytes_of(artefact: Artefact) -> bytes:
    """Stamp and weights of a checkpoint."""
    return artefact.stamp.read_bytes() + (artefact.folder / "weights.safetensors").read_bytes()


def flip(path: Path) -> None:
    """Change one bit in the middle, whatever the file's mode."""
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        (byte,) = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))
