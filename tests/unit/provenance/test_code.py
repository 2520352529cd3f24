"""The code digest covers every module that decides a result, and no other module."""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from textwrap import dedent
from typing import TYPE_CHECKING

import numpy as np
import pytest

from support import tiny
from support.website import COMMIT, hub, site
from support.world import ENCODER, ROOT
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.raw_file import HubDataset, HubFile, RawFile
from xstilts.config.yaml_models import load
from xstilts.data import sources
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, TrainingKey
from xstilts.models import checkpoint, delta_compression, encoder, encoder_check, token_cache
from xstilts.models.checkpoint import Checkpoint
from xstilts.provenance import code
from xstilts.provenance.code import OPERATIONAL, code_of, is_operational
from xstilts.provenance.files import read_json
from xstilts.tasks.registry import model_modules
from xstilts.training import loop, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.training.job import TrainingJob

__all__ = ["hub", "site"]

MODULES = {
    "__init__": '"""A library."""\n',
    "train": """
        from lib import helpers
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from lib.unused import Thing

        def run(x):
            return helpers.twice(x)
        """,
    "helpers": """
        def twice(x):
            import lib.deep
            return lib.deep.once(x) * 2
        """,
    "deep": "def once(x):\n    return x\n",
    "unused": "Thing = int\n",
    "report": "TITLE = 'A report'\n",
    "pack.__init__": "SIZE = 1\n",
    "pack.inner": "from . import sibling\nfrom .. import deep\n",
    "pack.sibling": "X = 1\n",
}

SYNTAX = """
import os.path as p, sys
from . import train as t
@p.decorated(1, *[], key=None, **{})
class A(B, metaclass=C):
    x: int = 1
    y: "str"
    async def f(self, a, /, b=1.5, *c: int, d, e=-2j, **g) -> None:
        global h
        async with self as (k, *l), b: await (yield)
        async for i in [j async for j in a if j if not b]: pass
        else: del a[1:2, ...], b.c
def f():
    try:
        match x:
            case [1, *_] | {"a": b, **c} if b: return lambda: (yield from d)
            case A(1, y=None) as z: raise E from None
            case -1 | True | "s" | _: nonlocal w
    except* (E, F) as e: assert a < b <= c is not d not in e, f"{a!r:>{w}}{'ü'}"
    finally: (a := b"\\0") @ c if d and e or not g else {1, *h}
    while True:
        if a: continue
        elif b: break
        else: a, b.c = *d, e
        a //= ~b ** c; print({**a, 'b': "\\n"}, sep='')
"""


class TestCodeOf:
    @pytest.fixture
    def library(self, tmp_path, monkeypatch):
        """A library of a few modules; call it to rewrite one, and get the code of ``entry``."""
        folder = tmp_path / "lib"
        monkeypatch.setattr(code, "LIBRARY", folder)

        def write(module, text):
            path = folder.joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

        for module, text in MODULES.items():
            write(module, text)

        def digests(entry="lib.train", **changed):
            for module, text in changed.items():
                write(module.replace("_in_", "."), text)
            return code_of([entry])

        return digests

    def test_it_covers_what_is_imported_however_deep(self, library):
        """Imports inside functions and the packages' own modules count; what is unused does not."""
        assert list(library()) == ["lib", "lib.deep", "lib.helpers", "lib.train"]

    def test_a_package_runs_its_init(self, library):
        """Importing a module of a package runs the package."""
        assert "lib.pack" in library("lib.pack.sibling")

    def test_relative_imports_count(self, library):
        """From the own package and from the one above."""
        assert {"lib.pack.sibling", "lib.deep"} <= set(library("lib.pack.inner"))

    def test_other_packages_are_left_to_the_environment(self, library):
        """The lock pins them, and its digest is part of every spec."""
        imports_others = "import json, numpy.linalg\nfrom torch import nn\n"
        assert list(library("lib.deep", deep=imports_others)) == ["lib", "lib.deep"]

    def test_a_plugin_is_followed_through_its_own_package(self, library, tmp_path, monkeypatch):
        """Its code decides what it makes; what it imports of other packages does not count."""
        monkeypatch.syspath_prepend(tmp_path)
        folder = tmp_path / "plugin_of_somebody"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "rows.py").write_text("import json\nfrom plugin_of_somebody import words\n")
        (folder / "words.py").write_text("import lib.deep\n")
        assert list(library("plugin_of_somebody.rows")) == [
            *("lib", "lib.deep", "plugin_of_somebody"),
            *("plugin_of_somebody.rows", "plugin_of_somebody.words"),
        ]

    def test_a_library_module_does_not_follow_a_plugin(self, library, tmp_path, monkeypatch):
        """Only an entry opens its package."""
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "other_plugin").mkdir()
        (tmp_path / "other_plugin" / "__init__.py").write_text("")
        assert "other_plugin" not in library("lib.deep", deep="import other_plugin\n")

    @pytest.mark.parametrize(
        "text",
        [
            "# a comment\ndef once(x):  # another\n    return x\n",
            'def once(x):\n    """Say more."""\n    return x\n',
            "def once(x):\n\n    return (x)\n",
            '"""A module."""\n\ndef once(x): return x\n',
            'def once(x):\n    return x\n\n"""What follows nothing."""\n',
            "from typing import TYPE_CHECKING\n",
        ],
        ids=["comment", "docstring", "formatting", "module docstring", "loose text", "real change"],
    )
    def test_only_what_runs_counts(self, library, text, request):
        """Comments, docstrings and formatting change nothing; code does."""
        before = library()
        changed = library(deep=text) != before
        assert changed == ("real change" in request.node.name)

    def test_code_is_digested_as_python_dumps_it(self, library):
        """Whatever it is made of, so that digests of years ago stay valid."""
        dumped = ast.dump(ast.parse(SYNTAX)).encode()
        assert library("lib.deep", deep=SYNTAX)["lib.deep"] == hashlib.sha256(dumped).hexdigest()

    def test_a_type_only_import_does_not_count(self, library):
        """What a type checker alone reads cannot change a result."""
        before = library()
        after = MODULES["train"].replace("lib.unused", "lib.report")
        assert library(train=after) == before
        written_out = after.replace("if TYPE_", "import typing\n        if typing.TYPE_")
        assert "lib.report" not in library(train=written_out)

    def test_the_other_branch_of_a_type_check_runs(self, library):
        """``else`` of ``if TYPE_CHECKING`` is what really happens."""
        text = "if TYPE_CHECKING:\n    X = 1\nelse:\n    import lib.report\n    X = {}\n"
        one = library("lib.deep", deep=text.format(1))
        assert "lib.report" in one
        assert library("lib.deep", deep=text.format(2)) != one

    @pytest.mark.parametrize("module", ["__init__", "train", "helpers", "deep"])
    def test_a_changed_line_changes_its_module_only(self, library, module):
        """So that an auditor can tell where two results part."""
        before = library()
        after = library(**{module: dedent(MODULES[module]) + "\nY = 2\n"})
        name = "lib" if module == "__init__" else f"lib.{module}"
        assert {key for key in before if before[key] != after[key]} == {name}

    def test_an_unrelated_change_changes_nothing(self, library):
        """The report is not part of a training."""
        before = library()
        assert library(report="TITLE = 'Another'\n", unused="Thing = str\n") == before


TRAIN = """
import sys
from pathlib import Path
from support import tiny
from xstilts.training import train
folder, task_type = Path(sys.argv[1]), sys.argv[2]
trained = tiny.training_job(folder, tiny.task(folder, task_type))
train.run(trained)
"""
EVALUATE = """
from xstilts.evaluation import evaluate
stamp = tiny.split(folder / "test.json", task_type, tiny.ROWS_OF[task_type][0](6))
scorer, primary = tiny.SCORING[task_type]
evaluate.run(
    tiny.evaluation_job(folder, trained, {"en": stamp}, scorer=scorer, primary=primary)
)
"""
MODULES_RUN = """
print(*(m for m in sys.modules if m.split(".")[0] == "xstilts"))
"""


class TestCodeOfJobs:
    """A job runs nothing that its spec does not name."""

    @pytest.mark.parametrize(
        "task_type", ["classification", "multiple_choice", "tagging", "span_qa", "document_qa"]
    )
    def test_all_that_a_training_and_an_evaluation_import_is_covered(
        self, task_type, world, tmp_path
    ):
        """Also inside functions. The study's types, of which jobs are built, decide no result."""
        grid = world.grid()
        entries = {
            *grid.training(TrainingKey("tiny", "nli", 1, INTERMEDIATE)).modules,
            *grid.evaluation(EvaluationKey("tiny", "nli", 1, "xnli")).modules,
        }
        entries = {m for m in entries if not m.startswith("xstilts.tasks.")}
        covered = code_of([*entries, *model_modules(task_type), "xstilts.config.study"])
        done = subprocess.run(
            [sys.executable, "-c", TRAIN + EVALUATE + MODULES_RUN, str(tmp_path), task_type],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}/src:{ROOT}/tests"},
        )
        modules = set(done.stdout.splitlines()[-1].split())
        assert {m for m in modules - set(covered) if not is_operational(m)} <= JOB_TYPES


JOB_TYPES = {"xstilts.training.job", "xstilts.evaluation.job", "xstilts.tasks.registry"}
"""Dataclasses that scripts fill in from the grid, and the list of task types from which these
choose one: what a spec names already."""


def modules_under(library: Path, name: str) -> Iterator[Path]:
    """The files of a module, or of all modules of a package, in a copy of the library."""
    base = library.parent.joinpath(*name.split("."))
    return iter([base.with_suffix(".py")]) if not base.is_dir() else base.rglob("*.py")


class TestEdits:
    """An edit makes the results stale that the edited code decides, and no others."""

    @pytest.fixture
    def edited(self, world, tmp_path, monkeypatch):
        """Edits a module of a copy of the library; gives the stages whose code has changed."""
        grid = world.grid()
        stages = {
            "encoder": grid.encoder("tiny"),
            "examples": grid.examples("xnli", "test"),
            "training": grid.training(TrainingKey("tiny", "nli", 1, INTERMEDIATE)),
            "evaluation": grid.evaluation(EvaluationKey("tiny", "nli", 1, "xnli")),
        }
        shutil.copytree(code.LIBRARY, tmp_path / "copy" / "xstilts")
        monkeypatch.setattr(code, "LIBRARY", tmp_path / "copy" / "xstilts")
        before = {kind: code_of(stage.modules) for kind, stage in stages.items()}

        def edit(name: str) -> set[str]:
            for path in modules_under(code.LIBRARY, name):
                path.write_text(path.read_text() + "\nEDITED = True\n")
            return {
                kind for kind, stage in stages.items() if code_of(stage.modules) != before[kind]
            }

        return edit

    @pytest.mark.parametrize("name", OPERATIONAL)
    def test_of_an_operational_module_leaves_every_result_valid(self, edited, name):
        assert edited(name) == set()

    @pytest.mark.parametrize("name", OPERATIONAL)
    def test_every_operational_module_exists(self, name):
        """A name that was left behind by a move would do nothing."""
        assert importlib.util.find_spec(name)

    @pytest.mark.parametrize(
        ("name", "stale"),
        [
            ("xstilts.training.loop", {"training"}),
            ("xstilts.training.step", {"training"}),
            ("xstilts.training.schedule", {"training"}),
            ("xstilts.models.dropout", {"encoder", "training", "evaluation"}),
            ("xstilts.models.network.bert", {"training", "evaluation"}),
            ("xstilts.models.network.deberta", set()),
            ("xstilts.tasks.classification.model", {"training", "evaluation"}),
            ("xstilts.tasks.classification.scoring", {"training", "evaluation"}),
            ("xstilts.tasks.tagging.model", set()),
            ("xstilts.evaluation.evaluate", {"evaluation"}),
            ("xstilts.data.prepare", {"examples"}),
            ("xstilts.status", set()),
            ("xstilts.workflow", set()),
        ],
    )
    def test_of_another_module_reaches_what_runs_it(self, edited, name, stale):
        """Of an encoder of BERT's architecture, on a task of type classification."""
        assert edited(name) == stale


@contextmanager
def written_in_place(path: Path) -> Iterator[Path]:
    """`write_atomically` without a temporary file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path


def stored_as_they_are(values: np.ndarray, base: np.ndarray | None = None) -> np.ndarray:
    """`delta_compression.pack` without compression."""
    return np.frombuffer(bytearray(values.tobytes()), np.uint8)


def read_as_they_are(
    packed: np.ndarray, shape: tuple[int, ...], base: np.ndarray | None = None
) -> np.ndarray:
    """`delta_compression.unpack` without compression."""
    return packed.view(np.float32).reshape(shape)


class TestOperational:
    """What each module in `OPERATIONAL` does decides no result: with and without it, the same."""

    @pytest.fixture
    def job(self, tmp_path) -> TrainingJob:
        """A training, which has not run."""
        return tiny.training_job(tmp_path, name="changed")

    @pytest.fixture
    def weights(self, job) -> bytes:
        """What the training leaves when nothing is changed."""
        ordinary = replace(job, stamp=job.folder.parent / "ordinary" / job.stamp.name)
        train.run(ordinary)
        return tiny.weights(ordinary)

    def test_provenance(self, job, weights, monkeypatch):
        """Files that are not written atomically, inputs that are not verified."""
        monkeypatch.setattr(checkpoint, "write_atomically", written_in_place)
        monkeypatch.setattr(train, "verify", lambda stamp, _: read_json(stamp))
        train.run(job)
        assert tiny.weights(job) == weights

    def test_runtime(self, job, weights, monkeypatch):
        """A training without its lock."""
        monkeypatch.setattr(train, "artefact_lock", lambda _: nullcontext())
        train.run(job)
        assert tiny.weights(job) == weights

    def test_data_hub_datasets(self, tmp_path, hub):
        """The same rows of a data set of the Hub, and of a file in the mirror."""
        hub.publish("datasets/o/r", COMMIT, {"a.csv": b"text,label\nhello,yes\n"})
        (tmp_path / "a.jsonl").write_text('{"label":"yes","text":"hello"}\n')
        dataset = HubDataset(repo="o/r", revision=COMMIT, split="train")
        first, second = (
            sources.fetch(file, resources=tmp_path / file.path, mirror=tmp_path, checksums={})
            for file in (
                RawFile(path="mirrored", mirror="a.jsonl"),
                RawFile(path="loaded", dataset=dataset),
            )
        )
        assert first.read_bytes() == second.read_bytes()

    @pytest.mark.parametrize("packed", [False, True])
    def test_data_sources_hub_http_archives_checksums_content(self, tmp_path, hub, packed):
        """The same bytes, from whichever source and however packed."""
        content = gzip.compress(b"content") if packed else b"content"
        hub.files["a.txt"] = content
        hub.publish("datasets/o/r", COMMIT, {"a.txt": content})
        (tmp_path / "a.txt").write_bytes(content)
        files = [
            RawFile(path="a.txt", mirror="a.txt"),
            RawFile(path="a.txt", url=f"{hub.url}/a.txt"),
            RawFile(path="a.txt", hub=HubFile(repo="o/r", revision=COMMIT, file="a.txt")),
        ]
        for number, file in enumerate(files):
            path = sources.fetch(
                file, resources=tmp_path / str(number), mirror=tmp_path, checksums={}
            )
            assert path.read_bytes() == b"content"

    def test_models_delta_compression(self, job, weights, monkeypatch):
        """Another way to store a checkpoint: the same numbers are read."""
        ordinary = job.folder.parent / "ordinary" / checkpoint.FILE
        expected = Checkpoint.load(ordinary, job.encoder.parent)
        monkeypatch.setattr(delta_compression, "pack", stored_as_they_are)
        monkeypatch.setattr(delta_compression, "unpack", read_as_they_are)
        train.run(job)
        found = Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
        assert tiny.weights(job) != weights
        assert found.embeddings.embeddings.equal(expected.embeddings.embeddings)
        assert all(found.body[name].equal(expected.body[name]) for name in expected.body)
        assert all(found.heads[name].equal(expected.heads[name]) for name in expected.heads)

    def test_models_token_cache(self, job, weights, monkeypatch):
        """Texts that are tokenised, and written to the cache; then texts that are read from it."""
        monkeypatch.setattr(token_cache, "WORTH_KEEPING", 0)
        train.run(job)
        assert list(job.encoder.parent.glob("tokens/*.safetensors"))
        again = replace(job, stamp=job.folder.parent / "again" / job.stamp.name)
        train.run(again)
        assert tiny.weights(job) == tiny.weights(again) == weights

    def test_models_encoder_check(self, tmp_path, monkeypatch):
        """An encoder that is not checked."""
        source = tiny.encoder(tmp_path / "source").parent
        card = load(EncoderCard, ENCODER | {"folder": str(source), "retrieval_layer": 0}, "card")
        encoder.fetch(card, tmp_path / "checked/stamp.json", "spec", tmp_path)
        shape = encoder_check.check(source, card.architecture)
        monkeypatch.setattr(encoder_check, "check", lambda *_: shape)
        encoder.fetch(card, tmp_path / "not/stamp.json", "spec", tmp_path)
        stamps = [(tmp_path / name / "stamp.json").read_bytes() for name in ("checked", "not")]
        assert stamps[0] == stamps[1]

    def test_training_log(self, job, weights, monkeypatch):
        """A training that logs nothing."""
        monkeypatch.setattr(train.TrainingLog, "step", lambda *_: None)
        train.run(job)
        assert tiny.weights(job) == weights

    def test_training_saved_state(self, job, weights):
        """A state that is saved after every step, and a training that starts from it."""
        job = replace(job, save_every=0.0)
        training = train.TrainingRun(job)
        with pytest.raises(SystemExit):
            list(training.steps(lambda: training.trainer.step >= 3))
        train.run(job)
        assert read_json(job.folder / "run.json")["resumed_from"] == 3
        assert tiny.weights(job) == weights

    def test_training_train(self, job, weights):
        """The loop alone, without the files that train.py puts around it."""
        trainer = loop.Trainer(job)
        with trainer.device.settings():
            for _ in trainer.steps():
                pass
        trainer.checkpoint().save(job.folder / checkpoint.FILE, job.encoder.parent)
        assert tiny.weights(job) == weights
