"""A study's predictions as XTREME submissions: scored again, they give the study's scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import tiny
from xstilts.analysis import score_submission, submission
from xstilts.data import examples
from xstilts.errors import LineageError, StudyError
from xstilts.evaluation import scores as score_files
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION
from xstilts.grid.keys import EvaluationKey, ExamplesKey
from xstilts.grid.opening import open_grid
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import verify
from xstilts.tasks.base import load_model
from xstilts.tasks.registry import SCHEMAS
from xstilts.tasks.scoring import load_scoring

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.config.resolve import ScoreKey
    from xstilts.grid.artefacts import Grid

CARDS = {  # task type, scorer, primary, labels
    "xnli": ("classification", "accuracy", "accuracy", ["entailment", "neutral", "contradiction"]),
    "pawsx": ("classification", "accuracy", "accuracy", ["different", "paraphrase"]),
    "xcopa": ("multiple_choice", "accuracy", "accuracy", None),
    "panx": ("tagging", "span_f1", "f1", ["O", "B-PER", "I-PER", "B-LOC"]),
    "udpos": ("tagging", "chunk_f1_upos", "f1", ["NOUN", "VERB", "SCONJ"]),
    "xquad": ("span_qa", "squad", "em_f1", None),
    "mlqa": ("span_qa", "mlqa", "em_f1", None),
    "tydiqa": ("span_qa", "squad", "em_f1", None),
    "tatoeba": ("retrieval", "nearest", "accuracy", None),
    "bucc2018": ("retrieval", "bucc", "f1", None),
    "mewslix": ("retrieval", "map20", "map_at_20", None),
    "aside": ("multiple_choice", "accuracy", "accuracy", None),
}
LANGUAGES = ["en", "de"]


def rows_of(target: str, seed: int) -> list[examples.Example]:
    task_type, _, _, labels = CARDS[target]
    rng = np.random.default_rng(seed)
    if task_type == "retrieval":
        return tiny.translations(12)
    if task_type == "tagging":
        rows = tiny.tagged(12)
        return [
            row | {"tags": [str(tag) for tag in rng.choice(labels, len(row["tokens"]))]}
            for row in rows
        ]
    if task_type == "classification":
        return [row | {"label": str(rng.choice(labels))} for row in tiny.sentences(12)]
    return tiny.choices(12) if task_type == "multiple_choice" else tiny.questions(12, "bcdefgh")


def predict(target: str, rows, seed: int):
    """What a weak model says: predictions of the target's task type from random outputs."""
    task_type, scorer, _, labels = CARDS[target]
    model, rng = load_model(task_type), np.random.default_rng(seed)
    if task_type == "retrieval":
        outputs = [rng.normal(size=6) for _ in rows]
        found = model.decode(rows, None, outputs, (), scorer)  # type: ignore[arg-type]
        return load_scoring(task_type).apply_threshold(found, 1.1) if scorer == "bucc" else found
    if task_type == "tagging":
        said = [[str(t) for t in rng.choice(labels, len(r["tags"]))] for r in rows]
        return [
            {"id": r["id"], "prediction": p, "gold": r["tags"]}
            for r, p in zip(rows, said, strict=True)
        ]
    if task_type == "span_qa":
        return [
            {
                "id": r["id"],
                "prediction": r["context"][: 1 + i % 3] if i % 2 else r["answers"][0]["text"],
                "gold": [a["text"] for a in r["answers"]],
                "legacy_words": "",
            }
            for i, r in enumerate(rows)
        ]
    choose = (lambda r: int(rng.integers(2))) if labels is None else (lambda r: rng.choice(labels))
    said = [choose(r) for r in rows]
    return [
        {"id": r["id"], "prediction": p if labels is None else str(p), "gold": r["label"]}
        for r, p in zip(rows, said, strict=True)
    ]


@pytest.fixture
def grid(world) -> Grid:
    """A finished grid of every task of the benchmarks, and one more."""
    for name, (task_type, scorer, primary, labels) in CARDS.items():
        recipe = None if task_type == "retrieval" else name
        split = {
            "reader": "parallel_lines",
            "files": {
                part: {"path": f"{name}.{part}", "url": "https://x.org/"}
                for part in ("english", "foreign")
            },
        }
        world.write(
            "tasks",
            {
                **{"task": name, "title": "T", "summary": "S.", "licence": "MIT", "citation": "C"},
                **{
                    "task_type": task_type,
                    "languages": LANGUAGES,
                    "scorer": scorer,
                    "primary": primary,
                },
                **({"labels": labels} if labels else {}),
                **({"recipe": recipe} if recipe else {}),
                "splits": {"test": split} | ({"train": split} if recipe else {}),
            },
        )
    said = {
        "conditions": ["none", "nli"],
        "targets": list(CARDS),
        "seeds": [1],
        "resources": str(world.folder / "resources"),
        "evaluation": {"max_examples": {"tatoeba": 9}},
    }
    said = world.study | {"results": str(world.folder / "results")} | said
    made = open_grid(said, "study.yaml", world.config, world.folder / "lock.txt")
    for number, cell in enumerate(made.resolved.score_keys()):
        keep(made, cell, number)
    return made


def keep(grid: Grid, cell: ScoreKey, seed: int) -> None:
    """Write a score as an evaluation does, with made-up predictions."""
    stamp = grid.examples_stamp(ExamplesKey(cell.target, "test", cell.language))
    task_type, scorer, primary, _ = CARDS[cell.target]
    if not stamp.exists():
        tiny.split(stamp, task_type, rows_of(cell.target, seed))
    all_rows = examples.read(stamp.with_suffix(".parquet"))
    rows = examples.first(SCHEMAS[task_type], all_rows, grid.study.evaluation.limit(cell.target))
    predictions = predict(cell.target, rows, seed)
    n, metrics = load_scoring(task_type).score(rows, predictions, scorer, cell.language)
    file = grid.paths.results / "predictions.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(predictions), file)
    key = EvaluationKey(cell.encoder, cell.condition, cell.seed, cell.target)
    score = {
        "version": VERSION,
        **key._asdict(),
        "language": cell.language,
        "spec": grid.evaluation(key).digest,
        "inputs": {"checkpoint": "0" * 64, "examples": file_sha256(stamp)},
        "task_type": task_type,
        "primary": primary,
        "n": n,
        "metrics": metrics,
        "warnings": [],
        "predictions": described(file),
    }
    path = grid.paths.scores(key)
    scores = score_files.read(path) | {cell.language: score}
    score_files.write(path, scores, {cell.language: file})


def scores_of(grid: Grid, condition: str, target: str) -> Path:
    """The score file of a target."""
    return grid.paths.scores(EvaluationKey("tiny", condition, 1, target))


def test_scored_again_a_submission_gives_the_scores_of_the_study(grid):
    """To the last bit, for every task that the benchmarks have, and for each system."""
    submission.write(grid)
    home = grid.submission.stamp.parent
    for condition in ("none", "nli"):
        system = home / "tiny" / condition / "seed1"
        scores = score_submission.score_submission(home / "labels", system, "xtreme-r")
        assert set(scores) == set(score_submission.TASKS) == set(CARDS) - {"aside"}
        for task, result in scores.items():
            for language in LANGUAGES:
                cell = score_files.read(scores_of(grid, condition, task))[language]
                names = {"map@20": "map_at_20"}
                for metric, value in result["languages"][language].items():
                    assert value == cell["metrics"][names.get(metric, metric)]
    assert score_submission.score_submission(home / "labels", home / "tiny/none/seed1") != (
        score_submission.score_submission(home / "labels", home / "tiny/nli/seed1")
    )


def test_the_files_are_those_of_xtreme(grid):
    """As ``xstilts score`` and the official evaluator read them."""
    submission.write(grid)
    folder = grid.submission.stamp.parent / "tiny/none/seed1"
    assert set((folder / "pawsx/test-de.tsv").read_text().split()) <= {"0", "1"}
    assert len((folder / "tatoeba/test-de.tsv").read_text().splitlines()) == 9
    blocks = (folder / "panx/test-en.tsv").read_text().split("\n\n")
    assert [len(b.split()) for b in blocks if b] == [len(r["tokens"]) for r in tiny.tagged(12)]
    assert set(json.loads((folder / "mlqa/test-de.json").read_text())) == {
        row["id"] for row in tiny.questions(12)
    }
    first = (folder / "xcopa/test-en.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["label"] in (0, 1)


def test_the_stamp_lists_every_file(grid):
    """And old files are removed."""
    home = grid.submission.stamp.parent
    (home / "old").mkdir(parents=True)
    submission.write(grid)
    assert not (home / "old").exists()
    stamp = verify(grid.submission.stamp)
    assert stamp["spec"] == grid.submission.digest
    assert len(stamp["files"]) == 11 * 2 * 3  # tasks, languages; two systems and the labels


def test_predictions_that_were_not_scored_are_refused(grid):
    """Such as predictions that were swapped or edited after scoring."""
    path = score_files.archive(scores_of(grid, "none", "xnli"))
    path.write_bytes(path.read_bytes().replace(b"PAR1", b"PAR2", 1))
    message = r"xnli\.jsonl: de: its predictions are not those that it was computed from"
    with pytest.raises(LineageError, match=message):
        submission.write(grid)


def test_a_missing_score_is_named(grid):
    """A submission is complete or not written."""
    score_files.invalidate(scores_of(grid, "nli", "xquad"), ["en"])
    message = r"nli/seed1/xquad\.jsonl: has no score of 'en'; run snakemake"
    with pytest.raises(LineageError, match=message):
        submission.write(grid)


def test_a_study_without_a_task_of_the_benchmarks_has_no_submission(world):
    """It says which tasks there are."""
    with pytest.raises(StudyError, match="no target is a task of XTREME or XTREME-R; add one of"):
        submission.write(world.grid(targets=["pairs"]))
