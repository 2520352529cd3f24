"""Score a folder of predictions in the layout of XTREME submissions.

::

    LABELS/<task>/test-<language>.tsv         one label a line; blank lines between tagged sentences
    LABELS/<task>/test-<language>.json        SQuAD files; for mewslix {id: [entity]}
    LABELS/<task>/test-<language>.jsonl       xcopa: a "label" a line
    PREDICTIONS/<task>/test-<language>.*      the same; question answering: {id: text}

A task is scored if PREDICTIONS has a folder for it. LABELS decides its languages, and each of them
needs a prediction file. Source: ``evaluate.py`` of google-research/xtreme, whose numbers on its own
mock data are reproduced to the last bit. Unlike that script, this module raises `ScoreError` for
unknown and missing ids, for placeholder labels of a release, and for sentences of unequal length.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xstilts.analysis import submission_files as files
from xstilts.errors import ScoreError, unknown
from xstilts.metrics import averages
from xstilts.metrics.accuracy import accuracy
from xstilts.metrics.bitext import pair_score
from xstilts.metrics.chunk_f1 import chunk_score
from xstilts.metrics.question_answering import mlqa, squad
from xstilts.metrics.ranking import mean_average_precision
from xstilts.tasks.tagging.labels import label_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from xstilts.analysis.submission_files import Line

Metrics = dict[str, float]

PLACEHOLDERS = {
    "xnli": "neutral",
    "pawsx": "0",
    "panx": "O",
    "udpos": "X",
    "tatoeba": "0",
    "xcopa": "0",
}
"""The label that XTREME's release has in place of every test label."""
FEW_LABELS, MANY_LABELS = 5, 50
"""A label file is refused if all its labels are the placeholder and they are at least `FEW_LABELS`,
or all are the same label and they are at least `MANY_LABELS`."""
TAG_SCORERS = {"panx": "span_f1", "udpos": "chunk_f1_upos"}
"""The scorer of each tagging task, which says which labels it can tell apart."""
INVENTORIES = {
    "xnli": ("contradiction", "entailment", "neutral"),
    "pawsx": ("0", "1"),
    "xcopa": ("0", "1"),
}


# --- checks --------------------------------------------------------------------------------------


def _check_not_placeholders(task: str, path: Path, labels: Collection[str]) -> None:
    """Refuse placeholder labels: other work has reported scores on such files as results."""
    if not labels:
        raise ScoreError(f"{path}: no labels")
    label, count = Counter(labels).most_common(1)[0]
    placeholder = count >= FEW_LABELS and label == PLACEHOLDERS.get(task)
    if count == len(labels) and (placeholder or count >= MANY_LABELS):
        raise ScoreError(
            f"{path}: all {count} labels are {label!r}: placeholders, as in XTREME's release; "
            "score with the original labels"
        )


def _check_answers(path: Path, golds: Mapping[str, list[str]]) -> None:
    if not golds:
        raise ScoreError(f"{path}: no questions")
    if not any(answer for answers in golds.values() for answer in answers):
        raise ScoreError(
            f"{path}: no answer of {len(golds)} has a text: placeholders, as in XTREME's release; "
            "score with the original labels"
        )
    empty = next((question for question, answers in golds.items() if not answers), None)
    if empty is not None:
        raise ScoreError(f"{path}: question {empty!r} has no answer")


def _check_ids(path: Path, gold: Collection[str], predicted: Collection[str]) -> None:
    missing = [name for name in gold if name not in predicted]
    if missing:
        raise ScoreError(
            f"{path}: no prediction for {missing[0]!r}; {len(missing)} of {len(gold)} ids missing"
        )
    extra = [name for name in predicted if name not in gold]
    if extra:
        raise ScoreError(
            f"{path}: unknown id {extra[0]!r}; {len(extra)} of {len(predicted)} ids have no label"
        )


def _check_count(path: Path, gold_path: Path, gold: int, predicted: int, what: str) -> None:
    if gold != predicted:
        raise ScoreError(f"{path}: {predicted} {what}, but {gold_path} has {gold}")


def _check_inventory(task: str, path: Path, lines: Iterable[Line]) -> None:
    allowed = INVENTORIES.get(task)
    for line in lines:
        if allowed and line.text not in allowed:
            raise ScoreError(f"{path}:{line.number}: {unknown('label', line.text, allowed)}")


# --- scoring one file ----------------------------------------------------------------------------


def _score_labels(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    read = files.read_choices if task == "xcopa" else files.read_labels
    gold, predicted = read(gold_path), read(path)
    _check_not_placeholders(task, gold_path, [line.text for line in gold])
    _check_count(path, gold_path, len(gold), len(predicted), "labels")
    _check_inventory(task, gold_path, gold)
    _check_inventory(task, path, predicted)
    return {"accuracy": accuracy([g.text for g in gold], [p.text for p in predicted])}


def _score_tags(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    gold, predicted = files.read_sentences(gold_path), files.read_sentences(path)
    labels = [line.text for sentence in gold for line in sentence]
    _check_not_placeholders(task, gold_path, labels)
    _check_count(path, gold_path, len(gold), len(predicted), "sentences")
    for number, (gold_lines, lines) in enumerate(zip(gold, predicted, strict=True), start=1):
        if len(gold_lines) != len(lines):
            raise ScoreError(
                f"{path}:{lines[0].number}: sentence {number} has {len(lines)} labels, "
                f"but {len(gold_lines)} in {gold_path}:{gold_lines[0].number}"
            )
    for side, sentences in ((gold_path, gold), (path, predicted)):
        labels = sorted({line.text for sentence in sentences for line in sentence})
        for fault in label_faults(labels, TAG_SCORERS[task]):
            raise ScoreError(f"{side}: {fault}")
    return chunk_score(_tags(gold), _tags(predicted))._asdict()


def _tags(sentences: list[list[Line]]) -> list[list[str]]:
    return [[line.text for line in sentence] for sentence in sentences]


def _score_pairs(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    gold = files.read_pairs(gold_path)
    if not gold:
        raise ScoreError(f"{gold_path}: no labels")
    return pair_score(gold, files.read_pairs(path))._asdict()


def _score_answers(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    golds, predictions = files.read_answers(gold_path), files.read_texts(path)
    _check_answers(gold_path, golds)
    _check_ids(path, golds, predictions)
    if task == "mlqa":
        return mlqa(golds, predictions, language)._asdict()
    return squad(golds, predictions)._asdict()


def _score_entities(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    golds, predictions = files.read_entities(gold_path), files.read_entities(path)
    _check_answers(gold_path, golds)
    _check_ids(path, golds, predictions)
    return {"map@20": mean_average_precision(golds, predictions)}


@dataclass(frozen=True)
class SubmissionTask:
    """The files of a task and how they are scored."""

    suffix: str
    score: Callable[[str, str, Path, Path], Metrics]
    """Of a task, a language, its label file and its prediction file."""


_LABELS, _TAGS = SubmissionTask("tsv", _score_labels), SubmissionTask("tsv", _score_tags)
_ANSWERS = SubmissionTask("json", _score_answers)
TASKS = {
    "xnli": _LABELS,
    "pawsx": _LABELS,
    "tatoeba": _LABELS,
    "xcopa": SubmissionTask("jsonl", _score_labels),
    "panx": _TAGS,
    "udpos": _TAGS,
    "bucc2018": SubmissionTask("tsv", _score_pairs),
    "xquad": _ANSWERS,
    "mlqa": _ANSWERS,
    "tydiqa": _ANSWERS,
    "mewslix": SubmissionTask("json", _score_entities),
}
"""Every task of XTREME and XTREME-R whose predictions have a layout (LAReQA has none)."""


# --- scoring a folder ----------------------------------------------------------------------------


def score_submission(
    labels: Path,
    predictions: Path,
    benchmark: str = "xtreme",
    task: str | None = None,
    language: str | None = None,
) -> dict[str, dict[str, Any]]:
    """``{task: {"average": {metric: per cent}, "languages": {code: {metric: per cent}}}}``.

    A task with English and other languages also has ``"without_english"``, like the average.

    Scores all tasks of ``predictions`` or one, in all their labelled languages or one. The
    benchmark decides the order in which languages are added; tasks of the other benchmark are
    added in its order. Raises `ScoreError`.
    """
    if benchmark not in averages.LANGUAGES:
        raise ScoreError(unknown("benchmark", benchmark, averages.LANGUAGES))
    results = {}
    for name in _tasks(labels, predictions, task):
        languages = _languages(labels / name, name)
        if language is not None:
            if task and language not in languages:
                raise ScoreError(f"{labels / name}: {unknown('language', language, languages)}")
            languages = [code for code in languages if code == language]
        if languages:
            results[name] = _score_task(labels, predictions, benchmark, name, languages)
    if not results:
        raise ScoreError(f"{labels}: no task of {predictions} has labels for {language!r}")
    return results


def _tasks(labels: Path, predictions: Path, task: str | None) -> list[str]:
    """The tasks to score, in the order of `TASKS`."""
    predicted = _folders(predictions)
    for name in [task] if task is not None else predicted:
        if name not in TASKS:
            where = "" if task else f"{predictions}: "
            raise ScoreError(where + unknown("task", name, TASKS))
    if not predicted:
        raise ScoreError(f"{predictions}: empty; expected folders named {', '.join(TASKS)}")
    labelled = _folders(labels)
    chosen = [name for name in TASKS if name == (task or name) and (task or name in predicted)]
    for folder, names in ((predictions, predicted), (labels, labelled)):
        for name in chosen:
            if name not in names:
                raise ScoreError(f"{folder}: no folder for the task {name}")
    return chosen


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise ScoreError(f"{root}: no such folder")
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _languages(folder: Path, task: str) -> list[str]:
    """The labelled languages of a task, by code."""
    suffix = TASKS[task].suffix
    pattern = re.compile(rf"test-(.+)\.{suffix}")
    names = sorted(path.name for path in folder.iterdir())
    codes = [match[1] for match in map(pattern.fullmatch, names) if match]
    if not codes:
        raise ScoreError(f"{folder}: empty; expected files named test-<language>.{suffix}")
    return codes


def _score_task(
    labels: Path, predictions: Path, benchmark: str, task: str, languages: list[str]
) -> dict[str, Any]:
    order, scores = official_order(benchmark, task), {}
    for code in averages.in_order(languages, order):
        name = f"test-{code}.{TASKS[task].suffix}"
        gold_path, path = labels / task / name, predictions / task / name
        if not path.is_file():
            raise ScoreError(f"{path}: missing, but {gold_path} has labels for {code!r}")
        try:
            scores[code] = TASKS[task].score(task, code, gold_path, path)
        except ValueError as error:  # a metric refuses the values
            raise ScoreError(f"{path}: {error}") from error
    result = {"average": averages.language_mean(scores, order), "languages": scores}
    if "en" in scores and len(scores) > 1:
        result["without_english"] = averages.without_english(scores, order)
    return result


def official_order(benchmark: str, task: str) -> tuple[str, ...]:
    """The task's languages in the order of its benchmark, or of the other benchmark."""
    others = [name for name in averages.LANGUAGES if name != benchmark]
    for name in (benchmark, *others):
        if task in averages.LANGUAGES[name]:
            return averages.LANGUAGES[name][task]
    return ()


# --- the scores as text --------------------------------------------------------------------------


def as_text(
    results: Mapping[str, Mapping[str, Any]], benchmark: str = "xtreme", by_language: bool = False
) -> str:
    """The averages as lines of text, with the group and overall scores that are defined."""
    lines = [_row("task", "languages", "metric", "score")]
    for task, result in results.items():
        official, codes = official_order(benchmark, task), result["languages"]
        count = _language_count(codes, official)
        lines += [_row(task, count, m, f"{v:.2f}") for m, v in result["average"].items()]
        if by_language:
            lines += [
                _row("", code, metric, f"{value:.2f}")
                for code, metrics in codes.items()
                for metric, value in metrics.items()
            ]
    return "\n".join(lines + _overall(results, benchmark))


def _language_count(codes: Collection[str], official: Collection[str]) -> str:
    """How many of a benchmark's languages are scored, and how many other languages.

    >>> _language_count(["de", "swg"], ["de", "fr"]), _language_count(["de", "fr"], ["de", "fr"])
    ('1 of 2 + 1 other', '2')
    """
    known = sum(code in official for code in codes)
    others = len(codes) - known
    text = str(known) if known == len(official) else f"{known} of {len(official)}"
    return text + (f" + {others} other{'s' if others > 1 else ''}" if others else "")


def _row(task: str, languages: str, metric: str, score: str) -> str:
    return f"{task:<16}{languages:<20}{metric:<14}{score:>8}"


def _overall(results: Mapping[str, Mapping[str, Any]], benchmark: str) -> list[str]:
    """Group and overall scores of complete tasks, and TyDi QA without English."""
    complete = {
        task: averages.task_score(result["average"])
        for task, result in results.items()
        if set(result["languages"]) == set(averages.LANGUAGES[benchmark].get(task, ()))
    }
    lines = [
        _row(group, "", "mean", f"{value:.2f}")
        for group, value in averages.group_scores(complete, benchmark).items()
    ]
    if benchmark == "xtreme" and set(averages.XTREME_TASKS) <= set(complete):
        lines.append(_row("all 9 tasks", "", "mean", f"{averages.xtreme_mean(complete):.2f}"))
    if "tydiqa" in complete:
        for metric, value in results["tydiqa"]["without_english"].items():
            lines.append(_row("tydiqa", "without en", metric, f"{value:.2f}"))
    return ["", *lines] if lines else []
