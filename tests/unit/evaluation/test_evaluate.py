"""Evaluation: one checkpoint on one target; only missing and stale scores are computed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.config.study import Evaluation
from xstilts.errors import LineageError, TrainingError
from xstilts.evaluation import evaluate, predictor
from xstilts.evaluation import scores as score_files
from xstilts.models import checkpoint as checkpoints
from xstilts.models.batch import pack
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import read_json
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.base import EncodingContext
from xstilts.training import train

LANGUAGES = {"en": "abcdefgh", "sw": "efgh1234", "th": "ไทยabกน今"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A trained checkpoint and test examples in three languages, never changed."""
    folder = tmp_path_factory.mktemp("made")
    job = tiny.training_job(folder)
    train.run(job)
    tests = {
        language: tiny.split(
            folder / "test" / f"{language}.json", "classification", tiny.sentences(12, alphabet)
        )
        for language, alphabet in LANGUAGES.items()
    }
    return tiny.evaluation_job(folder, job, tests)


@pytest.fixture
def job(made, tmp_path):
    """The same in a folder of its own, whatever a test does to it."""
    home = made.work.parent
    shutil.copytree(home, tmp_path / "own")

    def moved(path):
        return tmp_path / "own" / path.relative_to(home)

    return replace(
        made,
        encoder=moved(made.encoder),
        checkpoint=moved(made.checkpoint),
        score_file=moved(made.score_file),
        examples={lang: moved(path) for lang, path in made.examples.items()},
        work=moved(made.work),
    )


def evaluated(job) -> list[str]:
    """Run a job; the languages that it computed."""
    said: list[str] = []
    evaluate.run(job, said.append)
    return [found[1] for line in said if (found := re.match(r"(\w+) \(\d+ of \d+\)", line))]


def cell(job, language):
    """What a job's file says of a language."""
    return score_files.read(job.score_file)[language]


def rows(job, language):
    """The predictions of a language."""
    return score_files.predictions(job.score_file, cell(job, language)).to_pylist()


def files(job):
    """Of every score its line, and of every archived file its bytes."""
    found = {}
    if job.score_file.exists():
        for line in job.score_file.read_bytes().splitlines():
            found[f"{json.loads(line)['language']}.json"] = line
        with zipfile.ZipFile(score_files.archive(job.score_file)) as archive:
            found |= {name: archive.read(name) for name in archive.namelist()}
    return found


def times(job):
    """When the files were written."""
    return [path.stat().st_mtime_ns for path in sorted(job.score_file.parent.iterdir())]


def changed(before, job) -> set[str]:
    after = files(job)
    return {name.split(".")[0] for name in after if after[name] != before.get(name)}


def only(job, *languages):
    return replace(job, examples={lang: job.examples[lang] for lang in languages})


# --- a score --------------------------------------------------------------------------------------


def test_a_cell_says_what_it_is_of_and_what_it_found(job):
    """Identity, inputs by sha256, n, metrics, counts, warnings, and where its predictions are."""
    assert evaluated(job) == ["en", "sw", "th"]
    found = cell(job, "sw")
    assert found["language"] == "sw"
    assert (found["encoder"], found["condition"], found["seed"], found["target"]) == (
        *("tiny", "none"), 1, "toy",
    )  # fmt: skip
    assert found["inputs"] == {
        "checkpoint": file_sha256(job.checkpoint),
        "examples": file_sha256(job.examples["sw"]),
    }
    assert found["n"] == 12
    assert set(found["metrics"]) == {"accuracy"}
    assert (found["device"], found["precision"]) == ("cpu", "fp32")
    predictions = files(job)["sw.parquet"]
    assert hashlib.sha256(predictions).hexdigest() == found["predictions"]["sha256"]
    assert len(predictions) == found["predictions"]["bytes"]


def test_the_score_is_that_of_the_predictions(job):
    """What is kept beside a score is enough to score it again."""
    evaluated(job)
    for language in job.examples:
        said = rows(job, language)
        right = sum(row["prediction"] == row["gold"] for row in said)
        assert cell(job, language)["metrics"]["accuracy"] == right / len(said) * 100


def test_the_predictions_are_those_of_the_trained_network(job):
    """Each sentence alone through the whole vocabulary gives the same classes."""
    evaluated(only(job, "en"))
    saved = checkpoints.Checkpoint.load(
        job.checkpoint.parent / checkpoints.FILE, job.encoder.parent
    )
    folder = job.encoder.parent
    whole = checkpoints.build(folder, saved, EmbeddingRows(torch.arange(tiny.ROWS))).eval()
    model = predictor.Predictor(job)
    sentences = tiny.sentences(12)
    context = EncodingContext(model.tokenizer, job.labels, job.limits)
    features = model.task_model.encode(sentences, context)
    with torch.inference_mode():
        for number, row in enumerate(rows(job, "en")):
            batch = pack(features, [number])
            scores = model.head(whole(batch), batch)[0]
            assert row["prediction"] == job.labels[int(scores.argmax())]


def test_a_language_gives_the_same_bytes_alone_and_among_others(job, tmp_path):
    """Cells and predictions do not know what else was computed, or in which order."""
    evaluated(job)
    alone = replace(
        only(job, "th"), score_file=tmp_path / "alone/toy.jsonl", work=tmp_path / "alone/work"
    )
    backwards = replace(
        only(job, "th", "sw", "en"),
        score_file=tmp_path / "backwards/toy.jsonl",
        work=tmp_path / "backwards/work",
    )
    evaluated(alone)
    evaluated(backwards)
    assert files(alone).items() < files(job).items()
    for path in (job.score_file, score_files.archive(job.score_file)):
        assert (backwards.score_file.parent / path.name).read_bytes() == path.read_bytes()


def test_batches_change_nothing_that_is_seen(job, tmp_path):
    """Sentences one by one or all at once: the same predictions."""
    evaluated(job)
    for tokens in (1, 10_000):
        other = replace(
            job,
            evaluation=Evaluation(batch_tokens=tokens),
            score_file=tmp_path / f"{tokens}/toy.jsonl",
            work=tmp_path / "w",
        )
        evaluated(other)
        archives = [score_files.archive(each.score_file).read_bytes() for each in (job, other)]
        assert archives[0] == archives[1]


def test_what_could_not_be_represented_is_counted(job):
    """In the score, by name."""
    rows = [row | {"text": "a" * 40, "text_pair": None} for row in tiny.sentences(3)]
    tiny.split(job.examples["en"], "classification", rows)
    evaluated(only(job, "en"))
    assert cell(job, "en")["counts"] == {"truncated": 3}


def test_what_happened_is_recorded_beside_the_cells(job):
    """Device, packages and the seconds of each language: what differs from run to run."""
    evaluated(job)
    record = read_json(score_files.run_record(job.score_file))
    assert list(record["seconds_by_language"]) == ["en", "sw", "th"]
    assert (record["device"], record["precision"]) == ("cpu", "fp32")


# --- what is computed and what is not ------------------------------------------------------------


def test_nothing_is_computed_twice(job):
    """A second run touches no file."""
    evaluated(job)
    before = times(job)
    assert len(before) == 3
    assert evaluated(job) == []
    assert times(job) == before


def test_a_new_language_is_computed_alone(job):
    """The others keep their bytes."""
    evaluated(only(job, "en", "th"))
    before = files(job)
    assert evaluated(job) == ["sw"]
    assert changed(before, job) == {"sw"}


def edit_line(job, language, change):
    lines = job.score_file.read_text().splitlines(keepends=True)
    is_its = f'"language":"{language}"'
    job.score_file.write_text("".join(change(x) if is_its in x else x for x in lines))


def edit_member(job, change):
    """Rewrite the archive, with sw's predictions changed; None leaves them out."""
    path = score_files.archive(job.score_file)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["sw.parquet"] = change(members["sw.parquet"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def lose_cell(job):
    edit_line(job, "sw", lambda line: "")


def forget_cell(job):
    score_files.invalidate(job.score_file, ["sw"])


def lose_predictions(job):
    edit_member(job, lambda content: None)


def change_predictions(job):
    edit_member(job, lambda content: content[:-1] + b"?")


def truncate_cell(job):
    edit_line(job, "sw", lambda line: line[:50] + "\n")


def empty_cell(job):
    edit_line(job, "sw", lambda line: "[]\n")


def other_language(job):
    line = next(x for x in job.score_file.read_text().splitlines() if '"language":"en"' in x)
    other = line.replace('"language":"en"', '"language":"sw"')
    edit_line(job, "sw", lambda _: f"{other}\n")


def other_examples(job):
    tiny.split(job.examples["sw"], "classification", tiny.sentences(9, "xyz"))


@pytest.mark.parametrize(
    "spoil",
    [
        lose_cell,
        forget_cell,
        lose_predictions,
        change_predictions,
        truncate_cell,
        empty_cell,
        other_language,
        other_examples,
    ],
)
def test_a_cell_that_is_not_whole_or_not_true_is_made_again(spoil, job):
    """It alone; the others keep their bytes."""
    evaluated(job)
    before = files(job)
    spoil(job)
    assert evaluated(job) == ["sw"]
    assert changed(before, job) == ({"sw"} if spoil is other_examples else set())


def test_cells_of_another_spec_are_made_again(job):
    """The code or the settings of the evaluation have changed."""
    evaluated(job)
    assert evaluated(replace(job, spec="spec2")) == ["en", "sw", "th"]
    assert cell(job, "sw")["spec"] == "spec2"


def test_kept_cells_of_another_spec_keep_their_bytes(job):
    """A study that keeps the scores of another version of the code adds a language to them."""
    evaluated(only(replace(job, spec="before"), "en", "sw"))
    before = files(job)
    assert evaluated(replace(job, kept=frozenset({"en", "sw"}))) == ["th"]
    assert changed(before, job) == {"th"}
    assert [cell(job, language)["spec"] for language in ("en", "th")] == ["before", "spec1"]


def test_cells_of_another_checkpoint_are_made_again(job):
    """A checkpoint that was trained again under them makes all of them stale."""
    evaluated(job)
    weights = job.checkpoint.parent / checkpoints.FILE
    saved = checkpoints.Checkpoint.load(weights, job.encoder.parent)
    saved.embeddings.embeddings += 1.0
    saved.save(weights, job.encoder.parent)
    stamp = read_json(job.checkpoint)
    write_stamp(job.checkpoint, spec="spec1", inputs=stamp["inputs"], files=[weights])
    assert evaluated(job) == ["en", "sw", "th"]


# --- failures ------------------------------------------------------------------------------------


def test_a_failing_language_keeps_no_other_from_being_computed(job):
    """They are kept in the work folder; the next run computes the one that failed."""
    good = job.examples["sw"].with_suffix(".parquet").read_bytes()
    job.examples["sw"].with_suffix(".parquet").write_bytes(good[:-1] + b"?")
    with pytest.raises(LineageError, match=r"sw.parquet"):
        evaluated(job)
    assert not job.score_file.exists()
    kept = read_json(job.work / "en.json")
    job.examples["sw"].with_suffix(".parquet").write_bytes(good)
    assert evaluated(job) == ["sw"]
    assert cell(job, "en") == kept
    assert not job.work.exists()


def test_kept_results_of_other_inputs_are_not_published(job):
    """What was computed before a failure counts only while it is still true."""
    (job.examples["th"].with_suffix(".parquet")).unlink()
    with pytest.raises(LineageError):
        evaluated(job)
    tiny.split(job.examples["th"], "classification", tiny.sentences(5, "ab"))
    tiny.split(job.examples["en"], "classification", tiny.sentences(7, "ab"))
    assert evaluated(job) == ["en", "th"]
    assert cell(job, "en")["n"] == 7


def test_killed_while_publishing_nothing_is_lost(job, monkeypatch):
    """The archive is new and the lines are old: nothing is computed again."""
    evaluated(only(job, "en", "th"))
    before = files(job)
    monkeypatch.setattr(score_files, "write_text", lambda path, text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluated(job)
    assert sorted(files(job)) == ["en.json", "en.parquet", "sw.parquet", "th.json", "th.parquet"]
    monkeypatch.undo()
    assert evaluated(job) == []
    assert sorted(files(job)) == sorted(f"{x}.{s}" for x in LANGUAGES for s in ("json", "parquet"))
    assert before.items() < files(job).items()


def test_languages_that_are_not_asked_for_stay(job):
    """As long as they are of the same evaluation; a stale one goes when others are written."""
    evaluated(job)
    before = files(job)
    edit_line(job, "sw", lambda line: "")
    assert evaluated(only(job, "en", "sw")) == ["sw"]
    assert files(job) == before
    assert evaluated(replace(only(job, "en"), spec="spec2")) == ["en"]
    assert sorted(files(job)) == ["en.json", "en.parquet"]


def test_weights_that_were_swapped_under_their_stamp_are_refused(job):
    """The error names the file; no score is written."""
    weights = job.checkpoint.parent / checkpoints.FILE
    saved = checkpoints.Checkpoint.load(weights, job.encoder.parent)
    saved.embeddings.embeddings += 1.0
    saved.save(weights, job.encoder.parent)
    with pytest.raises(LineageError, match=r"weights.safetensors: its bytes are not the ones"):
        evaluated(job)
    assert files(job) == {}


def test_a_checkpoint_of_another_encoder_is_refused(job):
    """Rows that are not in the checkpoint would come from an encoder that it never saw."""
    tiny.encoder(job.encoder.parent, seed=9)
    with pytest.raises(LineageError, match=r"checkpoint.json: was trained from another"):
        evaluated(job)


def restamped(job, change):
    weights = job.checkpoint.parent / checkpoints.FILE
    saved = checkpoints.Checkpoint.load(weights, job.encoder.parent)
    change(saved)
    saved.save(weights, job.encoder.parent)
    inputs = read_json(job.checkpoint)["inputs"]
    write_stamp(job.checkpoint, spec="spec1", inputs=inputs, files=[weights])


def spoil_body(saved):
    saved.body["encoder.layer.1.output.dense.bias"].fill_(float("nan"))


def test_outputs_that_are_no_numbers_are_refused(job):
    """A score of them would be chance under the name of a model."""
    restamped(job, spoil_body)
    with pytest.raises(TrainingError, match=r"checkpoint.json: produced NaN or infinite outputs"):
        evaluated(job)


def test_tags_from_outputs_that_are_no_numbers_are_refused(tmp_path):
    """Tagging as well: the best of NaNs is no tag."""
    trained = tiny.training_job(tmp_path, tiny.task(tmp_path, "tagging"))
    train.run(trained)
    test = tiny.split(tmp_path / "test/en.json", "tagging", tiny.tagged(5))
    job = tiny.evaluation_job(tmp_path, trained, {"en": test}, scorer="token_accuracy")
    restamped(job, spoil_body)
    with pytest.raises(TrainingError, match="NaN or infinite"):
        evaluated(job)


def test_a_model_that_always_says_the_same_is_warned_of(job):
    """Where the gold labels are not all the same."""

    def collapse(saved):
        saved.heads["t_classification.sentence.out.bias"][0] = 1e6

    restamped(job, collapse)
    rows = [row | {"label": "yes"} for row in tiny.sentences(4)]
    tiny.split(job.examples["sw"], "classification", rows)
    evaluated(job)
    assert cell(job, "en")["warnings"] == ["majority_class"]
    assert cell(job, "sw")["warnings"] == []


# --- fewer examples ------------------------------------------------------------------------------


def test_max_examples_scores_the_first_ones(job):
    """And n says how many."""
    evaluated(replace(only(job, "en"), evaluation=Evaluation(max_examples=5)))
    assert cell(job, "en")["n"] == 5
    assert [row["id"] for row in rows(job, "en")] == [f"c{i}" for i in range(5)]


# --- without training ----------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [None, 0, 1])
def test_retrieval_reads_an_encoder_that_was_never_trained(layer, tmp_path):
    """Its stamp stands in the checkpoint's place; equal sentences find each other at any layer."""
    stamp = tiny.encoder(tmp_path / "encoder")
    test = tiny.split(tmp_path / "test/sw.json", "retrieval", tiny.translations(8))
    job = tiny.evaluation_job(
        tmp_path,
        tiny.training_job(tmp_path),
        {"sw": test},
        task_type="retrieval",
        scorer="nearest",
        checkpoint=stamp,
        head=None,
        layer=layer,
    )
    assert evaluated(job) == ["sw"]
    assert cell(job, "sw")["metrics"] == {"accuracy": 100.0}


def retrieval_job(folder, tests, **changes):
    """An evaluation of the random encoder as it is."""
    trained = tiny.training_job(folder)
    values = {"task_type": "retrieval", "scorer": "nearest", "head": None, "layer": 1}
    values |= {"checkpoint": trained.encoder} | changes
    return tiny.evaluation_job(folder, trained, tests, **values)


def test_a_sweep_scores_every_layer_beside_the_official_one(tmp_path):
    """The embeddings are layer 00; the official numbers are those of a run without a sweep."""
    test = tiny.split(tmp_path / "test/sw.json", "retrieval", tiny.translations(30, shift=3))
    scores = {}
    for layer in (0, 1, 2):
        job = retrieval_job(tmp_path / f"layer{layer}", {"sw": test}, layer=layer)
        evaluated(job)
        scores[f"accuracy_layer_{layer:02d}"] = cell(job, "sw")["metrics"]["accuracy"]
        predictions = files(job)["sw.parquet"]
        swept = replace(job, sweep=True, spec="swept")
        evaluated(swept)
        assert files(job)["sw.parquet"] == predictions
    assert cell(job, "sw")["metrics"] == {"accuracy": scores["accuracy_layer_02"]} | scores
    assert len(set(scores.values())) > 1


def test_the_last_layer_is_the_official_one_where_the_encoder_names_none(tmp_path):
    """In a sweep as without one."""
    test = tiny.split(tmp_path / "test/sw.json", "retrieval", tiny.translations(30, shift=3))
    job = retrieval_job(tmp_path, {"sw": test}, layer=None, sweep=True)
    evaluated(job)
    metrics = cell(job, "sw")["metrics"]
    assert metrics["accuracy"] == metrics["accuracy_layer_02"]


def pool(language, others=("x", "y")):
    """Three queries of a language, among the candidates of all."""
    queries = [
        {"id": f"{language}{i}", "side": "query", "text": language * (i + 1), "relevant": [f"x{i}"]}
        for i in range(3)
    ]
    candidates = [
        {"id": f"{other}{i}", "side": "candidate", "text": other * (i + 2), "relevant": []}
        for other in others
        for i in range(4)
    ]
    return queries + candidates


def test_candidates_that_languages_share_are_encoded_once(tmp_path, monkeypatch):
    """And a language has the same bytes as if it were alone."""
    tests = {
        code: tiny.split(tmp_path / f"test/{code}.json", "retrieval", pool(letter))
        for code, letter in (("de", "a"), ("sw", "b"), ("th", "c"))
    }
    seen: list[int] = []
    load_rows = predictor.Predictor.load_rows
    monkeypatch.setattr(
        predictor.Predictor, "load_rows", lambda p, f: seen.append(len(f)) or load_rows(p, f)
    )
    job = retrieval_job(tmp_path / "all", tests, scorer="map20", primary="map_at_20")
    evaluated(job)
    assert seen == [3, 8, 3, 3]
    for code in tests:
        alone = retrieval_job(tmp_path / code, tests, scorer="map20", primary="map_at_20")
        evaluated(only(alone, code))
        assert cell(alone, code) == cell(job, code)
    tiny.split(tests["sw"], "retrieval", pool("b", others=("x", "z")))
    seen.clear()
    assert evaluated(job) == ["sw"]
    evaluated(replace(job, spec="new"))
    assert seen[2:] == [3, 8, 3, 8, 3, 8]


def mined(folder, n, partners):
    """Sentences of two languages; the first ones are translations: the same letters."""
    queries = [
        {
            "id": f"f{i}",
            "side": "query",
            "text": tiny.LETTERS[i] * 2 + "1",
            "relevant": [f"e{i}"] if i < partners else [],
        }
        for i in range(n)
    ]
    candidates = [
        {
            "id": f"e{i}",
            "side": "candidate",
            "text": tiny.LETTERS[i] * 2 + ("1" if i < partners else "是 今 天"),
            "relevant": [],
        }
        for i in range(n)
    ]
    return tiny.split(folder / "zh.json", "retrieval", queries + candidates)


def test_a_threshold_is_tuned_on_dev_and_applied_to_test(tmp_path):
    """The score says which; other dev examples make it stale."""
    test, dev = mined(tmp_path / "test", 20, 8), mined(tmp_path / "dev", 12, 5)
    about = {"scorer": "bucc", "primary": "f1"}
    job = retrieval_job(tmp_path, {"zh": test}, tuning={"zh": dev}, tuned_on="dev", **about)
    on_dev = retrieval_job(tmp_path / "dev", {"zh": dev}, **about)
    for each in (job, on_dev):
        evaluated(each)
    found, own = cell(job, "zh"), cell(on_dev, "zh")
    assert found["threshold"] == own["threshold"] | {"tuned_on": "dev"}
    assert own["threshold"]["tuned_on"] == "test"
    assert found["inputs"]["tuning"] == own["inputs"]["examples"] == file_sha256(dev)
    assert found["n"] == 8
    said = rows(job, "zh")
    assert [r["kept"] for r in said] == [r["score"] >= found["threshold"]["value"] for r in said]
    kept = {(r["id"], r["prediction"]) for r in said if r["kept"]}
    right = len(kept & {(f"f{i}", f"e{i}") for i in range(8)})
    assert found["metrics"]["recall"] == 100 * right / 8
    mined(tmp_path / "dev", 12, 6)
    assert evaluated(job) == ["zh"]


def test_retrieval_reads_a_checkpoint_of_another_format(tmp_path):
    """XTREME-R tunes on SQuAD first: the pooling is the head, whatever the checkpoint's was."""
    trained = tiny.training_job(tmp_path, tiny.task(tmp_path, "span_qa", epochs=1))
    train.run(trained)
    test = tiny.split(tmp_path / "test/sw.json", "retrieval", tiny.translations(30, shift=3))
    scores = []
    for name, checkpoint in (("before", trained.encoder), ("after", trained.stamp)):
        job = retrieval_job(tmp_path, {"sw": test}, checkpoint=checkpoint, sweep=True, spec=name)
        evaluated(job)
        scores.append(cell(job, "sw")["metrics"])
    assert scores[0] != scores[1]


def test_every_format_can_be_evaluated(tmp_path):
    """From a checkpoint of several tasks, each with its own head."""
    tasks = [tiny.task(tmp_path, form, epochs=1) for form in tiny.ROWS_OF]
    trained = tiny.training_job(tmp_path, *tasks)
    train.run(trained)
    scorers = {"tagging": "span_f1", "span_qa": "squad", "document_qa": "tydi"}
    for task in tasks:
        test = tiny.split(
            tmp_path / f"test/{task.task_type}/en.json",
            task.task_type,
            tiny.ROWS_OF[task.task_type][0](9),
        )
        job = tiny.evaluation_job(
            tmp_path / task.task_type,
            replace(trained, tasks=(task,)),
            {"en": test},
            task_type=task.task_type,
            scorer=scorers.get(task.task_type, "accuracy"),
        )
        evaluated(job)
        found = cell(job, "en")
        assert found["n"] == 9
        assert all(0 <= value <= 100 for value in found["metrics"].values())
        assert np.isfinite(list(found["metrics"].values())).all()
