"""docs/how-to-add-a-task-type.md does what it says, in a copy of the library."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from support.places import ROOT
from xstilts.provenance.code import code_of

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs/how-to-add-a-task-type.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
FILES = {name: text for language, name, text in BLOCK.findall(PAGE) if language != "diff"}
((REGISTRY, CHANGE),) = [(name, text) for kind, name, text in BLOCK.findall(PAGE) if kind == "diff"]
RUN = """
import json, sys
from dataclasses import replace
from pathlib import Path
from support import tiny
from xstilts.config.catalogue import Catalogue
from xstilts.data.prepare import prepare
from xstilts.evaluation import evaluate, scores
from xstilts.tasks.registry import SCHEMAS
from xstilts.training import train

folder = Path(sys.argv[1])
cards = Catalogue(folder / "config", SCHEMAS)
card, schema = cards.task("sts"), cards.schema("sts")
stamps = {split: folder / "examples" / split / "en.json" for split in card.splits}
for split, stamp in stamps.items():
    prepare(
        card, schema, split, "en",
        resources=folder, mirror=folder / "mirror", checksums={}, stamp=stamp, spec="examples",
    )
task = replace(
    tiny.task(folder),
    name=card.task, task_type=card.task_type, labels=(), scorer=card.scorer, primary=card.primary,
    examples=(stamps["train"],), dev=(stamps["dev"],),
    hyperparameters=card.training.patched(tiny.hyperparameters(eval_every=1)),
)
training = tiny.training_job(folder, task)
train.run(training)
job = tiny.evaluation_job(
    folder, training, {"en": stamps["test"]}, scorer=card.scorer, primary=card.primary
)
evaluate.run(job)
cell = scores.read(job.score_file)["en"]
rows = scores.predictions(job.score_file, cell).to_pylist()
stamp = json.loads(training.stamp.read_text())
print(json.dumps({"cell": cell, "predictions": rows, "stamp": stamp}))
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of someone who has copied every block of the page."""
    folder: Path = tmp_path_factory.mktemp("how_to")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "config/languages.tsv", folder / "config")
    context, added = CHANGE.splitlines(keepends=True)
    registry = folder / REGISTRY
    text = registry.read_text(encoding="utf-8")
    assert text.count(context[1:]) == 1
    registry.write_text(text.replace(context[1:], context[1:] + added[1:]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def result(reader: Path) -> dict[str, Any]:
    """What a training and an evaluation of the new type left."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(reader)],
        env=os.environ | {"PYTHONPATH": f"{reader / 'src'}{os.pathsep}{ROOT / 'tests'}"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_page_has_a_folder_a_line_a_card_and_data():
    """If the page's marks change, the tests below must not pass on nothing."""
    names = {name.rpartition("/")[2] for name in FILES}
    assert {"schema.py", "model.py", "sts.yaml", "train.jsonl", "dev.jsonl", "test.jsonl"} < names
    assert CHANGE == '     "classification",\n+    "similarity",\n'


def test_a_task_of_the_new_type_is_trained(result):
    """The checkpoint is the one with the best correlation on the development examples."""
    assert result["stamp"]["outcomes"]["items"] == {"sts": 6}
    assert result["cell"]["task_type"] == "similarity"


def test_it_is_scored_by_the_correlations_of_scipy(result):
    """Of its own predictions with the gold scores of the page."""
    cell, rows = result["cell"], result["predictions"]
    gold, predicted = ([row[side] for row in rows] for side in ("gold", "prediction"))
    assert gold == [5.0, 3.0, 0.0, 4.5, 3.0]
    assert len(set(predicted)) > 1
    assert cell["n"] == 5
    assert cell["metrics"]["pearson"] == pytest.approx(100 * stats.pearsonr(gold, predicted)[0])
    assert cell["metrics"]["spearman"] == pytest.approx(100 * stats.spearmanr(gold, predicted)[0])


def test_the_code_of_the_page_is_as_clean_as_that_of_the_project(reader: Path):
    """It is there to be copied."""
    folder = reader / "src/xstilts/tasks/similarity"
    settings = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "-q"], ["format", "-q", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *settings, folder], check=True)


def test_a_new_type_changes_no_digest_of_another():
    """No job runs the registry, so that a line in it makes no checkpoint stale."""
    jobs = ("xstilts.data.prepare", "xstilts.training.loop", "xstilts.evaluation.evaluate")
    assert "xstilts.tasks.registry" not in code_of([*jobs, "xstilts.tasks.tagging.model"])
