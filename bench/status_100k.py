"""How long `xstilts status` takes for 100,000 cells, and how much memory.

    python bench/status_100k.py [FOLDER]

Makes a synthetic results folder (in FOLDER, else in a temporary one) for bench/scale_90k.yaml with
six seeds, 108,000 cells: most of them done, some stale, some missing. Then times the command in a
process of its own, three times.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.config.yaml_models import read_yaml
from xstilts.evaluation import scores
from xstilts.grid.opening import open_grid
from xstilts.provenance import digests, stamp

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid

HOME = Path(__file__).parents[1]
STUDY = HOME / "bench/scale_90k.yaml"


def make(folder: Path) -> tuple[Path, int]:
    """Write stamps and cells with the specs that the study asks for; a study file and a count."""
    says = read_yaml(STUDY) | {
        "seeds": [1, 2, 3, 4, 5, 6],
        "results": str(folder / "results"),
        "cards": str(HOME / "bench/scale_cards"),
    }
    study = folder / "study.yaml"
    study.write_text(json.dumps(says))
    grid = open_grid(says, str(study), HOME / "config", HOME / "envs/lock.txt")
    for key in grid.reads.trainings():
        stage = grid.training(key)
        stamp.write_stamp(stage.stamp, spec=stage.digest, inputs={}, files=[])
    return study, sum(_evaluate(grid, *of) for of in grid.reads.evaluations())


def _evaluate(grid: Grid, encoder: str, condition: str, seed: int, target: str) -> int:
    """Cells as evaluations write them: the first one stale, the last one missing."""
    stage = grid.evaluation(encoder, condition, seed, target)
    checkpoint = grid.evaluated(encoder, condition, seed, target)
    sha = digests.file_sha256(checkpoint) if checkpoint.exists() else "0" * 64
    languages = grid.resolved.languages[target]
    made = [
        {
            "cell": 2,
            "encoder": encoder,
            "condition": condition,
            "seed": seed,
            "target": target,
            "language": language,
            "spec": stage.digest if place else "0" * 64,
            "inputs": {"checkpoint": sha, "examples": "1" * 64},
            "task_type": "classification",
            "primary": "accuracy",
            "n": 5010,
            "metrics": {"accuracy": 71.25748502994011},
            "counts": {},
            "warnings": [],
            "device": "cuda",
            "precision": "bf16",
            "predictions": {"sha256": "2" * 64, "bytes": 12345},
        }
        for place, language in enumerate(languages[:-1])
    ]
    path = grid.paths.scores(encoder, condition, seed, target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{digests.canonical(cell)}\n" for cell in made))
    with scores.archive(path).open("wb") as predictions:
        predictions.truncate(scores.archive_size(made))  # holds nothing, but is long enough
    return len(languages)


def main() -> None:
    """Make the folder, time the command."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        study, count = make(folder)
        print(f"{count:,} cells")
        command = [sys.executable, "-m", "xstilts.cli.main", "status", str(study), "--json"]
        command += ["--cards", str(HOME / "config")]
        for _ in range(3):
            began = time.monotonic()
            timed = subprocess.run(
                ["/usr/bin/env", "time", "-f", "%U s user, %M KiB", *command],
                text=True,
                capture_output=True,
                check=False,
            )
            seconds = time.monotonic() - began
            counts = json.loads(timed.stdout)["cells"]
            print(f"{seconds:.2f} s, {timed.stderr.strip()}: {counts}")


if __name__ == "__main__":
    main()
