"""Scores in the file formats of MTEB and EuroEval, for tools that read these.

The formats correspond, the protocols do not: MTEB scores frozen embeddings (its XNLI is a pair
classification, its SIB-200 a logistic regression, its bitext tasks are led by F1), and EuroEval
fine-tunes on sets of its own. So the names of tasks begin with ``xstilts-``, versions of both tools
are null, and no score can be taken for one of theirs.

The classes that read them are ``mteb.results.TaskResult`` (2.26) and
``euroeval.data_models.BenchmarkResult`` (16.11).
"""

from __future__ import annotations

import statistics
from math import isnan, sqrt
from typing import TYPE_CHECKING, Any

from langcodes import Language

from xstilts.analysis.table import METRIC_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

PREFIX = "xstilts-"
NOT_STATED = -1
"""What EuroEval writes for a number that it does not know."""
NORMAL_95 = 1.96


def mteb_files(rows: pd.DataFrame, revisions: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Path and JSON value of each file of a folder as MTEB's results.

    ``<encoder>__<condition>__seed<k>/<revision>/<task>.json``, beside a ``model_meta.json``.
    ``rows``: of `xstilts.analysis.table`. ``revisions``: of the test data, by target. A score is a
    share of 1, a language its ISO 639-3 code and script, such as ``swa-Latn``.
    """
    for (encoder, condition, seed), of_model in rows.groupby(
        ["encoder", "condition", "seed"], sort=False
    ):
        name = f"{encoder}__{condition}__seed{seed}"
        folder = f"{name}/{PREFIX}{condition}"
        yield f"{folder}/model_meta.json", {"name": name, "revision": f"{PREFIX}{condition}"}
        for target, scores in of_model.groupby("target", sort=False):
            yield (
                f"{folder}/{PREFIX}{target}.json",
                {
                    "dataset_revision": revisions[str(target)],
                    "task_name": f"{PREFIX}{target}",
                    "mteb_version": None,
                    "evaluation_time": None,
                    "scores": {
                        "test": [
                            {
                                "main_score": float(row["score"]) / 100,
                                **{name: value / 100 for name, value in _metrics(row).items()},
                                "hf_subset": row["language"],
                                "languages": [_with_script(row["language"])],
                            }
                            for _, row in scores.iterrows()
                        ]
                    },
                },
            )


def euroeval_lines(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A record of EuroEval's results for each encoder, condition, target and language.

    ``raw`` has an entry for each seed, in per cent; ``total`` their mean and, of several seeds,
    1.96 standard errors of it, as EuroEval computes these over its bootstraps.
    """
    keys = ["encoder", "condition", "target", "language", "task_type"]
    for (encoder, condition, target, language, task_type), seeds in rows.groupby(keys, sort=False):
        raw = [
            {f"test_{name}": value for name, value in _metrics(row).items()}
            for _, row in seeds.iterrows()
        ]
        yield {
            "dataset": f"{PREFIX}{target}",
            "task": str(task_type).replace("_", "-"),
            "languages": [language],
            "model": f"{encoder}+{condition}",
            "results": {"raw": raw, "total": _total(raw)},
            "num_model_parameters": NOT_STATED,
            "max_sequence_length": NOT_STATED,
            "vocabulary_size": NOT_STATED,
            "merge": False,
            "generative": False,
            "generative_type": None,
            "few_shot": None,
            "validation_split": False,
            "euroeval_version": None,
            "transformers_version": None,
            "torch_version": None,
            "vllm_version": None,
            "xgrammar_version": None,
        }


def _metrics(row: pd.Series[Any]) -> dict[str, float]:
    """The primary metric of a score and all others that it has, in per cent."""
    others = {
        str(column).removeprefix(METRIC_PREFIX): float(value)
        for column, value in row.items()
        if str(column).startswith(METRIC_PREFIX) and not isnan(value)
    }
    return {str(row["metric"]): float(row["score"])} | others


def _total(raw: list[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for name in raw[0]:
        values = [each[name] for each in raw if name in each]
        total[name] = statistics.fmean(values)
        if len(values) > 1:
            total[f"{name}_se"] = NORMAL_95 * statistics.stdev(values) / sqrt(len(values))
    return total


def _with_script(code: str) -> str:
    tag = Language.get(code.replace("_", "-")).maximize()
    return f"{tag.to_alpha3()}-{tag.script}"
