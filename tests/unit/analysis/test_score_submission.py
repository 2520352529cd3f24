"""Scoring a folder of predictions in XTREME's layout."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from support.places import MIRROR
from xstilts.analysis.score_submission import as_text, score_submission
from xstilts.errors import ScoreError
from xstilts.metrics import averages

MOCK = MIRROR / "xtreme_mock"


# --- golden: XTREME's own mock data --------------------------------------------------------------


@pytest.fixture(scope="module")
def mock():
    """XTREME's mock labels, predictions and expected averages."""
    if not (MOCK / "expected.json").is_file():
        pytest.skip(f"no {MOCK}; set XSTILTS_MIRROR to the folder that holds xtreme_mock")
    expected = json.loads((MOCK / "expected.json").read_text(encoding="utf-8"))
    return {task: numbers for task, numbers in expected.items() if not task.startswith("_")}


@pytest.mark.mirror
def test_official_numbers_to_the_last_bit(mock):
    """Every average of the official evaluator on its mock data is reproduced exactly."""
    results = score_submission(MOCK / "labels", MOCK / "predictions")
    assert {task: result["average"] for task, result in results.items()} == mock
    assert len(mock) == 10


@pytest.mark.mirror
def test_mock_data_holds_the_official_languages(mock):
    """The averages are over the full language lists, in their order."""
    results = score_submission(MOCK / "labels", MOCK / "predictions")
    for task in averages.XTREME_TASKS:
        assert tuple(results[task]["languages"]) == averages.LANGUAGES["xtreme"][task]
    assert len(results["mewslix"]["languages"]) == 11


@pytest.mark.mirror
def test_one_language_is_the_language_of_all(mock):
    """One task and language give the numbers that they have in the whole."""
    whole = score_submission(MOCK / "labels", MOCK / "predictions", task="panx")
    part = score_submission(MOCK / "labels", MOCK / "predictions", task="panx", language="de")
    assert part == {
        "panx": {
            "average": whole["panx"]["languages"]["de"],
            "languages": {"de": whole["panx"]["languages"]["de"]},
        }
    }


@pytest.mark.mirror
def test_text_of_the_mock_data(mock):
    """The text has the averages and the overall scores that are defined."""
    results = score_submission(MOCK / "labels", MOCK / "predictions")
    rows = [line.split() for line in as_text(results).splitlines()]
    assert ["udpos", "33", "f1", "70.22"] in rows
    assert ["qa", "mean", "80.38"] in rows
    assert ["all", "9", "tasks", "mean", "62.17"] in rows
    assert ["tydiqa", "without", "en", "f1", "96.88"] in rows


@pytest.mark.mirror
def test_damaged_copies_of_the_mock_data(mock, tmp_path):
    """A missing language and a lost line in real files are found."""
    shutil.copytree(MOCK / "predictions", tmp_path / "predictions")
    path = tmp_path / "predictions" / "udpos" / "test-de.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    with pytest.raises(ScoreError, match=r"test-de\.tsv:1: sentence 1 has 11 labels, but 12 in"):
        score_submission(MOCK / "labels", tmp_path / "predictions", task="udpos")
    path.unlink()
    with pytest.raises(ScoreError, match=r"test-de\.tsv: missing, but .* has labels for 'de'$"):
        score_submission(MOCK / "labels", tmp_path / "predictions", task="udpos")


# --- a folder made here --------------------------------------------------------------------------


def squad_file(answers):
    """A SQuAD file with one question for each id."""
    qas = [{"id": i, "answers": [{"text": t} for t in texts]} for i, texts in answers.items()]
    return json.dumps({"data": [{"paragraphs": [{"context": "", "qas": qas}]}]}, indent=1)


class Folder:
    """Labels and predictions on disk."""

    def __init__(self, root):
        self.root, self.labels, self.predictions = root, root / "labels", root / "predictions"

    def add(self, task, name, gold, predicted):
        """Write both files of a task; None leaves one out."""
        for side, content in (("labels", gold), ("predictions", predicted)):
            if content is not None:
                path = self.root / side / task / name
                path.parent.mkdir(parents=True, exist_ok=True)
                data = content if isinstance(content, bytes) else content.encode()
                path.write_bytes(data)
        return self

    def score(self, **options):
        """Score the folder."""
        return score_submission(self.labels, self.predictions, **options)

    def error(self, **options):
        """The message of the error, with the temporary folder cut off."""
        with pytest.raises(ScoreError) as caught:
            self.score(**options)
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(f"{self.root}{os.sep}", "")


@pytest.fixture
def folder(tmp_path):
    """An empty submission."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "predictions").mkdir()
    return Folder(tmp_path)


XNLI = "entailment\nneutral\ncontradiction\nneutral\n"


def test_scores_and_averages(folder):
    """Languages are scored apart and averaged, in the official order."""
    folder.add("xnli", "test-sw.tsv", XNLI, XNLI)
    folder.add("xnli", "test-en.tsv", XNLI, XNLI.replace("entailment", "neutral"))
    assert folder.score() == {
        "xnli": {
            "average": {"accuracy": 87.5},
            "languages": {"en": {"accuracy": 75.0}, "sw": {"accuracy": 100.0}},
            "without_english": {"accuracy": 100.0},
        }
    }
    assert list(folder.score()["xnli"]["languages"]) == ["en", "sw"]


@pytest.mark.parametrize(
    ("task", "name", "gold", "predicted", "expected"),
    [
        ("pawsx", "test-de.tsv", "0\n1\n", "0\r\n0\r\n", {"accuracy": 50.0}),
        ("tatoeba", "test-de.tsv", "7\n3", "7\n4\n", {"accuracy": 50.0}),
        (
            "xcopa",
            "test-qu.jsonl",
            '{"label": 0}\n{"label": 1}\n',
            '{"label": 1}\n{"label": 1}\n',
            {"accuracy": 50.0},
        ),
        (
            "panx",
            "test-ja.tsv",
            "B-LOC\nI-LOC\n\n\nO\nB-PER\n",
            "B-LOC\nI-LOC\n\nO\nO\n\n",
            {"f1": 200 / 3, "precision": 100.0, "recall": 50.0},
        ),
        (
            "bucc2018",
            "test-de.tsv",
            "de-1\ten-1\nde-2\ten-2\n",
            "de-1\ten-1\nde-1\ten-1\n",
            {"f1": 200 / 3, "precision": 100.0, "recall": 50.0},
        ),
        ("bucc2018", "test-fr.tsv", "fr-1\ten-1", "", {"f1": 0.0, "precision": 0.0, "recall": 0.0}),
        (
            "mlqa",
            "test-zh.json",
            squad_file({"q": ["电化电池"]}),
            '{"q": "电化电"}',
            {"exact_match": 0.0, "f1": 600 / 7},
        ),
        (
            "xquad",
            "test-zh.json",
            squad_file({"q": ["电化电池", "电化电"]}),
            '{"q": "电化电"}',
            {"exact_match": 100.0, "f1": 100.0},
        ),
        ("mewslix", "test-ta.json", '{"m": ["Q1"]}', '{"m": ["Q2", "Q1"]}', {"map@20": 50.0}),
    ],
)
def test_each_task(folder, task, name, gold, predicted, expected):
    """Each task has its reader and its metric."""
    results = folder.add(task, name, gold, predicted).score()
    assert results[task]["average"] == pytest.approx(expected)


def test_byte_order_mark_is_no_label(folder):
    """A byte order mark at the start of a file is not part of the first label."""
    folder.add("pawsx", "test-de.tsv", "0\n1\n", b"\xef\xbb\xbf0\n1\n")
    assert folder.score()["pawsx"]["average"] == {"accuracy": 100.0}


def test_tasks_without_predictions_are_left_out(folder):
    """PREDICTIONS decides the tasks; predictions for unlabelled languages are not read."""
    folder.add("xnli", "test-en.tsv", XNLI, XNLI).add("pawsx", "test-en.tsv", "0\n1\n", None)
    folder.add("xnli", "test-xx.tsv", None, "nonsense")
    assert list(folder.score()) == ["xnli"]


def test_language_skips_tasks_without_it(folder):
    """With a language and no task, tasks that do not label it are left out."""
    folder.add("xnli", "test-sw.tsv", XNLI, XNLI).add("pawsx", "test-de.tsv", "0\n1\n", "0\n1\n")
    assert list(folder.score(language="sw")) == ["xnli"]
    assert "no task of predictions has labels for 'ko'" in folder.error(language="ko")


def test_xtreme_r_order(folder):
    """The benchmark gives the order of the languages; others follow by code."""
    for code in ("zz", "ro", "en", "aa"):
        folder.add("udpos", f"test-{code}.tsv", "NOUN\nVERB\n", "NOUN\nVERB\n")
    order = list(folder.score(benchmark="xtreme-r")["udpos"]["languages"])
    assert order == ["en", "ro", "aa", "zz"]


# --- errors --------------------------------------------------------------------------------------


def test_unequal_lengths(folder):
    """Unequal numbers of labels are named with both files."""
    folder.add("xnli", "test-en.tsv", XNLI, "neutral\n")
    assert folder.error() == (
        "predictions/xnli/test-en.tsv: 1 labels, but labels/xnli/test-en.tsv has 4"
    )


def test_unequal_sentences(folder):
    """Sentences are compared one by one, with the line where each starts."""
    folder.add("panx", "test-en.tsv", "O\n\nB-PER\nO\n", "O\n\n\nB-PER\n")
    assert folder.error() == (
        "predictions/panx/test-en.tsv:4: sentence 2 has 1 labels, "
        "but 2 in labels/panx/test-en.tsv:3"
    )
    folder.add("panx", "test-en.tsv", None, "O\n")
    assert folder.error() == (
        "predictions/panx/test-en.tsv: 1 sentences, but labels/panx/test-en.tsv has 2"
    )


def test_unknown_and_missing_ids(folder):
    """The first unknown or missing id is named, with how many there are."""
    gold = squad_file({"q1": ["a"], "q2": ["b"]})
    folder.add("xquad", "test-en.json", gold, '{"q1": "a"}')
    assert folder.error() == (
        "predictions/xquad/test-en.json: no prediction for 'q2'; 1 of 2 ids missing"
    )
    folder.add("xquad", "test-en.json", None, '{"q1": "a", "q2": "b", "q3": "c"}')
    assert folder.error() == (
        "predictions/xquad/test-en.json: unknown id 'q3'; 1 of 3 ids have no label"
    )


def test_missing_language(folder):
    """A labelled language needs a prediction file."""
    folder.add("xnli", "test-en.tsv", XNLI, XNLI).add("xnli", "test-sw.tsv", XNLI, None)
    assert folder.error() == (
        "predictions/xnli/test-sw.tsv: missing, but labels/xnli/test-sw.tsv has labels for 'sw'"
    )
    assert list(folder.score(language="en")["xnli"]["languages"]) == ["en"]


@pytest.mark.parametrize(
    ("task", "label", "count"),
    [
        ("xnli", "neutral", 5),
        ("pawsx", "0", 5),
        ("panx", "O", 5),
        ("udpos", "X", 5),
        ("tatoeba", "0", 5),
        ("udpos", "NOUN", 50),
        ("tatoeba", "7", 50),
    ],
)
def test_placeholder_labels(folder, task, label, count):
    """Nothing but placeholders, or very many equal labels, is refused; a shorter file is not."""
    lines = f"{label}\n" * count
    folder.add(task, "test-en.tsv", lines, lines)
    assert folder.error() == (
        f"labels/{task}/test-en.tsv: all {count} labels are {label!r}: placeholders, "
        "as in XTREME's release; score with the original labels"
    )
    lines = f"{label}\n" * (count - 1)
    assert folder.add(task, "test-en.tsv", lines, lines).score()


@pytest.mark.parametrize(
    ("task", "gold", "predicted"),
    [
        ("xquad", squad_file({"q": [""]}), '{"q": "a"}'),
        ("tydiqa", squad_file({"q": [], "r": []}), '{"q": "a", "r": "b"}'),
        ("mewslix", '{"q": [""]}', '{"q": ["Q1"]}'),
    ],
)
def test_placeholder_answers(folder, task, gold, predicted):
    """A file without any answer text is refused."""
    message = folder.add(task, "test-en.json", gold, predicted).error()
    assert message.startswith(f"labels/{task}/test-en.json: no answer of ")
    assert message.endswith("placeholders, as in XTREME's release; score with the original labels")


def test_one_question_without_answer(folder):
    """A single question without answer is named."""
    gold = squad_file({"q": ["a"], "r": []})
    folder.add("xquad", "test-en.json", gold, '{"q": "a", "r": ""}')
    assert folder.error() == "labels/xquad/test-en.json: question 'r' has no answer"


def test_unknown_task(folder):
    """An unknown task, asked for or found, is named with the allowed ones."""
    folder.add("xnli", "test-en.tsv", XNLI, XNLI)
    assert folder.error(task="xnly").startswith("unknown task 'xnly'; did you mean 'xnli'? Allowed")
    folder.add("squda", "test-en.tsv", XNLI, XNLI)
    assert folder.error().startswith(
        "predictions: unknown task 'squda'; did you mean 'xquad'? Allowed: b"
    )
    assert folder.error(benchmark="glue").startswith("unknown benchmark 'glue'. Allowed: xtreme")


def test_unknown_language(folder):
    """A language that the task does not label is named with the labelled ones."""
    folder.add("xnli", "test-en.tsv", XNLI, XNLI)
    message = folder.error(task="xnli", language="eo")
    assert message == "labels/xnli: unknown language 'eo'. Allowed: en"


def test_empty_folders(folder, tmp_path):
    """Folders that are absent or empty are named with what belongs there."""
    assert folder.error().startswith("predictions: empty; expected folders named xnli, pawsx")
    (folder.predictions / "xnli").mkdir()
    assert folder.error() == "labels: no folder for the task xnli"
    assert folder.error(task="pawsx") == "predictions: no folder for the task pawsx"
    (folder.labels / "xnli").mkdir()
    assert folder.error() == "labels/xnli: empty; expected files named test-<language>.tsv"
    with pytest.raises(ScoreError, match=r"nowhere: no such folder$"):
        score_submission(folder.labels, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("task", "name", "predicted", "message"),
    [
        ("xnli", "test-en.tsv", b"neutral\n\xff\n", ":2: byte 0xff is not UTF-8"),
        ("xnli", "test-en.tsv", "neutral\n\n", ":2: blank line; expected one label a line"),
        ("xnli", "test-en.tsv", "neutral\ta\tb\n", ":1: 3 columns; expected one label a line"),
        ("panx", "test-en.tsv", "O\nword\tO\n", ":2: 2 columns; expected one label a line"),
        ("bucc2018", "test-de.tsv", "a\tb\nc\n", ":2: 1 columns; expected two ids"),
        ("xquad", "test-en.json", '{"q":\n oops}', ":2: not JSON: Expecting value"),
        ("xquad", "test-en.json", "[]", ": expected an object {id: a text}"),
        ("xquad", "test-en.json", '{"q": 3}', ": 'q' has 3; expected a text"),
        ("mewslix", "test-en.json", '{"q": "Q1"}', ": 'q' has 'Q1'; expected a list of entities"),
        ("xcopa", "test-et.jsonl", '{"label": 0}\n{}\n', ':2: expected an object with a "label"'),
    ],
)
def test_unreadable_predictions(folder, task, name, predicted, message):
    """A file that cannot be read is named with its line and what belongs there."""
    gold = {
        "xnli": XNLI,
        "panx": "O\nB-PER\n",
        "bucc2018": "a\tb\n",
        "xquad": squad_file({"q": ["a"]}),
        "mewslix": '{"q": ["Q1"]}',
        "xcopa": '{"label": 0}\n{"label": 1}\n',
    }[task]
    folder.add(task, name, gold, predicted)
    assert folder.error() == f"predictions/{task}/{name}{message}"


def test_wrong_label_names(folder):
    """MNLI's "contradictory" is not XNLI's "contradiction": refused, not scored as wrong."""
    folder.add("xnli", "test-en.tsv", XNLI, XNLI.replace("contradiction", "contradictory"))
    assert folder.error() == (
        "predictions/xnli/test-en.tsv:3: unknown label 'contradictory'; "
        "did you mean 'contradiction'? Allowed: contradiction, entailment, neutral"
    )


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ('{"data": [{}]}', "not a SQuAD file: no key 'paragraphs'"),
        ("[]", "not a SQuAD file: list indices must be integers or slices, not str"),
        ('{"data": []}', "no questions"),
    ],
)
def test_unreadable_answers(folder, gold, message):
    """Gold files that are not SQuAD files are named."""
    folder.add("xquad", "test-en.json", gold, "{}")
    assert folder.error() == f"labels/xquad/test-en.json: {message}"


def test_question_twice(folder):
    """A question id that occurs twice in the labels is refused."""
    gold = json.loads(squad_file({"q": ["a"]}))
    gold["data"] *= 2
    folder.add("xquad", "test-en.json", json.dumps(gold), '{"q": "a"}')
    assert folder.error() == "labels/xquad/test-en.json: question 'q' occurs twice"


def test_metric_errors_name_the_file(folder):
    """What a metric refuses is reported with the file: MLQA has no rule for Thai."""
    folder.add("mlqa", "test-th.json", squad_file({"q": ["a"]}), '{"q": "a"}')
    assert folder.error().startswith("predictions/mlqa/test-th.json: unknown MLQA language 'th'")


# --- averages and text ---------------------------------------------------------------------------


def test_a_mean_without_english_where_it_differs(folder):
    """TyDi QA's own average; a task without English, or of English alone, has one mean only."""
    for code, answer in (("en", "a"), ("sw", "b"), ("te", "b")):
        folder.add("tydiqa", f"test-{code}.json", squad_file({"q": ["b"]}), f'{{"q": "{answer}"}}')
    folder.add("tatoeba", "test-de.tsv", "0\n1\n", "0\n1\n")
    results = folder.score()
    assert results["tydiqa"]["without_english"] == {"exact_match": 100.0, "f1": 100.0}
    assert results["tydiqa"]["average"]["f1"] == pytest.approx(200 / 3)
    assert "without_english" not in results["tatoeba"]
    assert "without_english" not in folder.score(language="en")["tydiqa"]


def test_text_by_language(folder):
    """The text says how many of the official languages an average has."""
    folder.add("pawsx", "test-de.tsv", "0\n1\n", "0\n1\n")
    lines = as_text(folder.score(), by_language=True).splitlines()
    assert [line.split() for line in lines] == [
        ["task", "languages", "metric", "score"],
        ["pawsx", "1", "of", "7", "accuracy", "100.00"],
        ["de", "accuracy", "100.00"],
    ]


@pytest.mark.parametrize(
    ("codes", "count"),
    [
        (averages.LANGUAGES["xtreme"]["tatoeba"], "36"),
        (("de", "sw"), "2 of 36"),
        ((*averages.LANGUAGES["xtreme"]["tatoeba"], "swg", "yue"), "36 + 2 others"),
        (("de", "swg"), "1 of 36 + 1 other"),
    ],
)
def test_text_counts_languages_that_are_not_the_benchmarks(folder, codes, count):
    """Tatoeba has 112 languages, of which XTREME scores 36."""
    for code in codes:
        folder.add("tatoeba", f"test-{code}.tsv", "0\n1\n", "0\n1\n")
    row = as_text(folder.score()).splitlines()[1]
    assert row.split() == ["tatoeba", *count.split(), "accuracy", "100.00"]


@pytest.mark.parametrize(
    ("task", "name", "gold", "predicted", "problem"),
    [
        (
            "mewslix",
            "test-de.json",
            '{"a": ["Q1"]}',
            '{"a": [["Q1"]]}',
            "predictions/mewslix/test-de.json: 'a' has ['Q1']; expected a list of texts",
        ),
        (
            "mewslix",
            "test-de.json",
            '{"a": ["Q1"]}',
            "[" * 100_000,
            "predictions/mewslix/test-de.json:1: not JSON: lists or objects are nested too deeply",
        ),
        (
            "xquad",
            "test-de.json",
            squad_file({"q": ["a"]}),
            '{"q": NaN}',
            "predictions/xquad/test-de.json:1: not JSON: NaN is no number in JSON",
        ),
        (
            "xquad",
            "test-de.json",
            '{"data": [{"paragraphs": [{"qas": [{"id": [1], "answers": []}]}]}]}',
            '{"q": "a"}',
            "labels/xquad/test-de.json: not a SQuAD file: the id [1] must be a text",
        ),
        (
            "xquad",
            "test-de.json",
            '{"data": [{"paragraphs": [{"qas": [{"id": "q", "answers": [{"text": 3}]}]}]}]}',
            '{"q": "a"}',
            "labels/xquad/test-de.json: not a SQuAD file: 3 must be a text",
        ),
        (
            "xcopa",
            "test-qu.jsonl",
            '{"label": 0}\n',
            '{"label": [0]}\n',
            "predictions/xcopa/test-qu.jsonl:1: the label [0] is neither a number nor a text",
        ),
        (
            "panx",
            "test-de.tsv",
            "O\nB-LOC\n",
            "O\nU-LOC\n",
            "predictions/panx/test-de.tsv: span_f1: unknown form of label 'U-LOC'. "
            "Allowed: B-<type>, E-<type>, I-<type>, O, S-<type>",
        ),
    ],
)
def test_a_file_of_another_form_is_one_line(folder, task, name, gold, predicted, problem):
    """Whatever its values are."""
    assert folder.add(task, name, gold, predicted).error() == problem


def test_a_pipe_is_not_waited_for(folder):
    """In the place of a folder's file."""
    folder.add("pawsx", "test-de.tsv", "0\n", None)
    (folder.predictions / "pawsx").mkdir()
    os.mkfifo(folder.predictions / "pawsx" / "test-de.tsv")
    assert folder.error() == (
        "predictions/pawsx/test-de.tsv: missing, but labels/pawsx/test-de.tsv has labels for 'de'"
    )
