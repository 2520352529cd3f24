"""The log of a training: ``log.jsonl`` for programs, ``curves/`` for TensorBoard.

log.jsonl is authoritative; the TensorBoard files are rebuilt from it on resume. If the disk is
full, logging stops and training continues.
"""

from __future__ import annotations

import json
import shutil
import struct
import time
from typing import TYPE_CHECKING, Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from xstilts.provenance.files import write_text

if TYPE_CHECKING:
    from pathlib import Path


def last_line(curve: Path | None) -> dict[str, Any] | None:
    """The last whole line of a training's log that notes a step, not an evaluation on dev."""
    try:
        lines = curve.read_bytes().splitlines() if curve else []
    except OSError:
        return None
    for line in reversed(lines):
        try:
            noted = json.loads(line)
        except ValueError:  # it is just being written
            continue
        if isinstance(noted, dict) and "dev_score" not in noted:
            return noted
    return None


LOG, CURVES = "log.jsonl", "curves"
EVENTS = "events.out.tfevents.0"  # a name that TensorBoard looks for
_DRAWN = ("learning_rate", "tokens_per_second", "dev_score")


class Curves:
    """One JSON line for about every hundredth of the steps, and one for every dev evaluation."""

    def __init__(self, folder: Path, total: int) -> None:
        """Goes on with what lies in the folder; `rewind` says from which step."""
        self._log, self._curves, self._total = folder / LOG, folder / CURVES, total
        self._every = max(1, total // 100)
        self._started, self._done, self._tokens = time.monotonic(), 0, 0
        self._told = False

    def rewind(self, step: int) -> None:
        """Forget what is after ``step``: it is of steps that are to be done again."""
        lines = self._log.read_text(encoding="utf-8").splitlines(True) if self._log.exists() else []
        kept = [x for x in lines if x.endswith("\n") and json.loads(x)["step"] <= step]
        try:
            if lines:
                write_text(self._log, "".join(kept))
            shutil.rmtree(self._curves, ignore_errors=True)
            self._append(*(_drawn(json.loads(line)) for line in kept))
        except OSError as error:
            self._cannot_write(error)

    def step(self, step: int, task: str, loss: float, rate: float, tokens: int) -> None:
        """Note a step."""
        self._done += 1
        self._tokens += tokens
        if step % self._every and step != self._total:
            return
        seconds = time.monotonic() - self._started
        self._note(
            {
                "step": step,
                "of": self._total,
                "task": task,
                "loss": round(loss, 6),
                "learning_rate": rate,
                "tokens": self._tokens,  # since this process began, as the seconds
                "seconds": round(seconds, 3),
                "tokens_per_second": round(self._tokens / seconds),
                "seconds_left": round(seconds / self._done * (self._total - step), 1),
                "time": _now(),
            }
        )

    def dev(self, step: int, score: float, by_task: dict[str, float], *, best: bool) -> None:
        """Note an evaluation on the development data; ``best``: so far, and kept."""
        line = {"step": step, "of": self._total, "dev_score": score, "dev": by_task, "best": best}
        self._note(line | {"time": _now()})

    def _note(self, line: dict[str, Any]) -> None:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            self._append(_drawn(line))
        except OSError as error:
            self._cannot_write(error)

    def _append(self, *records: bytes) -> None:
        self._curves.mkdir(parents=True, exist_ok=True)
        with (self._curves / EVENTS).open("ab") as stream:
            if not stream.tell():
                stream.write(_record(Event(wall_time=_now(), file_version="brain.Event:2")))
            stream.write(b"".join(records))

    def _cannot_write(self, error: OSError) -> None:
        if not self._told:
            print(f"{self._log}: cannot be written ({error.strerror}); training goes on without it")
        self._told = True


def _now() -> float:
    return round(time.time(), 1)


def _drawn(line: dict[str, Any]) -> bytes:
    """A line of the log as a record of TensorBoard's."""
    values = {key: line[key] for key in _DRAWN if key in line}
    values |= {f"loss/{line['task']}": line["loss"]} if "task" in line else {}
    values |= {f"dev_score/{task}": score for task, score in line.get("dev", {}).items()}
    points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    return _record(Event(wall_time=line["time"], step=line["step"], summary=Summary(value=points)))


def _record(event: Any) -> bytes:
    """TFRecord: length, its checksum, data, its checksum."""
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)
