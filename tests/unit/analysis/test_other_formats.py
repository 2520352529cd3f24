"""Scores in the formats of MTEB and EuroEval, held against their schemas as these were read."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from xstilts.analysis.other_formats import euroeval_lines, mteb_files


class TaskResult(BaseModel):
    """The required fields of ``mteb.results.TaskResult`` 2.26.24."""

    dataset_revision: str
    task_name: str
    mteb_version: str | None
    scores: dict[str, list[dict[str, Any]]]
    evaluation_time: float | None


class BenchmarkResult(BaseModel):
    """The required fields of ``euroeval.data_models.BenchmarkResult`` 16.11.0."""

    dataset: str
    task: str
    languages: list[str]
    model: str
    results: dict[str, dict[str, float] | list[dict[str, float]]]
    num_model_parameters: int
    max_sequence_length: int
    vocabulary_size: int
    merge: bool
    generative: bool
    generative_type: str | None
    few_shot: bool | None
    validation_split: bool | None


def row(seed: int, language: str, score: float, other: float = float("nan")) -> dict[str, Any]:
    return {
        "encoder": "e5-small",
        "condition": "mnli",
        "seed": seed,
        "target": "xquad",
        "language": language,
        "task_type": "span_qa",
        "metric": "em_f1",
        "score": score,
        "metric_f1": other,
    }


@pytest.fixture
def rows():
    return pd.DataFrame([row(1, "sw", 40.0, 50.0), row(2, "sw", 44.0), row(1, "zh", 30.0)])


def test_mteb_gets_a_file_for_each_checkpoint_and_task(rows):
    files = dict(mteb_files(rows, {"xquad": "0123"}))
    folder = "e5-small__mnli__seed1/xstilts-mnli"
    assert {path.partition("/")[0] for path in files} == {
        "e5-small__mnli__seed1",
        "e5-small__mnli__seed2",
    }
    assert files[f"{folder}/model_meta.json"]["name"] == "e5-small__mnli__seed1"
    result = TaskResult.model_validate_json(json.dumps(files[f"{folder}/xstilts-xquad.json"]))
    assert (result.task_name, result.dataset_revision) == ("xstilts-xquad", "0123")
    assert result.scores["test"] == [
        {
            "main_score": 0.4,
            "em_f1": 0.4,
            "f1": 0.5,
            "hf_subset": "sw",
            "languages": ["swa-Latn"],
        },
        {"main_score": 0.3, "em_f1": 0.3, "hf_subset": "zh", "languages": ["zho-Hans"]},
    ]


def test_euroeval_gets_a_record_with_all_seeds(rows):
    swahili, chinese = (
        BenchmarkResult.model_validate_json(json.dumps(line)) for line in euroeval_lines(rows)
    )
    assert (swahili.dataset, swahili.task) == ("xstilts-xquad", "span-qa")
    assert (swahili.model, swahili.languages) == ("e5-small+mnli", ["sw"])
    assert swahili.results["raw"] == [
        {"test_em_f1": 40.0, "test_f1": 50.0},
        {"test_em_f1": 44.0},
    ]
    total = swahili.results["total"]
    assert total["test_em_f1"] == 42.0
    assert total["test_em_f1_se"] == pytest.approx(1.96 * 2.0)
    assert chinese.results["total"] == {"test_em_f1": 30.0}
