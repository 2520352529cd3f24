"""Ways to tamper with the folder of a finished study. Each gives the path that must be named."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.data import examples
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described, member_name
from xstilts.evaluation.score_line import line_of
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.digests import digest, file_sha256
from xstilts.provenance.files import write_json
from xstilts.tasks.scoring import load_scoring

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from xstilts.evaluation.score_line import Score
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey


def flip_bit(path: Path, chance: random.Random, begin: int = 0, end: int | None = None) -> None:
    """Change one bit of a file, between two places."""
    content = bytearray(path.read_bytes())
    place = chance.randrange(begin, len(content) if end is None else end)
    content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def a_score_file(grid: Grid, chance: random.Random) -> tuple[EvaluationKey, Path]:
    key = chance.choice(grid.reads.evaluations())
    return key, grid.paths.scores(key)


def rewrite(path: Path, language: str, change: Callable[[Score], Any]) -> None:
    """Change a score and seal it again, as a program would that knows the format."""
    found = scores.read(path)
    change(found[language])
    path.write_text("".join(line_of(found[code]) for code in sorted(found)))


def a_language(path: Path, chance: random.Random) -> str:
    return chance.choice(sorted(scores.read(path)))


# --- scores and predictions ----------------------------------------------------------------------


def byte_of_a_prediction(grid: Grid, chance: random.Random) -> Path:
    """Within the bytes of a language's predictions."""
    _, path = a_score_file(grid, chance)
    archive = scores.archive(path)
    with zipfile.ZipFile(archive) as whole:
        info = chance.choice(whole.infolist())
    begin = info.header_offset + 30 + len(info.filename)
    flip_bit(archive, chance, begin, begin + info.file_size)
    return path


def digit_of_a_metric(grid: Grid, chance: random.Random) -> Path:
    """In an editor: the digest of the line stays."""
    _, path = a_score_file(grid, chance)
    lines = path.read_text().splitlines(keepends=True)
    number = chance.randrange(len(lines))
    before = json.loads(lines[number])
    begin = lines[number].index('"metrics":{')
    end = lines[number].index("}", begin)
    while json.loads(lines[number])["metrics"] == before["metrics"]:
        place = chance.choice([i for i in range(begin, end) if lines[number][i].isdigit()])
        digit = chance.choice("123456789")
        edited = lines[number][:place] + digit + lines[number][place + 1 :]
        lines[number] = edited if _parses(edited) else lines[number]
    path.write_text("".join(lines))
    return path


def _parses(line: str) -> bool:
    try:
        return set(json.loads(line)["metrics"]) is not None
    except ValueError:
        return False


def metric_and_its_digest(grid: Grid, chance: random.Random) -> Path:
    """By a program that seals the line again."""
    _, path = a_score_file(grid, chance)

    def change(score: Score) -> None:
        name = chance.choice(sorted(score["metrics"]))
        score["metrics"][name] += chance.choice([-1, 1]) * 10.0 ** -chance.randrange(6)

    rewrite(path, a_language(path, chance), change)
    return path


def predictions_of_two_languages(grid: Grid, chance: random.Random) -> Path:
    """Swapped in their archive; or in the lines as well, so that their digests fit."""
    _, path = a_score_file(grid, chance)
    found = scores.read(path)
    one, other = sorted(found)
    with zipfile.ZipFile(scores.archive(path)) as whole:
        content = {code: whole.read(member_name(code)) for code in found}
    with zipfile.ZipFile(scores.archive(path), "w") as whole:
        whole.writestr(member_name(one), content[other])
        whole.writestr(member_name(other), content[one])
    if chance.random() < 0.5:
        of_one, of_other = found[one]["predictions"], found[other]["predictions"]
        rewrite(path, one, lambda score: score.update(predictions=of_other))
        rewrite(path, other, lambda score: score.update(predictions=of_one))
    return path


def an_old_score(grid: Grid, chance: random.Random) -> Path:
    """A whole line of an earlier study, library or checkpoint, in the place of the present one."""
    _, path = a_score_file(grid, chance)
    old = digest(chance.random())

    def change(score: Score) -> None:
        role = chance.choice(["spec", "checkpoint", "examples"])
        if role == "spec":
            score["spec"] = old
        else:
            score["inputs"][role] = old

    rewrite(path, a_language(path, chance), change)
    return path


def a_line_twice(grid: Grid, chance: random.Random) -> Path:
    """An old line behind the present ones."""
    _, path = a_score_file(grid, chance)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, chance.choice(lines)]))
    return path


# --- shared artefacts ----------------------------------------------------------------------------


def weight(grid: Grid, chance: random.Random) -> Path:
    """A bit of a checkpoint or of an encoder."""
    found = sorted(grid.paths.resources.rglob("*.safetensors"))
    path = chance.choice(found)
    flip_bit(path, chance)
    return path


def byte_of_a_raw_file(grid: Grid, chance: random.Random) -> Path:
    path = chance.choice(_raw_files(grid))
    flip_bit(path, chance)
    return path


def raw_files_of_two_languages(grid: Grid, chance: random.Random) -> Path:
    """Swapped under their names."""
    first = chance.choice([p for p in _raw_files(grid) if ".sw." in p.name])
    (other,) = (p for p in first.parent.glob("test.*") if p != first)
    swap(first, other)
    return first


def _raw_files(grid: Grid) -> list[Path]:
    raw = grid.paths.resources / "raw"
    return [path for path in sorted(raw.rglob("*.jsonl")) if not path.name.startswith(".")]


def swap(one: Path, other: Path) -> None:
    """Each file under the other's name."""
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def examples_of_two_languages(grid: Grid, chance: random.Random) -> Path:
    """Swapped with their stamps, or without."""
    target = chance.choice(grid.study.targets)
    one, other = (
        grid.examples_stamp(ExamplesKey(target, "test", code))
        for code in grid.resolved.languages[target]
    )
    swap(one.with_suffix(".parquet"), other.with_suffix(".parquet"))
    if chance.random() < 0.5:
        swap(one, other)
    return one.parent


def a_deleted_stamp(grid: Grid, chance: random.Random) -> Path:
    path = chance.choice(stamps(grid))
    path.unlink()
    return path


def stamps(grid: Grid) -> list[Path]:
    """The stamps of encoders, examples and checkpoints."""
    found = grid.paths.resources.rglob("*.json")
    return sorted(path for path in found if path.name not in ("run.json", *ENCODER_FILES))


def stamp_and_file(grid: Grid, chance: random.Random) -> Path:
    """An artefact changed together with its stamp, but with nothing that names the stamp."""
    path = chance.choice(stamps(grid))
    stamp = json.loads(path.read_text())
    name = chance.choice(sorted(stamp["files"]))
    flip_bit(path.parent / name, chance)
    stamp["files"][name]["sha256"] = file_sha256(path.parent / name)
    write_json(path, stamp)
    return path


def examples_and_all_that_follows(grid: Grid, chance: random.Random) -> Path:
    """Gold answers changed in examples, stamp and scores, all of it consistent but the raw file."""
    target, language = "xnli", chance.choice(["en", "sw"])
    stamp = grid.examples_stamp(ExamplesKey(target, "test", language))
    parquet = stamp.with_suffix(".parquet")
    rows = examples.read(parquet)
    row = chance.choice(rows)
    row["label"] = {"yes": "no", "no": "yes"}[row["label"]]
    examples.write(parquet, grid.cards.schema(target), rows)
    content = json.loads(stamp.read_text())
    content["files"][parquet.name] = {
        "sha256": file_sha256(parquet),
        "bytes": parquet.stat().st_size,
    }
    write_json(stamp, content)
    for key in grid.reads.evaluations():
        if key.target == target:
            _score_again(grid, key, language, rows, file_sha256(stamp))
    return stamp.parent


def _score_again(
    grid: Grid, key: EvaluationKey, language: str, rows: list[examples.Example], stamp: str
) -> None:
    path, scoring = grid.paths.scores(key), load_scoring("classification")
    score = scores.read(path)[language]
    gold = {row["id"]: row["label"] for row in rows}
    said = scores.predictions(path, score).to_pylist()
    said = [row | {"gold": gold[row["id"]]} for row in said]
    file = path.with_name("forged.parquet")
    pq.write_table(pa.Table.from_pylist(said), file, compression="zstd")
    n, metrics = scoring.score(rows, said, "accuracy", language)
    forged = score | {"n": n, "metrics": metrics, "predictions": described(file)}
    forged["inputs"] = score["inputs"] | {"examples": stamp}
    scores.write(path, scores.read(path) | {language: forged}, {language: file})
    file.unlink()


def input_of_a_stamp(grid: Grid, chance: random.Random) -> Path:
    """A checkpoint's record of what it was trained from, and the scores that name the record."""
    key = chance.choice(grid.reads.trainings())
    path = grid.training(key).stamp
    before, stamp = file_sha256(path), json.loads(path.read_text())
    role = chance.choice(sorted(stamp["inputs"]))
    stamp["inputs"][role] = digest(chance.random())
    write_json(path, stamp)
    for scored in grid.reads.evaluations():
        file = grid.paths.scores(scored)
        for language, score in scores.read(file).items():
            if score["inputs"]["checkpoint"] == before:
                new = {"checkpoint": file_sha256(path)}
                rewrite(file, language, lambda s, new=new: s["inputs"].update(new))
    return path
