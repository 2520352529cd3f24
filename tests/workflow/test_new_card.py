"""``xstilts card new`` and one run of Snakemake lead from a data set to its scores."""

from __future__ import annotations

import json

import pytest

from support.project import Project, new_project
from xstilts.evaluation import scores

pytestmark = pytest.mark.workflow

QUESTION = {
    "context": "Lilongwe is the capital of Malawi.",
    "question": "What is the capital?",
    "answers": {"text": ["Lilongwe"], "answer_start": [0]},
}
ROWS = {
    "classification": [{"text": f"text {n}", "topic": "ab"[n % 2]} for n in range(8)],
    "multiple_choice": [
        {"question": f"Which {n}?", "answer1": "one", "answer2": "two", "label": n % 2}
        for n in range(8)
    ],
    "tagging": [
        {"tokens": ["Ada", "reads", str(n)], "tags": ["B-PER", "O", "O"]} for n in range(8)
    ],
    "span_qa": [{"id": f"q{n}", **QUESTION} for n in range(8)],
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """A project with a tiny encoder, nothing computed."""
    return new_project(tmp_path_factory.mktemp("new_card") / "project")


@pytest.mark.parametrize("task_type", ROWS)
def test_two_commands_lead_from_a_data_set_to_scores_in_its_languages(fresh, task_type):
    data = fresh.folder / "data" / task_type
    data.mkdir(parents=True)
    content = "".join(json.dumps(row) + "\n" for row in ROWS[task_type])
    for name in ("train.en", "dev.en", "test.en", "test.nya"):
        (data / f"{name}.jsonl").write_text(content)
    fresh.xstilts("card", "new", f"data/{task_type}", "--encoder", "tiny", "--max-length", "64")
    fresh.snakemake("--configfile", f"config/{task_type}.yaml")
    (found,) = fresh.folder.glob(f"results/{task_type}/scores/**/{task_type}.jsonl")
    assert sorted(scores.read(found)) == ["en", "ny"]
