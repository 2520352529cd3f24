"""Random histories of a study, with Snakemake and real training: the end is that of a fresh run.

Each sequence edits the study, deletes and damages files and Snakemake's records, then runs. The
study has variants; a project that has run each of them alone gives the tables that are expected.
(`tests/unit/workflow/test_reruns_property.py` tries hundreds of histories without Snakemake.)
"""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.project import Project, new_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.workflow

SEQUENCES = 12
SMALL = {"targets": ["cldr_region"], "languages": ["en", "sw"]}
OTHER = {"all": {"epochs": 1, "batch_size": 8, "max_examples": 8, "max_length": 64}}
VARIANTS = [
    {},
    {"conditions": ["none"], "languages": ["sw"]},
    {"conditions": ["none"], "training": OTHER},
]
"""What the last edit of a sequence leaves; the finished study has all that the first two need."""
LOSSES: dict[str, Callable[[Project], object]] = {
    "rm -rf .snakemake": lambda p: shutil.rmtree(p.folder / ".snakemake", ignore_errors=True),
    "--touch": lambda p: p.snakemake("--touch", check=False),
    "--cleanup-metadata": lambda p: p.snakemake(
        "--cleanup-metadata", "results/tiny/grid.parquet", "results/tiny/report.html", check=False
    ),
    "": lambda p: None,
}
DAMAGES: dict[str, str] = {
    "a score file": "results/tiny/scores/**/*.jsonl",
    "an archive": "results/tiny/scores/**/*.zip",
    "a checkpoint's stamp": "resources/checkpoints/*/*/stamp.json",
    "weights": "resources/checkpoints/*/*/weights.safetensors",
    "examples": "resources/examples/*/*.parquet",
    "a stamp of examples": "resources/examples/*/*.json",
    "an encoder": "resources/encoders/*/*.safetensors",
    "the table": "results/tiny/grid.parquet",
    "the report": "results/tiny/report.html",
}


def copy_of(project: Project, folder: Path) -> Project:
    """A copy, with times and Snakemake's records."""
    subprocess.run(["cp", "-a", str(project.folder), str(folder)], check=True)
    return Project(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose small study has run to its end."""
    project = new_project(tmp_path_factory.mktemp("small") / "project")
    project.study(**SMALL)
    project.snakemake()
    return project


@pytest.fixture(scope="module")
def tables(small: Project, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The table of each variant, computed in an empty folder."""
    found = [(small.folder / "results/tiny/grid.parquet").read_bytes()]
    for number, variant in enumerate(VARIANTS[1:]):
        fresh = new_project(tmp_path_factory.mktemp(f"fresh{number}") / "project")
        fresh.study(**SMALL | variant)
        fresh.snakemake()
        found.append((fresh.folder / "results/tiny/grid.parquet").read_bytes())
    return found


def damage(project: Project, chance: random.Random) -> str:
    """Delete, truncate or empty one file; say which."""
    pattern = DAMAGES[chance.choice(list(DAMAGES))]
    path = chance.choice(sorted(project.folder.glob(pattern)) or [project.folder / "README.md"])
    if not path.is_file():
        return "nothing is left to damage"
    how = chance.choice(["delete", "truncate", "empty"])
    content = path.read_bytes()
    path.chmod(0o644)
    path.unlink()
    if how != "delete":
        path.write_bytes(content[: len(content) // 2] if how == "truncate" else b"")
    return f"{how} {path.relative_to(project.folder)}"


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_end_is_that_of_a_fresh_run(
    seed: int, small: Project, tables: list[bytes], tmp_path: Path
) -> None:
    """And every checkpoint that was not damaged keeps its bytes and its time."""
    chance = random.Random(seed)
    project = copy_of(small, tmp_path / "project")
    history = [damage(project, chance) for _ in range(chance.randint(0, 3))]
    loss = chance.choice(list(LOSSES))
    LOSSES[loss](project)
    variant = chance.randrange(len(VARIANTS))
    project.study(**SMALL | VARIANTS[variant])
    weights = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in project.folder.glob("resources/checkpoints/*/*/weights.safetensors")
        if not any(str(path.parent.relative_to(project.folder)) in line for line in history)
    }
    arguments = chance.choice([[], ["--rerun-triggers", "mtime"]])
    project.snakemake(*arguments)
    found = (project.folder / "results/tiny/grid.parquet").read_bytes()
    sequence = f"{history}, {loss!r}, {VARIANTS[variant]}, {arguments}"
    assert found == tables[variant], sequence
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in weights}
    assert after == weights, sequence
