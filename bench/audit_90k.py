"""How long `xstilts audit` takes for a grid of many scores.

    python bench/audit_90k.py [--items N] [--seeds N] [FOLDER]

Writes a synthetic study (in FOLDER, else in a temporary one): bench/scale_90k.yaml, 18,000 scores a
seed, with true raw files, examples and predictions of N test items a score; weights are empty.
Then audits it in two processes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scale import HOME, a_score, grid_of, study_in

from xstilts.analysis import table
from xstilts.analysis.claims import files as claims
from xstilts.analysis.report import page
from xstilts.audit.audit import audit
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.data.prepare import prepare
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.grid.keys import ExamplesKey
from xstilts.grid.snapshot import save_snapshot
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import States
from xstilts.tasks.scoring import load_scoring
from xstilts.workflow.jobs import check_contamination

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey

LABELS = ["yes", "no"]


def main() -> None:
    """Write the study, audit it, print times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--items", type=int, default=100, help="test items of a score")
    parser.add_argument("--seeds", type=int, default=5, help="18,000 scores each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        began = time.monotonic()
        grid = make(folder, args.seeds, args.items)
        print(f"written in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        report = audit(grid.paths.results, cards=HOME / "config", processes=2)
        seconds = time.monotonic() - began
        cpu = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{len(report.scores):,} scores of {args.items} items: {report.verdict}, ", end="")
        print(f"{seconds:.0f} s; {cpu:.0f} s of CPU with writing, {memory} MB")
        print(*list(report.findings)[:5], sep="\n")


def make(folder: Path, seeds: int, items: int) -> Grid:
    """A finished study with true lineage."""
    grid = grid_of(study_in(folder, seeds))
    for name in grid.study.encoders:
        artefact = grid.encoder(name)
        artefact.folder.mkdir(parents=True)
        for file in ENCODER_FILES:
            (artefact.folder / file).write_bytes(b"")
        files = [artefact.folder / file for file in ENCODER_FILES]
        outcomes = {"commit": grid.cards.encoder(name).revision}
        spec = artefact.digest
        write_stamp(artefact.stamp, spec=spec, inputs={}, files=files, outcomes=outcomes)
    for task, split, languages in grid.reads.needed_examples():
        for language in languages:
            _prepare(grid, ExamplesKey(task, split, language), items)
    reads = States(grid)
    for training in grid.reads.trainings():
        artefact = grid.training(training)
        artefact.folder.mkdir(parents=True, exist_ok=True)
        (artefact.folder / "weights.safetensors").write_bytes(b"")
        inputs = {str(path): file_sha256(path) for path in reads.training_inputs(training)}
        weights = [artefact.folder / "weights.safetensors"]
        write_stamp(artefact.stamp, spec=artefact.digest, inputs=inputs, files=weights)
    predictions = _Predictions(grid, items)
    for number, key in enumerate(grid.reads.evaluations()):
        _evaluate(grid, key, predictions, number)
    check_contamination(grid, grid.contamination, log=lambda line: None)
    table.write(grid, grid.paths.table)
    rows = pd.read_parquet(grid.paths.table)
    claims.write(grid, rows)
    page.write(grid, rows, grid.paths.report)
    save_snapshot(grid)
    return grid


def _prepare(grid: Grid, key: ExamplesKey, items: int) -> None:
    card, resources = grid.cards.task(key.task), grid.paths.resources
    (file,) = card.raw_files(key.split, key.language).values()
    path = resources / "raw" / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(file.path)
    rows = (
        {
            "id": str(number),
            "text": f"{draw.getrandbits(200):x}",
            "text_pair": None,
            "label": draw.choice(LABELS),
        }
        for number in range(items)
    )
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    spec = grid.examples(key.task, key.split).digest
    prepare(
        card,
        grid.cards.schema(key.task),
        key.split,
        key.language,
        resources=resources,
        mirror=None,
        checksums={},
        stamp=grid.examples_stamp(key),
        spec=spec,
    )


class _Predictions:
    """Ten sets of predictions of each target and language, with their scores."""

    def __init__(self, grid: Grid, items: int) -> None:
        self.grid, self.items, self._made = (
            grid,
            items,
            dict[tuple[str, str, int], tuple[Path, float, dict[str, Any]]](),
        )

    def of(self, target: str, language: str, number: int) -> tuple[Path, float, dict[str, Any]]:
        """The file of some predictions, their accuracy, and what a score records of the file."""
        key = (target, language, number % 10)
        if key not in self._made:
            stamp = self.grid.examples_stamp(ExamplesKey(target, "test", language))
            rows = pq.read_table(stamp.with_suffix(".parquet")).to_pylist()
            draw = random.Random(repr(key))
            said = [
                {"id": row["id"], "prediction": draw.choice(LABELS), "gold": row["label"]}
                for row in rows
            ]
            path = self.grid.paths.results / "made" / f"{target}-{language}-{key[2]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(said), path, compression="zstd")
            scoring = load_scoring("classification")
            _, metrics = scoring.score(rows, said, "accuracy", language)
            self._made[key] = path, metrics["accuracy"], described(path)
        return self._made[key]


def _evaluate(grid: Grid, key: EvaluationKey, predictions: _Predictions, number: int) -> None:
    checkpoint = file_sha256(grid.evaluated(key).stamp)
    found, files = {}, dict[str, Path]()
    for language in grid.resolved.languages[key.target]:
        files[language], accuracy, about = predictions.of(key.target, language, number)
        stamp = grid.examples_stamp(ExamplesKey(key.target, "test", language))
        inputs = {"checkpoint": checkpoint, "examples": file_sha256(stamp)}
        spec = grid.evaluation(key).digest
        score = a_score(key._asdict(), language, spec, inputs, about)
        found[language] = score | {"n": predictions.items, "metrics": {"accuracy": accuracy}}
    scores.write(grid.paths.scores(key), found, files)


if __name__ == "__main__":
    main()
