"""A copy of the project with a tiny study, and Snakemake run on it as a user would."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

HOME = Path(__file__).parents[2]
PARTS = ("Snakefile", "pyproject.toml", "workflow", "config", "profiles", "envs", "src")
STUDY = {
    "study": "tiny",
    "encoders": ["tiny"],
    "conditions": ["none", "facts_nli"],
    "targets": ["cldr_region", "ui_strings"],
    "languages": ["en", "sw", "de"],
    "seeds": [1],
    "training": {"all": {"epochs": 1, "batch_size": 8, "max_examples": 16, "max_length": 64}},
    "evaluation": {"max_examples": 6},
}
NO_NETWORK = """
import socket

def refuse(self, address):
    raise OSError(f"this test forbids the network: {address}")

socket.socket.connect = socket.socket.connect_ex = refuse
"""
"""As ``sitecustomize.py`` on the path it keeps every process from opening a connection."""
TINY_CARD = {
    "encoder": "tiny",
    "title": "A tiny random encoder",
    "summary": "Random weights, for tests.",
    "licence": "none",
    "citation": "none",
    "architecture": "bert",
    "folder": "tiny",
    "retrieval_layer": 1,
}


def make_encoder(folder: Path) -> None:
    """A random two-layer encoder as an ordinary Hugging Face folder; always the same bytes."""
    import torch
    import transformers
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    letters = [chr(c) for c in range(33, 127)]
    vocabulary = {w: i for i, w in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        pad_token_id=1,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def planned_jobs(output: str) -> dict[str, int]:
    """Read the number of jobs of each rule, but for ``all``, from the output of a dry run.

    Raises `AssertionError` where the output neither has a table of jobs nor says that nothing is
    to be done: a test must not take output that nobody understands for an empty plan.
    """
    if "Nothing to be done" in output:
        return {}
    _, title, table = output.partition("Job stats:\n")
    rows, total, rest = table.partition("\ntotal ")
    if not (title and total):
        raise AssertionError(f"this is no plan of a dry run:\n{output}")
    jobs = {rule: int(count) for rule, count in map(str.split, rows.splitlines()[2:])}
    if sum(jobs.values()) != int(rest.split(maxsplit=1)[0]):
        raise AssertionError(f"the counts do not add up to the total:\n{output}")
    jobs.pop("all", None)
    return jobs


@dataclass
class Project:
    """A project folder and what one does with it."""

    folder: Path

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake; its output is in ``stdout``."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        environment["PYTHONPATH"] = str(self.folder / "src")
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            raise AssertionError(f"snakemake ended with {done.returncode}:\n{done.stdout}")
        return done

    def study(self, **changes: object) -> None:
        """Write the study file."""
        text = yaml.safe_dump(STUDY | changes, sort_keys=False)
        (self.folder / "config/config.yaml").write_text(text)

    def xstilts(self, *arguments: str, check: bool = True) -> str:
        """Run the command ``xstilts``; return what it printed."""
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src")}
        done = subprocess.run(
            [sys.executable, "-m", "xstilts.cli.main", *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        if check and done.returncode:
            raise AssertionError(f"xstilts ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def study_as_written(self) -> dict[str, object]:
        """The study file, as YAML reads it."""
        text = (self.folder / "config/config.yaml").read_text()
        return dict(yaml.safe_load(text))

    def planned(self, *arguments: str) -> dict[str, int]:
        """The number of jobs of each rule that a dry run lists, but for ``all``."""
        return planned_jobs(self.snakemake("-n", "-q", "rules", *arguments).stdout)

    def prints(self, pattern: str) -> dict[str, str]:
        """The sha256 of every file that matches, by its path."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.glob(pattern))
            if path.is_file()
        }

    def scores(self) -> dict[str, str]:
        """Of every score the sha256 of its line and of its predictions."""
        found = {}
        for path in sorted(self.folder.glob("results/tiny/scores/**/*.jsonl")):
            name = path.relative_to(self.folder).with_suffix("")
            for line in path.read_bytes().splitlines():
                score = f"{name}/{json.loads(line)['language']}.json"
                found[score] = hashlib.sha256(line).hexdigest()
            with zipfile.ZipFile(path.with_suffix(".zip")) as archive:
                for member in archive.namelist():
                    found[f"{name}/{member}"] = hashlib.sha256(archive.read(member)).hexdigest()
        return found

    def score(self, path: str, language: str) -> dict[str, object] | None:
        """The line of a language in a score file."""
        lines = (self.folder / path).read_text().splitlines()
        return next((s for s in map(json.loads, lines) if s["language"] == language), None)

    def drop(self, path: str, language: str) -> None:
        """Delete the line of a language from a score file, as one would in an editor."""
        file = self.folder / path
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(x for x in lines if json.loads(x)["language"] != language))

    def delete_logs(self) -> None:
        """Delete the logs of evaluations, so that they show what is evaluated next."""
        for log in self.folder.glob("results/tiny/logs/evaluate/**/*.log"):
            log.unlink()

    def checkpoints(self) -> dict[str, str]:
        """Stamps and weights of every checkpoint."""
        found = self.prints("resources/checkpoints/**/stamp.json")
        return found | self.prints("resources/checkpoints/**/*.safetensors")

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file, but for Snakemake's own."""
        return {
            str(path.relative_to(self.folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
            if ".snakemake" not in path.parts and "__pycache__" not in path.parts
        }

    def path(self, pattern: str) -> Path:
        """The one file that matches."""
        (found,) = self.folder.glob(pattern)
        return found

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def evaluated(self) -> list[str]:
        """What the evaluations' logs say they computed, as ``target: language`` lines."""
        lines = []
        for log in sorted(self.folder.glob("results/tiny/logs/evaluate/**/*.log")):
            for line in log.read_text().splitlines():
                if "(" in line and " of " in line:
                    lines.append(f"{log.stem} {line.split()[0]}")
        return lines


def new_project(folder: Path) -> Project:
    """A project with the tiny study, nothing computed."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = HOME / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)
    make_encoder(folder / "tiny")
    (folder / "config/encoders/tiny.yaml").write_text(json.dumps(TINY_CARD))
    project = Project(folder)
    project.study()
    return project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose study has run to its end. Not to be changed: `project` is a copy."""
    project = new_project(tmp_path_factory.mktemp("finished") / "project")
    project.snakemake()
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, with times and Snakemake's records kept."""
    folder = tmp_path / "project"
    subprocess.run(["cp", "-a", str(finished.folder), str(folder)], check=True)
    return Project(folder)
