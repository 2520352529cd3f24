"""What an evaluation costs beside its bare forward passes, on real XNLI and XQuAD files.

    python bench/evaluation.py MIRROR [--examples 200] [--languages 4] [--targets xnli xquad]

Every language of a target is evaluated in one process, as a job of the workflow does it, and timed
whole: weights verified and loaded (set-up), examples read and tokenised, batches, forward passes,
decoding, scoring, files. The same forward passes are then done alone, on batches that lie ready.
The goal is a ratio of at most 1.2. Beside the wall clock's ratio stands that of processor seconds:
other work on the machine disturbs it less, and it counts the reading thread in full. The token
cache is off, so that the first evaluation of a test set is measured; float32, one thread. Figures,
not a gate.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import torch

from xstilts.config.catalogue import Catalogue
from xstilts.config.study import Compute, Evaluation
from xstilts.data.checksums import read_checksums
from xstilts.data.prepare import prepare
from xstilts.evaluation import evaluate, predictor
from xstilts.evaluation.job import EvaluationJob
from xstilts.models import token_cache
from xstilts.models.batch import batches_by_tokens, pack
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from xstilts.config.task_card import TaskCard

HOME = Path(__file__).parents[1]
TARGETS = {"xnli": "mnli", "xquad": "squad"}


def prepared(card: TaskCard, languages: list[str], mirror: Path, folder: Path) -> dict[str, Path]:
    """Stamps of the examples of some languages."""
    stamps = {language: folder / f"{language}.json" for language in languages}
    for language, stamp in stamps.items():
        prepare(
            card,
            SCHEMAS[card.task_type],
            "test",
            language,
            resources=folder,
            mirror=mirror,
            checksums=read_checksums(HOME / "config/downloads.tsv"),
            stamp=stamp,
            spec="bench",
        )
    return stamps


def job_of(
    target: str, stamps: dict[str, Path], encoder: Path, limit: int, folder: Path
) -> EvaluationJob:
    """An evaluation of an encoder with a new head: its scores are chance, its work is not."""
    cards = Catalogue(HOME / "config", SCHEMAS)
    card = cards.task(target)
    limits = cards.task(TARGETS[target]).training
    return EvaluationJob(
        spec="bench",
        identity={"encoder": encoder.parent.name, "condition": "none", "seed": 1, "target": target},
        task_type=card.task_type,
        labels=tuple(card.labels or ()),
        scorer=card.scorer,
        primary=card.primary,
        encoder=encoder,
        checkpoint=encoder,
        head=None,
        layer=None,
        limits=limits,
        evaluation=Evaluation(max_examples=limit, batch_tokens=2048),
        compute=Compute(precision="fp32", threads=1),
        score_file=folder / "scores.jsonl",
        examples=stamps,
        work=folder / "work",
    )


class Seconds(NamedTuple):
    """Seconds by the clock on the wall and of all processors."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> Seconds:
    """Seconds that some work takes."""
    began = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - began[0], time.process_time() - began[1])


def bare(model: predictor.Predictor, languages: list[str]) -> tuple[Seconds, int]:
    """Seconds of the forward passes of all languages, and their tokens."""
    seconds, tokens = Seconds(0.0, 0.0), 0
    for language in languages:
        for part in model.encode(language).parts:
            features = model.load_rows(part.features)
            lengths = features.lengths()
            tokens += int(lengths.sum())
            cut = batches_by_tokens(lengths, range(len(features)), 2048)
            batches = [pack(features, instances) for instances in cut]
            with torch.inference_mode():
                more = timed(lambda: [model.forward(batch) for batch in batches])  # noqa: B023
            seconds = Seconds(seconds.wall + more.wall, seconds.cpu + more.cpu)
    return seconds, tokens


def main() -> None:
    """Print a line a target."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--languages", type=int, default=4)
    parser.add_argument("--encoder", default="e5-small")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    token_cache.WORTH_KEEPING = 2**60
    encoder = HOME / "resources/encoders" / given.encoder / "stamp.json"
    for target in given.targets:
        card = Catalogue(HOME / "config", SCHEMAS).task(target)
        languages = card.split_languages("test")[: given.languages]
        with TemporaryDirectory() as name:
            folder = Path(name)
            stamps = prepared(card, languages, given.mirror, folder / "examples")
            job = job_of(target, stamps, encoder, given.examples, folder)
            whole = timed(lambda: evaluate.run(job, lambda _: None))  # noqa: B023
            model = predictor.Predictor(replace(job, work=folder / "again"))
            setup = timed(lambda: predictor.Predictor(job))  # noqa: B023
            passes, tokens = bare(model, languages)
            figures = {
                "target": target,
                "languages": len(languages),
                "examples": given.examples,
                "tokens": tokens,
                "setup_s": round(setup.wall, 1),
                "whole_s": round(whole.wall, 1),
                "forward_s": round(passes.wall, 1),
                "ratio": round(whole.wall / passes.wall, 3),
                "whole_cpu_s": round(whole.cpu, 1),
                "forward_cpu_s": round(passes.cpu, 1),
                "cpu_ratio": round(whole.cpu / passes.cpu, 3),
            }
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
