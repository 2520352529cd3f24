"""The curves of a training: a log for programs, and the same points for TensorBoard."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import replace

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from support import tiny
from xstilts.training.log import CURVES, LOG, TrainingLog, last_progress
from xstilts.training.train import TrainingRun, run


def events(folder) -> list[Event]:
    """Every event of a folder's curves, read as TensorBoard reads them, checksums included."""
    found = []
    for path in sorted((folder / CURVES).glob("*tfevents*")):
        content = path.read_bytes()
        while content:
            length, checksum = struct.unpack("<QI", content[:12])
            assert masked_crc32c(content[:8]) == checksum
            data = content[12 : 12 + length]
            assert struct.unpack("<I", content[12 + length : 16 + length]) == (masked_crc32c(data),)
            found.append(Event.FromString(data))
            content = content[16 + length :]
    return found


def points(folder, tag) -> dict[int, float]:
    drawn = [
        (event.step, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
        if value.tag == tag
    ]
    assert len({step for step, _ in drawn}) == len(drawn)  # no point twice
    return dict(drawn)


def job_of(folder):
    stamp = tiny.split(folder / "examples/dev/en.json", "classification", tiny.sentences(9))
    task = replace(tiny.task(folder, eval_every=4), dev=(stamp,))
    return tiny.training_job(folder, task, save_every=0.0)


def test_the_curves_are_those_of_the_log(tmp_path):
    """Loss, learning rate, tokens a second and dev score, each with its step and time."""
    job = job_of(tmp_path)
    run(job)
    lines = [json.loads(x) for x in (job.folder / LOG).read_text().splitlines()]
    assert events(job.folder)[0].file_version == "brain.Event:2"
    for tag, key in (
        ("loss/t_classification", "loss"),
        ("learning_rate", "learning_rate"),
        ("tokens_per_second", "tokens_per_second"),
        ("dev_score", "dev_score"),
    ):
        logged = {x["step"]: x[key] for x in lines if key in x}
        drawn = points(job.folder, tag)
        assert drawn.keys() == logged.keys()
        assert all(abs(drawn[s] - v) <= 1e-6 * abs(v) + 1e-12 for s, v in logged.items())
    assert list(points(job.folder, "dev_score/t_classification")) == [4, 8]


def test_a_resumed_training_draws_no_point_twice(tmp_path):
    """Points after the saved state are dropped, and so is a torn record of a killed process."""
    job = job_of(tmp_path)
    steps = TrainingRun(job).steps()
    for _ in range(6):
        next(steps)  # the state of the sixth is not saved yet
    (path,) = (job.folder / CURVES).iterdir()
    with path.open("ab") as stream:
        stream.write(b"\x11\x00\x00")
    run(job)
    assert list(points(job.folder, "loss/t_classification")) == list(range(1, 9))
    assert list(points(job.folder, "dev_score")) == [4, 8]


def test_a_log_that_cannot_be_written_ends_no_training(tmp_path, capsys):
    """The log warns of it once."""
    (tmp_path / LOG).mkdir()
    log = TrainingLog(tmp_path, 10)
    for step in range(3):
        log.step(step, "task", 0.5, 1e-3, 7)
    assert capsys.readouterr().out.count("cannot be written") == 1


LINE = {
    "step": 2,
    "of": 8,
    "loss": 0.5,
    "tokens": 90,
    "tokens_per_second": 9,
    "seconds": 10.0,
    "seconds_left": 30,
}


def line(**changes):
    return json.dumps(LINE | changes) + "\n"


class TestProgress:
    """The bar of a training and the status follow the last whole line of its log."""

    @pytest.mark.parametrize(
        ("text", "step"),
        [
            ("", None),
            ("7\n", None),
            (line(step=1) + line(step=2), 2),
            (line(step=1) + '{"st', 1),
            (line(step=1) + '{"step": 1, "dev_score": 3.0}\n', 1),
            (line(step=1) + "[" * 100_000, 1),
            (line(step=1) + line(step="2"), 1),
            (line(step=1) + line(step=10**30, of=-1), 1),
            (line(step=1) + line(seconds=float("nan")), 1),
            (line(step=1) + line(seconds_left=1e300), 1),
            (line(step=1) + line(loss="low"), 1),
        ],
        ids=lambda value: str(value)[-40:],
    )
    def test_what_is_no_step_or_damaged_is_passed_over(self, tmp_path, text, step):
        """The next look finds it whole; an evaluation on dev has no loss and no speed."""
        (tmp_path / LOG).write_text(text)
        found = last_progress(tmp_path / LOG)
        assert (found and found.step) == step

    def test_there_may_be_none_yet(self, tmp_path):
        """A training writes it after its first steps."""
        assert last_progress(tmp_path / LOG) is None
        assert last_progress(None) is None

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / LOG)
        assert last_progress(tmp_path / LOG) is None
