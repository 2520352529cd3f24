"""Scores against their predictions and gold answers: every metric is computed again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from xstilts.audit.verdict import altered, unverifiable
from xstilts.data.examples import first
from xstilts.errors import LineageError
from xstilts.evaluation import predictions as stored
from xstilts.evaluation import scores
from xstilts.tasks.scoring import load_scoring

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xstilts.audit.verdict import Finding
    from xstilts.data.examples import Example
    from xstilts.evaluation.score_line import Score
    from xstilts.grid.keys import EvaluationKey
    from xstilts.tasks.scoring import PredictionRow, TaskScoring


class Checked(NamedTuple):
    """What was found about the scores of an evaluation, and the digests of their lines."""

    findings: dict[str, list[Finding]]
    digests: list[str]


class Input(NamedTuple):
    """A stamp that a score was computed from; ``sha256`` is None if it is missing."""

    stamp: Path
    sha256: str | None


@dataclass(frozen=True)
class ScoreFileCheck:
    """The scores of an evaluation: plain values, to be checked in any process.

    ``other_versions``: the versions of the code whose scores the study keeps, by their specs.
    ``inputs``: by language and role, the stamps that a score must name. ``gold``: by language, the
    examples as parquet. ``limit``: how many of them are read.
    """

    key: EvaluationKey
    path: Path
    spec: str
    task_type: str
    scorer: str
    primary: str
    tuned_on: str
    sweep: bool
    limit: int | None
    other_versions: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, Input]]
    gold: Mapping[str, Path]

    def run(self) -> Checked:
        """What is wrong with each score, by language."""
        try:
            content = scores.load(self.path)
        except LineageError as error:
            return Checked({code: [altered(self.path, str(error))] for code in self.gold}, [])
        found: dict[str, list[Finding]] = {}
        with stored.opened(self.path) as whole:
            for code in self.gold:
                place = f"{self.path}: {code}"
                if code in content.faults:
                    found[code] = [altered(place, content.faults[code])]
                elif code not in content.scores:
                    found[code] = [unverifiable(place, "this score is missing or its line is cut")]
                else:
                    found[code] = self._check(place, content.scores[code], whole)
        wanted = (score for code, score in content.scores.items() if code in self.gold)
        return Checked(found, [score["digest"] for score in wanted])

    def _check(self, place: str, score: Score, whole: zipfile.ZipFile | None) -> list[Finding]:
        try:
            found = [*self._check_record(place, score)]
            predictions = stored.read(whole, score)
            if predictions is None:
                return [*found, altered(place, scores.OTHER_PREDICTIONS)]
            return found or [*self._check_metrics(place, score, predictions.to_pylist())]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return [altered(place, f"cannot be scored again: {error!r:.200}")]

    def _check_record(self, place: str, score: Score) -> Iterator[Finding]:
        expected = {**self.key._asdict(), "task_type": self.task_type, "primary": self.primary}
        for name, value in expected.items():
            if score.get(name) != value:
                yield altered(place, f"its {name} is {score.get(name)!r}, not {value!r}")
        version = self.other_versions.get(str(score.get("spec")))
        if version is not None:
            yield unverifiable(
                place, f"was computed by another version of the code: snapshot {version}"
            )
        elif score.get("spec") != self.spec:
            yield altered(
                place,
                f"was not computed as the study asks: its spec is {score.get('spec')!s:.12}, "
                f"not {self.spec:.12}",
            )
        inputs = self.inputs[score["language"]]
        if set(score["inputs"]) != set(inputs):
            yield altered(place, f"names other inputs than {', '.join(inputs)}")
            return
        for role, (stamp, sha256) in inputs.items():
            if sha256 is not None and score["inputs"][role] != sha256:
                yield altered(place, f"was not computed from {stamp} as it is on disk")

    def _check_metrics(
        self, place: str, score: Score, predictions: list[PredictionRow]
    ) -> Iterator[Finding]:
        language, scoring = score["language"], load_scoring(self.task_type)
        examples = gold_of(self.gold[language], self.task_type, self.limit)
        if examples is None:
            yield unverifiable(self.gold[language], "these examples are missing or cannot be read")
            return
        if not _is_of(predictions, examples, scoring, complete=self.scorer != "bucc"):
            yield altered(place, "its predictions are of other examples or other gold answers")
            return
        if self.scorer in scoring.threshold_scorers:
            yield from self._check_threshold(place, score, predictions, examples)
        n, metrics = scoring.score(examples, predictions, self.scorer, language)
        recorded = dict(score["metrics"])
        if self.sweep:  # predictions of the official layer alone are kept
            layers = f"{self.primary}_layer_"
            recorded = {k: v for k, v in recorded.items() if not k.startswith(layers)}
        for name in sorted(recorded.keys() | metrics):
            if recorded.get(name) != metrics.get(name):
                yield altered(
                    place,
                    f"its {name} is {recorded.get(name)}, its predictions give {metrics.get(name)}",
                )
        if score["n"] != n:
            yield altered(place, f"its n is {score['n']}, its predictions are of {n}")
        if score["warnings"] != scoring.warnings(predictions):
            yield altered(place, "its warnings are not those of its predictions")

    def _check_threshold(
        self,
        place: str,
        score: Score,
        predictions: list[PredictionRow],
        examples: list[Example],
    ) -> Iterator[Finding]:
        """Tuned on the scored examples it is chosen again; otherwise only its use is checked."""
        scoring, threshold = load_scoring(self.task_type), score["threshold"]
        if scoring.apply_threshold(predictions, threshold["value"]) != predictions:
            yield altered(place, "its predictions were kept by another threshold")
        if threshold["tuned_on"] != self.tuned_on:
            yield altered(place, f"its threshold was not tuned on {self.tuned_on}")
        elif self.tuned_on == "test":
            chosen = scoring.choose_threshold(examples, predictions)
            if chosen != threshold["value"]:
                yield altered(place, f"its threshold is not {chosen}, the best for its predictions")


@lru_cache(maxsize=128)
def gold_of(path: Path, task_type: str, limit: int | None) -> list[Example] | None:
    """What the scoring of a type reads of the examples in a file; None if it cannot be read.

    The scores of one target share their examples, so the last ones are kept.
    """
    import pyarrow as pa

    from xstilts.data import parquet

    scoring = load_scoring(task_type)
    try:
        rows = parquet.read(path, [*scoring.columns]).to_pylist()
    except (OSError, pa.ArrowException):
        return None
    return first(scoring.schema, rows, limit)


def _is_of(
    predictions: Sequence[PredictionRow],
    examples: Sequence[Example],
    scoring: TaskScoring,
    *,
    complete: bool,
) -> bool:
    """Whether predictions have the ids and the gold answers of examples; ``complete``: of all."""
    gold = {e["id"]: scoring.gold(e) for e in examples if scoring.schema.is_question(e)}
    if complete and [p["id"] for p in predictions] != list(gold):
        return False
    return all(p["id"] in gold and gold[p["id"]] == p["gold"] for p in predictions)
