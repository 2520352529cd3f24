"""Damaged cards, studies, stamps, states, score files, submissions, encoders and snapshots."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from fuzz.mutations import bounded_memory, cases, changed, damaged, damaged_json, refused
from support import tiny
from support.places import ROOT
from support.stored import evaluate, grid_in, put_inputs, train
from support.world import STUDY, world
from xstilts.analysis.score_submission import as_text, score_submission
from xstilts.config.catalogue import Catalogue
from xstilts.config.languages import read_languages
from xstilts.config.resolve import resolve
from xstilts.config.study_file import load_study
from xstilts.data import examples
from xstilts.errors import XstiltsError
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import sealed
from xstilts.grid.keys import EvaluationKey, TrainingKey
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.models import encoder_check
from xstilts.models.checkpoint import Checkpoint
from xstilts.provenance.digests import digest
from xstilts.provenance.stamp import StampReader, verify, write_stamp
from xstilts.runtime.job_state import read_state, state_file
from xstilts.status import overview, show
from xstilts.tasks.registry import SCHEMAS
from xstilts.training import saved_state
from xstilts.training import train as training
from xstilts.training.log import last_progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

__all__ = ["world"]

TRAINED = TrainingKey("tiny", "none", 1, "qa")
SCORED = EvaluationKey("tiny", "none", 1, "xqa")


def try_all(
    name: str,
    count: int,
    write: Callable[[Random], None],
    read: Callable[[], Any],
    most_accepted: float = 0.9,
) -> None:
    """Write ``count`` damaged inputs and read each; most of them must be refused by some line.

    ``most_accepted``: the share of inputs that may be read without an error: some damage makes
    another valid file, and what is read for a status counts as missing.
    """
    count_refused = tried = 0
    with bounded_memory():
        for random in cases(name, count):
            write(random)
            count_refused += refused(read, XstiltsError)
            tried += 1
    assert tried - count_refused <= most_accepted * tried


def yaml_or_bytes(path: Path, text: str, random: Random) -> None:
    """Damage a YAML file: its bytes, or the value that it holds."""
    if random.randrange(2):
        path.write_bytes(damaged(text.encode(), random))
    else:
        value = changed(yaml.safe_load(text), random)
        path.write_bytes(yaml.safe_dump(value, sort_keys=False).encode("utf-8", "surrogatepass"))


CARDS = ("xnli", "udpos", "masakhaner1", "xquad", "mewslix", "tydiqa_primary")


def test_language_tables(tmp_path):
    path, whole = tmp_path / "languages.tsv", (ROOT / "config" / "languages.tsv").read_bytes()
    some = b"".join(whole.splitlines(keepends=True)[:60])
    try_all(
        "languages",
        400,
        lambda random: path.write_bytes(damaged(some, random)),
        lambda: read_languages(path),
        most_accepted=1.0,
    )


def card_in(folder: Path, kind: str, name: str) -> tuple[str, Path]:
    """A folder of cards for one damaged card: the whole card's text, and where to write."""
    path = folder / kind / f"{name}.yaml"
    path.parent.mkdir()
    shutil.copy(ROOT / "config" / "languages.tsv", folder)
    return (ROOT / "config" / kind / f"{name}.yaml").read_text(encoding="utf-8"), path


@pytest.mark.parametrize("name", CARDS)
def test_cards(tmp_path, name):
    text, path = card_in(tmp_path, "tasks", name)
    try_all(
        name,
        150,
        lambda random: yaml_or_bytes(path, text, random),
        lambda: use_card(Catalogue(tmp_path, SCHEMAS), name),
    )


def use_card(cards: Catalogue, name: str) -> None:
    """Ask of a card what a study asks of it."""
    card = cards.task(name)
    for split in card.splits:
        for language in card.split_languages(split)[:3]:
            for source in card.splits[split].sources_for(language):
                card.raw_files(split, language, source)


@pytest.mark.parametrize("name", ["e5-small", "xlm-r-large"])
def test_encoder_cards(tmp_path, name):
    text, path = card_in(tmp_path, "encoders", name)
    try_all(
        name,
        150,
        lambda random: yaml_or_bytes(path, text, random),
        lambda: Catalogue(tmp_path, SCHEMAS).encoder(name),
    )


def test_studies(world):
    path = world.folder / "study.yaml"
    study = STUDY | {
        "languages": {"default": "all", "xqa": ["de"]},
        "training": {"all": {"epochs": 2.0}, "tasks": {"nli": {"batch_size": 8}}},
        "evaluation": {"max_examples": {"xqa": 10}},
        "multi": {"cap": 100},
    }
    text = yaml.safe_dump(study)
    try_all(
        "studies",
        1200,
        lambda random: yaml_or_bytes(path, text, random),
        lambda: resolve(*load_study([path]), world.cards),
    )


def test_stamps(tmp_path):
    """A stamp that is read for its status has no error: it counts as missing."""
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(name.encode())
    stamp = tmp_path / "stamp.json"
    files = [tmp_path / "a.bin", tmp_path / "b.bin"]
    inputs = {"encoder": "1" * 64}
    write_stamp(stamp, spec="0" * 64, inputs=inputs, files=files, outcomes={"rows": 3})
    value = json.loads(stamp.read_text())

    def read() -> None:
        reader = StampReader()
        reader.sha256(stamp), reader.spec(stamp), reader.has_files(stamp), reader.outcomes(stamp)
        set(reader.inputs(stamp).values()), reader.files(stamp)
        verify(stamp, "0" * 64)

    try_all("stamps", 1000, lambda random: stamp.write_bytes(damaged_json(value, random)), read)


def test_states_of_jobs(tmp_path):
    log = tmp_path / "a.log"
    value = {
        "state": "running",
        "started": "2026-01-01T00:00:00+00:00",
        "host": "node7",
        "kernel": None,
        "pid": 12,
        "process_start": "7",
        "slurm_job": None,
        "reason": "no",
    }
    try_all(
        "states",
        800,
        lambda random: state_file(log).write_bytes(damaged_json(value, random)),
        lambda: read_state(log),
        most_accepted=1.0,
    )


def test_logs_of_trainings(tmp_path):
    log = tmp_path / "log.jsonl"
    value = {"step": 2, "of": 8, "loss": 0.5, "tokens": 90, "tokens_per_second": 9}
    value |= {"seconds": 10.0, "seconds_left": 30.0}
    try_all(
        "logs",
        500,
        lambda random: log.write_bytes(damaged_json(value, random)),
        lambda: last_progress(log),
        most_accepted=1.0,
    )


@pytest.mark.parametrize("what", ["scores", "stamp", "state", "log", "plan"])
def test_the_status_of_a_grid(world, tmp_path, what, capsys):
    """Whatever lies in its folders."""
    grid = grid_in(world, tmp_path, targets=["xqa"], conditions=["none"], seeds=[1])
    put_inputs(grid)
    train(grid, TRAINED)
    evaluate(grid, SCORED)
    stamp, log = grid.training(TRAINED).stamp, grid.paths.log("train", TRAINED)
    path = {
        "scores": grid.paths.scores(SCORED),
        "stamp": stamp,
        "state": state_file(log),
        "log": stamp.parent / "log.jsonl",
        "plan": grid.paths.results / "plan.json",
    }[what]
    running = {"state": "running", "started": "t", "host": "node7", "pid": 1, "slurm_job": None}
    if what in ("state", "log"):
        stamp.unlink()
        log.parent.mkdir(parents=True, exist_ok=True)
        state_file(log).write_text(json.dumps(running))
    text = path.read_bytes() if path.exists() else json.dumps(running).encode()

    def write(random: Random) -> None:
        lines = text.splitlines()
        number = random.randrange(len(lines))
        if random.randrange(2) and what != "stamp":
            value = json.loads(lines[number])
            lines[number] = crafted(value, random) or damaged_json(value, random)
            path.write_bytes(b"\n".join(lines) + b"\n")
        else:
            path.write_bytes(damaged(text, random))

    def read() -> None:
        show.show(grid, as_json=True)
        show.render(overview.survey(grid))

    try_all(f"status {what}", 60, write, read, most_accepted=1.0)


def crafted(score: dict[str, Any], random: Random) -> bytes | None:
    """A score of another content with the digest of it, as one who wants to deceive writes it."""
    other = changed(score, random)
    try:
        return json.dumps(sealed(other)).encode()
    except (AttributeError, TypeError, ValueError):  # no object, or nothing that has a digest
        return None


def test_score_files(world, tmp_path):
    grid = grid_in(world, tmp_path, targets=["xqa"], conditions=["none"], seeds=[1])
    put_inputs(grid)
    train(grid, TRAINED)
    evaluate(grid, SCORED)
    path = grid.paths.scores(SCORED)
    table = pa.Table.from_pylist([{"id": "1", "prediction": "Rom", "gold": ["Rom"]}] * 3)
    pq.write_table(table, tmp_path / "de.parquet")
    stored = tmp_path / "de.parquet"
    score = scores.read(path)["de"] | {"predictions": described(stored)}
    scores.write(path, {"de": score}, {"de": stored})
    kept = path.read_bytes(), scores.archive(path).read_bytes()

    def write(random: Random) -> None:
        """Damage the lines, the archive, or the predictions under a line that says their sha256."""
        kind = random.randrange(3)
        path.write_bytes(damaged(kept[0], random) if kind == 0 else kept[0])
        scores.archive(path).write_bytes(damaged(kept[1], random) if kind == 1 else kept[1])
        if kind == 2:
            other = tmp_path / "other.parquet"
            other.write_bytes(damaged(stored.read_bytes(), random))
            scores.write(path, {"de": score | {"predictions": described(other)}}, {"de": other})

    def read() -> None:
        found = scores.read(path)
        scores.verified_languages(path, found.values())
        for read_score in found.values():
            scores.predictions(path, read_score).to_pylist()

    try_all("score files", 500, write, read)


SUBMISSIONS: dict[str, tuple[str, str]] = {
    "xnli": ("test-de.tsv", "entailment\nneutral\ncontradiction\n"),
    "panx": ("test-de.tsv", "B-LOC\nI-LOC\nO\n\nB-PER\nO\n"),
    "udpos": ("test-de.tsv", "NOUN\nVERB\n\nSCONJ\n"),
    "xcopa": ("test-qu.jsonl", '{"label": 0}\n{"label": 1}\n'),
    "bucc2018": ("test-de.tsv", "de-1\ten-1\nde-2\ten-2\n"),
    "tatoeba": ("test-de.tsv", "0\n1\n2\n"),
    "mewslix": ("test-de.json", '{"m1": ["Q1"], "m2": ["Q2", "Q3"]}'),
    "xquad": (
        "test-de.json",
        '{"data": [{"paragraphs": [{"context": "", "qas": [{"id": "q1", "question": "?", '
        '"answers": [{"text": "Rom", "answer_start": 3}]}]}]}]}',
    ),
    "mlqa": ("test-de.json", '{"q1": "Rom", "q2": "die Stadt"}'),
}


@pytest.mark.parametrize("task", SUBMISSIONS)
def test_submissions(tmp_path, task):
    name, text = SUBMISSIONS[task]
    labels, predictions = (tmp_path / side / task / name for side in ("labels", "predictions"))
    whole = text
    if task in ("xquad", "mlqa"):
        whole = SUBMISSIONS["xquad"][1]
        text = SUBMISSIONS["mlqa"][1] if task == "mlqa" else '{"q1": "Rom"}'

    def write(random: Random) -> None:
        for path, content in ((labels, whole), (predictions, text)):
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("json") and random.randrange(2):
                data = damaged_json(json.loads(content), random)
            elif random.randrange(3):
                data = damaged(content.encode(), random)
            else:
                data = content.encode()
            path.write_bytes(data)

    def read() -> None:
        as_text(score_submission(tmp_path / "labels", tmp_path / "predictions"))

    try_all(f"submissions {task}", 150, write, read)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tiny.encoder(tmp_path_factory.mktemp("encoder")).parent
    encoder_check.check(folder, "bert")  # the first look at a network loads parts of torch
    return folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_encoders(encoder, tmp_path, name):
    folder = shutil.copytree(encoder, tmp_path / "encoder")
    path, whole = folder / name, (encoder / name).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")

    def write(random: Random) -> None:
        if name != "model.safetensors":
            path.write_bytes(damaged_json(json.loads(whole), random))
        elif random.randrange(2):
            path.write_bytes(damaged(whole, random))
        else:
            data = damaged_json(json.loads(whole[8:header]), random)
            path.write_bytes(len(data).to_bytes(8, "little") + data + whole[header:])

    try_all(f"encoders {name}", 100, write, lambda: encoder_check.check(folder, "bert"))


def test_checkpoints(tmp_path):
    """Their stamp is verified before; whoever writes both is not believed either."""
    made = tiny.training_job(tmp_path)
    training.run(made)
    whole = (made.folder / "weights.safetensors").read_bytes()
    path = tmp_path / "weights.safetensors"
    try_all(
        "checkpoints",
        150,
        lambda random: path.write_bytes(damaged(whole, random)),
        lambda: Checkpoint.load(path, made.encoder.parent),
    )


def test_saved_states(tmp_path, capsys):
    """A damaged one is dropped, and a line says so."""
    path, kept = tmp_path / saved_state.STATE, tmp_path / "kept"
    saved_state.write(kept, {"a": torch.ones(3)}, {"step": 3, "spec": "x"})
    whole = kept.read_bytes()
    try_all(
        "saved states",
        400,
        lambda random: path.write_bytes(damaged(whole, random)),
        lambda: saved_state.load(path, {"spec": "x"}),
        most_accepted=1.0,
    )


def test_examples(tmp_path):
    path = tmp_path / "en.parquet"
    examples.write(path, SCHEMAS["tagging"], tiny.tagged(20))
    whole = path.read_bytes()
    try_all(
        "examples",
        500,
        lambda random: path.write_bytes(damaged(whole, random)),
        lambda: examples.read(path),
    )


def test_snapshots(world, tmp_path):
    """A crafted one has the name that its content's digest asks for."""
    grid = world.grid()
    value = json.loads(save_snapshot(grid).read_text())
    path = tmp_path

    def write(random: Random) -> None:
        nonlocal path
        path.unlink(missing_ok=True) if path != tmp_path else None
        content = changed(value, random)
        try:
            name = digest(content)
        except (ValueError, TypeError, UnicodeEncodeError):
            name = "0" * 64
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))

    try_all("snapshots", 300, write, lambda: load_snapshot(path))
