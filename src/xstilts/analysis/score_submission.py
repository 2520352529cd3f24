"""Score a folder of predictions in the layout of XTREME submissions.

::

    LABELS/<task>/test-<language>.tsv         one label a line; blank lines between tagged sentences
    LABELS/<task>/test-<language>.json        SQuAD files; for mewslix {id: [entity]}
    LABELS/<task>/test-<language>.jsonl       xcopa: a "label" a line
    PREDICTIONS/<task>/test-<language>.*      the same; question answering: {id: text}

A task is scored if PREDICTIONS has a folder for it. LABELS decides its languages: each labelled one
needs a prediction file. Source: ``evaluate.py`` of google-research/xtreme, whose numbers on its own
mock data come out to the last bit; what it passes over in silence (unknown and missing ids, labels
that a release blanked, sentences of unequal length) is an error here.

    python -m xstilts.analysis.score_submission LABELS PREDICTIONS
        [--benchmark B] [--task T] [--language L] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import XstiltsError, unknown
from xstilts.metrics import averages
from xstilts.metrics.accuracy import accuracy
from xstilts.metrics.bitext import IdPair, pair_score
from xstilts.metrics.chunk_f1 import chunk_score
from xstilts.metrics.question_answering import mlqa, squad
from xstilts.metrics.ranking import mean_average_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

Metrics = dict[str, float]

BLANKS = {"xnli": "neutral", "pawsx": "0", "panx": "O", "udpos": "X", "tatoeba": "0", "xcopa": "0"}
"""What XTREME's release puts in place of test labels."""
FEW, MANY = 5, 50
"""Labels from which a file of nothing but blanks, or of one label whatever it is, is refused."""
INVENTORIES = {
    "xnli": ("contradiction", "entailment", "neutral"),
    "pawsx": ("0", "1"),
    "xcopa": ("0", "1"),
}
FAILED = 2


class ScoreError(XstiltsError, ValueError):
    """A submission that cannot be scored; the message is one line with file and, if any, line."""


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A line of a file, stripped, with its number from 1."""

    number: int
    text: str


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScoreError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScoreError(f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8") from None


def _lines(path: Path) -> list[Line]:
    """The lines, split at line feeds only (a label may hold other Unicode separators)."""
    text = _text(path).replace("\r\n", "\n").removesuffix("\n")
    if not text:
        return []
    return [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]


def _labels(path: Path) -> list[Line]:
    """One label a line."""
    lines = _lines(path)
    for line in lines:
        _one_label(path, line)
    return lines


def _one_label(path: Path, line: Line) -> None:
    if not line.text:
        raise ScoreError(f"{path}:{line.number}: blank line; expected one label a line")
    if "\t" in line.text:
        columns = line.text.count("\t") + 1
        raise ScoreError(f"{path}:{line.number}: {columns} columns; expected one label a line")


def _choices(path: Path) -> list[Line]:
    """The ``label`` of each line of JSON."""
    found = []
    for line in _lines(path):
        value = _parse(line.text, path, line.number)
        if not isinstance(value, dict) or "label" not in value:
            raise ScoreError(f'{path}:{line.number}: expected an object with a "label"')
        found.append(Line(line.number, str(value["label"])))
    return found


def _sentences(path: Path) -> list[list[Line]]:
    """Runs of non-blank lines; PAN-X files are known to have double blank lines."""
    sentences: list[list[Line]] = [[]]
    for line in _lines(path):
        if not line.text:
            sentences.append([])
            continue
        _one_label(path, line)
        sentences[-1].append(line)
    return [sentence for sentence in sentences if sentence]


def _pairs(path: Path) -> list[IdPair]:
    found = []
    for line in _lines(path):
        ids = line.text.split("\t")
        if len(ids) != 2:
            raise ScoreError(f"{path}:{line.number}: {len(ids)} columns; expected two ids")
        found.append((ids[0], ids[1]))
    return found


def _json(path: Path) -> Any:
    return _parse(_text(path), path, 1)


def _parse(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        raise ScoreError(f"{path}:{line}: not JSON: {error.msg}") from None


def _questions(path: Path) -> dict[str, list[str]]:
    """The gold answers by question id of a SQuAD file, in its order."""
    golds: dict[str, list[str]] = {}
    for question, answers in _walk_squad(path, _json(path)):
        if question in golds:
            raise ScoreError(f"{path}: question {question!r} occurs twice")
        golds[question] = answers
    return golds


def _walk_squad(path: Path, value: Any) -> list[tuple[str, list[str]]]:
    try:
        return [
            (str(question["id"]), [str(answer["text"]) for answer in question["answers"]])
            for article in value["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except KeyError as error:
        raise ScoreError(f"{path}: not a SQuAD file: no key {error}") from None
    except TypeError as error:
        raise ScoreError(f"{path}: not a SQuAD file: {error}") from None


def _mapping(path: Path, kind: type, words: str) -> dict[str, Any]:
    """An object whose values are all of one kind."""
    value = _json(path)
    if not isinstance(value, dict):
        raise ScoreError(f"{path}: expected an object {{id: {words}}}")
    for name, item in value.items():
        if not isinstance(item, kind):
            raise ScoreError(f"{path}: {name!r} has {item!r}; expected {words}")
    return value


# --- checks --------------------------------------------------------------------------------------


def _check_variety(task: str, path: Path, labels: Collection[str]) -> None:
    """Refuse labels that were blanked; peers report scores on such files as results."""
    if not labels:
        raise ScoreError(f"{path}: no labels")
    label, count = Counter(labels).most_common(1)[0]
    blank = count >= FEW and label == BLANKS.get(task)
    if count == len(labels) and (blank or count >= MANY):
        raise ScoreError(
            f"{path}: all {count} labels are {label!r}: blanked, as in XTREME's release; "
            "score with the original labels"
        )


def _check_answers(path: Path, golds: Mapping[str, list[str]]) -> None:
    if not golds:
        raise ScoreError(f"{path}: no questions")
    if not any(answer for answers in golds.values() for answer in answers):
        raise ScoreError(
            f"{path}: no answer of {len(golds)} has a text: blanked, as in XTREME's release; "
            "score with the original labels"
        )
    empty = next((question for question, answers in golds.items() if not answers), None)
    if empty is not None:
        raise ScoreError(f"{path}: question {empty!r} has no answer")


def _check_ids(path: Path, wanted: Collection[str], found: Collection[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ScoreError(
            f"{path}: no prediction for {missing[0]!r}; {len(missing)} of {len(wanted)} ids missing"
        )
    extra = [name for name in found if name not in wanted]
    if extra:
        raise ScoreError(
            f"{path}: unknown id {extra[0]!r}; {len(extra)} of {len(found)} ids have no label"
        )


def _check_count(path: Path, gold_path: Path, wanted: int, found: int, what: str) -> None:
    if wanted != found:
        raise ScoreError(f"{path}: {found} {what}, but {gold_path} has {wanted}")


def _check_inventory(task: str, path: Path, lines: Iterable[Line]) -> None:
    allowed = INVENTORIES.get(task)
    for line in lines:
        if allowed and line.text not in allowed:
            raise ScoreError(f"{path}:{line.number}: {unknown('label', line.text, allowed)}")


# --- scoring one file ----------------------------------------------------------------------------


def _score_labels(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    read = _choices if task == "xcopa" else _labels
    gold, predicted = read(gold_path), read(path)
    _check_variety(task, gold_path, [line.text for line in gold])
    _check_count(path, gold_path, len(gold), len(predicted), "labels")
    _check_inventory(task, gold_path, gold)
    _check_inventory(task, path, predicted)
    return {"accuracy": accuracy([g.text for g in gold], [p.text for p in predicted])}


def _score_tags(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    gold, predicted = _sentences(gold_path), _sentences(path)
    _check_variety(task, gold_path, [line.text for sentence in gold for line in sentence])
    _check_count(path, gold_path, len(gold), len(predicted), "sentences")
    for number, (wanted, found) in enumerate(zip(gold, predicted, strict=True), start=1):
        if len(wanted) != len(found):
            raise ScoreError(
                f"{path}:{found[0].number}: sentence {number} has {len(found)} labels, "
                f"but {len(wanted)} in {gold_path}:{wanted[0].number}"
            )
    return chunk_score(_tags(gold), _tags(predicted))._asdict()


def _tags(sentences: list[list[Line]]) -> list[list[str]]:
    return [[line.text for line in sentence] for sentence in sentences]


def _score_pairs(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    gold = _pairs(gold_path)
    if not gold:
        raise ScoreError(f"{gold_path}: no labels")
    return pair_score(gold, _pairs(path))._asdict()


def _score_answers(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    golds, predictions = _questions(gold_path), _mapping(path, str, "a text")
    _check_answers(gold_path, golds)
    _check_ids(path, golds, predictions)
    if task == "mlqa":
        return mlqa(golds, predictions, language)._asdict()
    return squad(golds, predictions)._asdict()


def _score_entities(task: str, language: str, gold_path: Path, path: Path) -> Metrics:
    golds = _mapping(gold_path, list, "a list of entities")
    predictions = _mapping(path, list, "a list of entities")
    _check_answers(gold_path, golds)
    _check_ids(path, golds, predictions)
    return {"map@20": mean_average_precision(golds, predictions)}


@dataclass(frozen=True)
class Kind:
    """How the files of a task are read and scored."""

    suffix: str
    score: Callable[[str, str, Path, Path], Metrics]


_LABELS, _TAGS = Kind("tsv", _score_labels), Kind("tsv", _score_tags)
_ANSWERS = Kind("json", _score_answers)
KINDS = {
    "xnli": _LABELS,
    "pawsx": _LABELS,
    "tatoeba": _LABELS,
    "xcopa": Kind("jsonl", _score_labels),
    "panx": _TAGS,
    "udpos": _TAGS,
    "bucc2018": Kind("tsv", _score_pairs),
    "xquad": _ANSWERS,
    "mlqa": _ANSWERS,
    "tydiqa": _ANSWERS,
    "mewslix": Kind("json", _score_entities),
}
"""Every task of both benchmarks whose predictions have a layout (LAReQA has none)."""


# --- scoring a folder ----------------------------------------------------------------------------


def score_submission(
    labels: Path,
    predictions: Path,
    benchmark: str = "xtreme",
    task: str | None = None,
    language: str | None = None,
) -> dict[str, dict[str, Any]]:
    """``{task: {"average": {metric: percent}, "languages": {code: {metric: percent}}}}``.

    A task with English and other languages has ``"without_english"`` as well, like the average.

    All tasks that ``predictions`` holds, or one; all their labelled languages, or one. The
    benchmark decides the order of the languages in the sum. A task of the other benchmark is
    scored too, in that one's order. Raises ``ScoreError``.
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
    """The tasks to score, in the order of ``KINDS``."""
    held = _folders(predictions)
    for name in [task] if task is not None else held:
        if name not in KINDS:
            where = "" if task else f"{predictions}: "
            raise ScoreError(where + unknown("task", name, KINDS))
    if not held:
        raise ScoreError(f"{predictions}: empty; expected folders named {', '.join(KINDS)}")
    labelled = _folders(labels)
    wanted = [name for name in KINDS if name == (task or name) and (task or name in held)]
    for folder, names in ((predictions, held), (labels, labelled)):
        for name in wanted:
            if name not in names:
                raise ScoreError(f"{folder}: no folder for the task {name}")
    return wanted


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise ScoreError(f"{root}: no such folder")
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _languages(folder: Path, task: str) -> list[str]:
    """The labelled languages of a task, by code."""
    suffix = KINDS[task].suffix
    pattern = re.compile(rf"test-(.+)\.{suffix}")
    names = sorted(path.name for path in folder.iterdir())
    found = [match[1] for match in map(pattern.fullmatch, names) if match]
    if not found:
        raise ScoreError(f"{folder}: empty; expected files named test-<language>.{suffix}")
    return found


def _score_task(
    labels: Path, predictions: Path, benchmark: str, task: str, languages: list[str]
) -> dict[str, Any]:
    kind, order = KINDS[task], official_order(benchmark, task)
    scores = {}
    for code in averages.in_order(languages, order):
        name = f"test-{code}.{kind.suffix}"
        gold_path, path = labels / task / name, predictions / task / name
        if not path.is_file():
            raise ScoreError(f"{path}: missing, but {gold_path} has labels for {code!r}")
        scores[code] = _one_file(kind, task, code, gold_path, path)
    result = {"average": averages.language_mean(scores, order), "languages": scores}
    if "en" in scores and len(scores) > 1:
        result["without_english"] = averages.without_english(scores, order)
    return result


def _one_file(kind: Kind, task: str, code: str, gold_path: Path, path: Path) -> Metrics:
    try:
        return kind.score(task, code, gold_path, path)
    except ScoreError:
        raise
    except ValueError as error:
        raise ScoreError(f"{path}: {error}") from error


def official_order(benchmark: str, task: str) -> tuple[str, ...]:
    """The task's languages as its benchmark lists them; those of the other one for other tasks."""
    others = [name for name in averages.LANGUAGES if name != benchmark]
    for name in (benchmark, *others):
        if task in averages.LANGUAGES[name]:
            return averages.LANGUAGES[name][task]
    return ()


# --- command line --------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``xstilts score``."""
    parser.add_argument("labels", type=Path, help="folder with <task>/test-<language>.*")
    parser.add_argument("predictions", type=Path, help="folder with the same file names")
    parser.add_argument("--benchmark", default="xtreme", help="xtreme (default) or xtreme-r")
    parser.add_argument("--task", help="score this task only")
    parser.add_argument("--language", help="score this language only")
    parser.add_argument("--json", action="store_true", help="print JSON with every digit")


def run(args: argparse.Namespace) -> int:
    """Print the scores and return 0; print one line to stderr and return 2 on an error."""
    try:
        results = score_submission(
            args.labels, args.predictions, args.benchmark, args.task, args.language
        )
    except ScoreError as error:
        print(f"xstilts score: {error}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        print(table(results, args.benchmark, by_language=bool(args.task or args.language)))
    return 0


def table(
    results: Mapping[str, Mapping[str, Any]], benchmark: str = "xtreme", by_language: bool = False
) -> str:
    """The averages as lines of text, with the group and overall scores that exist."""
    lines = [_row("task", "languages", "metric", "score")]
    for task, result in results.items():
        official, codes = official_order(benchmark, task), result["languages"]
        count = _counted(codes, official)
        lines += [_row(task, count, m, f"{v:.2f}") for m, v in result["average"].items()]
        if by_language:
            lines += [
                _row("", code, metric, f"{value:.2f}")
                for code, metrics in codes.items()
                for metric, value in metrics.items()
            ]
    return "\n".join(lines + _beside(results, benchmark))


def _counted(codes: Collection[str], official: Collection[str]) -> str:
    """How many of a benchmark's languages are scored, and how many others beside them.

    >>> _counted(["de", "swg"], ["de", "fr"]), _counted(["de", "fr"], ["de", "fr"])
    ('1 of 2 + 1 other', '2')
    """
    known = sum(code in official for code in codes)
    others = len(codes) - known
    text = str(known) if known == len(official) else f"{known} of {len(official)}"
    return text + (f" + {others} other{'s' if others > 1 else ''}" if others else "")


def _row(task: str, languages: str, metric: str, score: str) -> str:
    return f"{task:<16}{languages:<20}{metric:<14}{score:>8}"


def _beside(results: Mapping[str, Mapping[str, Any]], benchmark: str) -> list[str]:
    """Group and overall scores of whole tasks, and TyDi QA without English."""
    whole = {
        task: averages.task_score(result["average"])
        for task, result in results.items()
        if set(result["languages"]) == set(averages.LANGUAGES[benchmark].get(task, ()))
    }
    lines = [
        _row(group, "", "mean", f"{value:.2f}")
        for group, value in averages.group_scores(whole, benchmark).items()
    ]
    if benchmark == "xtreme" and set(averages.XTREME_TASKS) <= set(whole):
        lines.append(_row("all 9 tasks", "", "mean", f"{averages.xtreme_mean(whole):.2f}"))
    if "tydiqa" in whole:
        for metric, value in results["tydiqa"]["without_english"].items():
            lines.append(_row("tydiqa", "without en", metric, f"{value:.2f}"))
    return ["", *lines] if lines else []


def main(argv: list[str] | None = None) -> int:
    """``python -m xstilts.analysis.score_submission``."""
    parser = argparse.ArgumentParser(prog="xstilts score", description="Score predictions.")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
