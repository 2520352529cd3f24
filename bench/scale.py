"""How planning grows with the grid, and what a score costs a file system.

    python bench/scale.py                      dry runs of 9,000 and 90,000 scores, nothing computed
    python bench/scale.py --finished           the same of grids that have run: the daily look
    python bench/scale.py --scores 900000       another size
    python bench/scale.py --files              files and bytes of a score, beside a file for each

The grids are those of bench/scale_90k.yaml with fewer or more seeds and targets: 50 languages each.
Nothing is trained; a finished grid is written with empty predictions. Seconds are those of the
whole command, CPU seconds those of its processes: on a busy machine only these can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from xstilts.config.yaml_models import read_yaml
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION, Score
from xstilts.grid.keys import EvaluationKey, ExamplesKey
from xstilts.grid.opening import open_grid
from xstilts.provenance.digests import canonical, file_sha256
from xstilts.provenance.files import write_json
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import States, scores_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.grid.artefacts import Grid

HOME = Path(__file__).parents[1]
STUDY = HOME / "bench" / "scale_90k.yaml"
A_SEED = 18_000  # scores: 3 encoders x 12 conditions x 10 targets x 50 languages


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scores", type=int, nargs="+", default=[9_000, 90_000], metavar="N")
    parser.add_argument("--finished", action="store_true", help="of a grid that has run")
    parser.add_argument("--files", action="store_true", help="files and bytes of a score instead")
    args = parser.parse_args()
    if args.files:
        print_files()
        return
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for number in args.scores:
        with tempfile.TemporaryDirectory() as folder:
            study = study_of(number, Path(folder))
            if args.finished:
                began = time.monotonic()
                finish(grid_of(study))
                print(f"  written in {time.monotonic() - began:.0f} s", flush=True)
            print(f"{number:>8,} scores: {dry_run(study)}", flush=True)


# --- dry runs ------------------------------------------------------------------------------------


def study_in(folder: Path, seeds: int, targets: int = 10) -> Path:
    """The study of 90,000 scores with these numbers of seeds and targets; its file."""
    study = read_yaml(STUDY)
    study |= {"targets": study["targets"][:targets], "cards": str(HOME / "bench/scale_cards")}
    study |= {"seeds": list(range(1, seeds + 1))}
    study |= {"results": str(folder / "results"), "resources": str(folder / "resources")}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def study_of(number: int, folder: Path) -> Path:
    """The study of 90,000 scores with as many seeds, or half of its targets, as give the number."""
    targets = 10 if number >= A_SEED else 10 * number // A_SEED
    path = study_in(folder, max(1, number // A_SEED), targets)
    assert len(grid_of(path).resolved.score_keys()) == number, f"no study of {number} scores"
    return path


def grid_of(study: Path) -> Grid:
    """The grid of a study file."""
    return open_grid(read_yaml(study), str(study), HOME / "config", HOME / "envs/lock.txt")


def dry_run(study: Path) -> str:
    """Seconds, CPU seconds, peak memory and number of jobs of a dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "rules", "--configfile", str(study)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=HOME, text=True, capture_output=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    total = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("total")]
    jobs = int(total[0]) if total else 0
    memory = after.ru_maxrss // 1024  # of the largest run so far: sizes are to be given rising
    return f"{seconds:.1f} s, {cpu:.1f} s of CPU, {memory} MB, {jobs:,} jobs"


def finish(
    grid: Grid, done: Callable[[int, list[str]], list[str]] = lambda _, codes: codes
) -> None:
    """Write every stamp and every score of a grid, as if it had run; predictions are empty.

    ``done`` chooses the languages that an evaluation, given by its number, has a score of.
    """
    for encoder in grid.study.encoders:
        _stamp(grid.encoder(encoder).stamp, grid.encoder(encoder).digest)
    for task, split, languages in grid.reads.needed_examples():
        for language in languages:
            key = ExamplesKey(task, split, language)
            _stamp(grid.examples_stamp(key), grid.examples(task, split).digest)
    reads = States(grid)
    for training in grid.reads.trainings():
        inputs = {str(path): file_sha256(path) for path in reads.training_inputs(training)}
        _stamp(grid.training(training).stamp, grid.training(training).digest, inputs)
    for number, evaluation in enumerate(grid.reads.evaluations()):
        languages = grid.resolved.languages[evaluation.target]
        _write_scores(grid, evaluation, done(number, languages))
    _stamp(grid.contamination.stamp, grid.contamination.digest)
    grid.paths.table.write_bytes(b"")
    grid.paths.report.write_bytes(b"")
    _stamp(grid.table.stamp, grid.table.digest, {"scores": scores_digest(grid)})
    _stamp(grid.report.stamp, grid.report.digest, {"table": file_sha256(grid.table.stamp)})


def _stamp(path: Path, digest: str, inputs: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stamp(path, spec=digest, inputs=inputs or {}, files=[])


def _write_scores(grid: Grid, key: EvaluationKey, languages: list[str]) -> None:
    empty = grid.paths.results / "empty"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(b"")
    checkpoint = file_sha256(grid.evaluated(key).stamp)
    about = described(empty)
    computed = {}
    for language in languages:
        examples = grid.examples_stamp(ExamplesKey(key.target, "test", language))
        inputs = {"checkpoint": checkpoint, "examples": file_sha256(examples)}
        spec = grid.evaluation(key).digest
        computed[language] = a_score(key._asdict(), language, spec, inputs, about)
    scores.write(grid.paths.scores(key), computed, dict.fromkeys(languages, empty))


def a_score(
    identity: dict[str, Any],
    language: str,
    spec: str,
    inputs: dict[str, str],
    predictions: dict[str, Any],
) -> Score:
    """A score as an evaluation of a classification target writes it."""
    return identity | {
        "version": VERSION,
        "language": language,
        "spec": spec,
        "inputs": inputs,
        "task_type": "classification",
        "primary": "accuracy",
        "n": 5010,
        "metrics": {"accuracy": 71.23752495009979},
        "counts": {},
        "warnings": [],
        "device": "cuda",
        "precision": "bf16",
        "predictions": predictions,
    }


# --- files ---------------------------------------------------------------------------------------


def print_files(languages: int = 50) -> None:
    """Files and bytes of a score: one file of each kind a score, and as they are."""
    codes = [f"l{number:02d}" for number in range(languages)]
    identity = {"encoder": "xlm-r-large", "condition": "mnli", "seed": 1, "target": "xnli"}
    inputs = {"checkpoint": "0" * 64, "examples": "1" * 64}
    for rows in (5010, 200):
        with tempfile.TemporaryDirectory() as folder:
            one, each = Path(folder) / "one", Path(folder) / "each"
            made, fresh = {}, {}
            for code in codes:
                fresh[code] = each / "xnli" / f"{code}.parquet"
                fresh[code].parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(_predictions(rows, code), fresh[code], compression="zstd")
                about = described(fresh[code])
                made[code] = a_score(identity, code, "2" * 64, inputs, about)
                write_json(fresh[code].with_suffix(".json"), made[code])
            scores.write(one / "xnli.jsonl", made, fresh)
            line = len(canonical(made[codes[0]]))
            print(f"{rows} examples, {languages} languages; a line has {line} bytes")
            for name, where in (("a file each", each / "xnli"), ("two files", one)):
                files = [path.stat() for path in where.iterdir()]
                size = sum(f.st_size for f in files)
                disk = sum(f.st_blocks for f in files) * 512
                print(
                    f"  {name}: {len(files) / languages:.2f} files, {size / languages:,.0f} bytes, "
                    f"{disk / languages:,.0f} bytes on this disk a score"
                )


def _predictions(rows: int, code: str) -> pa.Table:
    chance, labels = random.Random(code), ["entailment", "neutral", "contradiction"]
    said = [
        {
            "id": str(number),
            "prediction": chance.choice(labels),
            "gold": labels[number % 3],
        }
        for number in range(rows)
    ]
    return pa.Table.from_pylist(json.loads(json.dumps(said)))


if __name__ == "__main__":
    main()
