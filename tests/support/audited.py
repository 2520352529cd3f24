"""A finished study with true lineage: raw files, examples and scores; only weights are noise."""

from __future__ import annotations

import json
import random
import shutil
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from support.stored import train
from support.world import ENCODER, LANGUAGES, PROSE, World
from xstilts.analysis import table
from xstilts.analysis.claims import files as claims
from xstilts.analysis.report import page
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.data import examples
from xstilts.data.prepare import prepare
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION
from xstilts.grid.keys import ExamplesKey
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import latest_snapshot, load_snapshot, save_snapshot
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.scoring import load_scoring
from xstilts.tasks.span_qa.schema import REBUILT
from xstilts.workflow.jobs import check_contamination

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey
    from xstilts.tasks.scoring import PredictionRow

LABELS = ["no", "yes"]
TYPES = {
    "nli": ("classification", "accuracy", "accuracy", {"train": ["en"]}, {"labels": LABELS}),
    "xnli": (
        "classification", "accuracy", "accuracy", {"test": ["en", "sw"]},
        {"labels": LABELS, "recipe": "nli"},
    ),
    "qa": ("span_qa", "squad", "em_f1", {"train": ["en"]}, {}),
    "xqa": ("span_qa", "squad", "em_f1", {"test": ["en", "sw"]}, {"recipe": "qa"}),
    "mined": ("retrieval", "bucc", "f1", {"test": ["de", "sw"]}, {}),
}  # fmt: skip
STUDY = {
    "study": "small",
    "encoders": ["tiny"],
    "conditions": ["none", "nli"],
    "targets": ["xnli", "xqa", "mined"],
    "seeds": [1],
}


def empty_world(folder: Path) -> World:
    """A project in a new folder, with the study and no card."""
    world = World(folder, deepcopy(STUDY))
    world.config.mkdir(parents=True)
    (world.config / "languages.tsv").write_text(LANGUAGES, encoding="utf-8")
    (folder / "lock.txt").write_text("torch==2.13.0\n")
    return world


def copy_of(finished: Path, folder: Path) -> Grid:
    """Copy a finished study; give its grid, whose paths are those of the copy."""
    shutil.copytree(finished, folder, symlinks=True)
    results = folder / "results/small"
    snapshot = latest_snapshot(results)
    assert snapshot
    return load_snapshot(snapshot, Paths(results, folder / "resources"))


def audited_grid(world: World) -> Grid:
    """Write the study and all that its run would leave; a copy of its folder is as good."""
    grid = scored_grid(world)
    check_contamination(grid, grid.contamination, log=lambda line: None)
    table.write(grid, grid.paths.table)
    rows = pd.read_parquet(grid.paths.table)
    claims.write(grid, rows)
    page.write(grid, rows, grid.paths.report)
    save_snapshot(grid)
    return grid


def scored_grid(world: World, seeds: tuple[int, ...] = (1,)) -> Grid:
    """Write the study and its scores, with predictions by chance."""
    folder = world.folder
    write_tasks(world)
    hub = {"hub": "some/encoder", "revision": "0" * 40}
    world.write("encoders", {k: v for k, v in ENCODER.items() if k != "folder"} | hub)
    world.study = STUDY | {"resources": str(folder / "resources"), "seeds": [*seeds]}
    _list_downloads(folder, "xqa")
    grid = world.grid()
    _fetch_encoder(grid)
    for task, split, languages in grid.reads.needed_examples():
        for language in languages:
            _prepare(grid, ExamplesKey(task, split, language))
    for key in grid.reads.trainings():
        train(grid, key)
    for number, scored in enumerate(grid.reads.evaluations()):
        _evaluate(grid, scored, random.Random(number))
    return grid


def write_tasks(world: World) -> None:
    """Write the cards of `TYPES` and their raw files, to which no source leads."""
    folder = world.folder / "resources/raw"
    for name, (task_type, scorer, primary, splits, more) in TYPES.items():
        languages = sorted({code for codes in splits.values() for code in codes})
        card = {"task": name, **PROSE, "task_type": task_type, "languages": languages}
        card |= {"scorer": scorer, "primary": primary, "splits": {}}
        for split, codes in splits.items():
            file = {"path": f"{name}/{split}.{{code}}.jsonl", "mirror": "none"}
            card["splits"][split] = {
                "reader": "jsonl_rows",
                "files": {"rows": file},
                "languages": codes,
            }
            for code in codes:
                _write_raw(folder / name / f"{split}.{code}.jsonl", task_type)
        world.write("tasks", card | more)


def _write_raw(path: Path, task_type: str, count: int = 8) -> None:
    chance = random.Random(str(path.relative_to(path.parents[1])))

    def word() -> str:
        return "".join(chance.choices("abcdefghij", k=6))

    rows: list[Example] = []
    for number in range(count):
        row: Example = {"id": f"{path.stem}-{number}"}
        if task_type == "classification":
            row |= {"text": word(), "text_pair": word(), "label": LABELS[number % 2]}
        elif task_type == "span_qa":
            context = " ".join(word() for _ in range(5))
            answer = {"text": context[7:13], "start": 7}
            row |= {"context": context, "question": word(), "answers": [answer]}
        else:
            rows.append({"id": f"c{number}", "side": "candidate", "text": word(), "relevant": []})
            row |= {"side": "query", "text": word(), "relevant": [f"c{number}"]}
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _list_downloads(folder: Path, task: str) -> None:
    """The checksums of a task's raw files, as the project's table lists them."""
    (folder / "envs").mkdir()
    (folder / "envs/lock.txt").write_bytes((folder / "lock.txt").read_bytes())
    raw = folder / "resources/raw"
    lines = [
        f"{path.relative_to(raw)}\t{file_sha256(path)}\t{path.stat().st_size}\n"
        for path in sorted((raw / task).iterdir())
    ]
    (folder / "config/downloads.tsv").write_text("path\tsha256\tbytes\n" + "".join(lines))


def _fetch_encoder(grid: Grid) -> None:
    artefact = grid.encoder("tiny")
    artefact.folder.mkdir(parents=True)
    for name in ENCODER_FILES:
        (artefact.folder / name).write_bytes(random.Random(name).randbytes(500))
    write_stamp(
        artefact.stamp,
        spec=artefact.digest,
        inputs={},
        files=[artefact.folder / name for name in ENCODER_FILES],
        outcomes={"commit": "0" * 40},
    )


def _prepare(grid: Grid, key: ExamplesKey) -> None:
    prepare(
        grid.cards.task(key.task),
        grid.cards.schema(key.task),
        key.split,
        key.language,
        resources=grid.paths.resources,
        mirror=None,
        checksums={},
        stamp=grid.examples_stamp(key),
        spec=grid.examples(key.task, key.split).digest,
    )


def _evaluate(grid: Grid, key: EvaluationKey, chance: random.Random) -> None:
    card, found, files = grid.cards.task(key.target), {}, {}
    scoring = load_scoring(card.task_type)
    for language in grid.resolved.languages[key.target]:
        stamp = grid.examples_stamp(ExamplesKey(key.target, "test", language))
        rows = examples.read(stamp.with_suffix(".parquet"))
        predictions = [_prediction(card.task_type, row, rows, chance) for row in rows]
        predictions = [row for row in predictions if row]
        threshold: dict[str, Any] = {}
        if card.scorer in scoring.threshold_scorers:
            value = scoring.choose_threshold(rows, predictions)
            predictions = scoring.apply_threshold(predictions, value)
            threshold = {"threshold": {"value": value, "tuned_on": "test"}}
        n, metrics = scoring.score(rows, predictions, card.scorer, language)
        files[language] = grid.paths.results / f"{language}.predictions"
        files[language].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(predictions), files[language], compression="zstd")
        found[language] = {
            "version": VERSION,
            **key._asdict(),
            "language": language,
            "spec": grid.evaluation(key).digest,
            "inputs": {
                "checkpoint": file_sha256(grid.evaluated(key).stamp),
                "examples": file_sha256(stamp),
            },
            "task_type": card.task_type,
            "primary": card.primary,
            "n": n,
            "metrics": metrics,
            "counts": {},
            "warnings": scoring.warnings(predictions),
            "device": "cpu",
            "precision": "fp32",
            "predictions": described(files[language]),
            **threshold,
        }
    scores.write(grid.paths.scores(key), found, files)
    for file in files.values():
        file.unlink()


def _prediction(
    task_type: str, row: Example, rows: list[Example], chance: random.Random
) -> PredictionRow:
    if task_type == "classification":
        return {"id": row["id"], "prediction": chance.choice(LABELS), "gold": row["label"]}
    if task_type == "span_qa":
        gold = [answer["text"] for answer in row["answers"]]
        said = chance.choice([*gold, "nothing"])
        return {"id": row["id"], "prediction": said, "gold": gold, REBUILT: said}
    if row["side"] == "candidate":
        return {}
    candidates = [other["id"] for other in rows if other["side"] == "candidate"]
    found = chance.choice([*row["relevant"], *candidates])
    score = 1 + chance.random()
    return {"id": row["id"], "prediction": found, "gold": row["relevant"], "score": score}
