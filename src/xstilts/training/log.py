"""The log of a training: ``log.jsonl`` for programs, ``curves/`` for TensorBoard.

log.jsonl is authoritative; the TensorBoard files are rebuilt from it on resume. While the disk is
full, lines are lost and training continues.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from xstilts.provenance.files import read_bytes, write_text

if TYPE_CHECKING:
    from pathlib import Path

LOG, CURVES = "log.jsonl", "curves"
_CURVES_OF_STEPS = ("learning_rate", "tokens_per_second", "dev_score")


class Progress(BaseModel):
    """How far a training was when it logged a step."""

    model_config = ConfigDict(strict=True, frozen=True)

    step: int = Field(ge=0)
    of: int = Field(gt=0, description="steps of the whole training")
    loss: FiniteFloat
    tokens: int = Field(ge=0, description="of the examples that this process has trained on")
    tokens_per_second: int = Field(ge=0)
    seconds: float = Field(ge=0, lt=1e10, description="since this process began")
    seconds_left: float = Field(ge=0, lt=1e10, description="estimated from this process's steps")


def last_progress(log: Path | None) -> Progress | None:
    """The last whole line of a training's log that is about a step, not about dev data."""
    try:
        lines = read_bytes(log).splitlines()[-_LINES:] if log else []
    except OSError:
        return None
    for text in reversed(lines):
        try:
            return Progress.model_validate_json(text)
        except ValidationError:  # of an evaluation on dev data, or just being written
            continue
    return None


_LINES = 1000
"""Lines from the end in which one about a step is looked for: it comes every hundredth step."""


class TrainingLog:
    """One JSON line for about every hundredth of the steps, and one for every dev evaluation."""

    def __init__(self, folder: Path, total: int) -> None:
        """Append to the log in a folder, of ``total`` steps. After a resume call `rewind` first."""
        self._path, self._curves, self._total = folder / LOG, folder / CURVES, total
        self._every = max(1, total // 100)
        self._started, self._done, self._tokens = time.monotonic(), 0, 0
        self._events: Any = None  # the writer of the TensorBoard file
        self._failed = False

    def rewind(self, step: int) -> None:
        """Drop the lines after a step, for they will come again; rebuild the TensorBoard files."""
        try:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            if text:
                write_text(self._path, "".join(kept))
            shutil.rmtree(self._curves, ignore_errors=True)
            self._draw(*map(json.loads, kept))
            self.close()
        except OSError as error:
            self._lose(error)

    def step(self, step: int, task: str, loss: float, learning_rate: float, tokens: int) -> None:
        """Log a step, if it is one of the hundred; ``tokens`` are those of its examples."""
        self._done += 1
        self._tokens += tokens
        if step % self._every and step != self._total:
            return
        seconds = time.monotonic() - self._started
        self._append(
            {
                "step": step,
                "of": self._total,
                "task": task,
                "loss": round(loss, 6),
                "learning_rate": learning_rate,
                "tokens": self._tokens,  # since this process began, as the seconds
                "seconds": round(seconds, 3),
                "tokens_per_second": round(self._tokens / seconds),
                "seconds_left": round(seconds / self._done * (self._total - step), 1),
                "time": round(time.time(), 1),
            }
        )

    def dev(self, step: int, score: float, by_task: dict[str, float], *, best: bool) -> None:
        """Log an evaluation on development data; ``best``: whether it is the best so far."""
        line = {"step": step, "of": self._total, "dev_score": score, "dev": by_task, "best": best}
        self._append(line | {"time": round(time.time(), 1)})

    def _append(self, line: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            self._draw(line)
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        """Close the TensorBoard file; what is logged later goes into another one."""
        if self._events is not None:
            with suppress(OSError):
                self._events.close()
        self._events = None

    def _draw(self, *lines: dict[str, Any]) -> None:
        """Append lines of the log to the TensorBoard file."""
        # not tensorboardX.SummaryWriter: it writes in a thread that a full disk ends, and from then
        # on its calls wait for ever; imported here, as it takes two seconds and status reads logs
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import RecordWriter

        if self._events is None:
            self._curves.mkdir(parents=True, exist_ok=True)
            number = len(list(self._curves.iterdir()))
            self._events = RecordWriter(str(self._curves / f"events.out.tfevents.{number}"))
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            self._events.write(version.SerializeToString())
        for line in lines:
            self._events.write(_as_event(line).SerializeToString())
        self._events.flush()

    def _lose(self, error: OSError) -> None:
        if not self._failed:
            reason = error.strerror
            print(f"{self._path}: cannot be written ({reason}); training goes on without it")
        self._failed = True
        self.close()  # its file may end within a record


def _as_event(line: dict[str, Any]) -> Any:
    """A line of the log as an event of TensorBoard."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    scalars = {key: line[key] for key in _CURVES_OF_STEPS if key in line}
    scalars |= {f"loss/{line['task']}": line["loss"]} if "task" in line else {}
    scalars |= {f"dev_score/{task}": score for task, score in line.get("dev", {}).items()}
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    return Event(wall_time=line["time"], step=line["step"], summary=Summary(value=values))
