"""How long `xstilts status` takes for 100,000 scores, and how much memory.

    python bench/status_100k.py [FOLDER]

Writes a synthetic results folder (in FOLDER, else in a temporary one) for bench/scale_90k.yaml with
six seeds, 108,000 scores: most of them done, some stale, some missing. Then times the command in a
process of its own, three times.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import HOME, finish, grid_of, study_in


def make(folder: Path, seeds: int) -> tuple[Path, int]:
    """Write a grid of which some scores are stale and some missing; a study file and a count."""
    study = study_in(folder, seeds)
    grid = grid_of(study)
    finish(grid, lambda number, codes: codes[: len(codes) - number % 3])  # up to two are missing
    for key in grid.reads.evaluations()[::10]:
        stamp = grid.evaluated(key).stamp  # retrained: its scores are stale
        stamp.write_bytes(stamp.read_bytes() + b"\n")
    return study, len(grid.resolved.score_keys())


def main() -> None:
    """Make the folder, time the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=6, help="18,000 scores each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        study, count = make(folder, args.seeds)
        print(f"{count:,} scores")
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
            counts = json.loads(timed.stdout)["scores"]
            print(f"{seconds:.2f} s, {timed.stderr.strip()}: {counts}")


if __name__ == "__main__":
    main()
