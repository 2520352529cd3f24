"""One training from its inputs to a stamped checkpoint.

A training can be killed at any moment: the next attempt goes on from its last saved state and ends
with the same bits (`saved_state`).
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from xstilts.errors import LineageError, TrainingError
from xstilts.models import checkpoint
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.run_record import RunRecord
from xstilts.provenance.stamp import verify, write_stamp
from xstilts.runtime.lock import artefact_lock
from xstilts.training.log import TrainingLog
from xstilts.training.loop import DevScored, StepDone, Trainer
from xstilts.training.saved_state import STATE, SavedState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xstilts.training.job import TrainingJob
    from xstilts.training.loop import Event

STOPPED = 128 + signal.SIGTERM
"""Exit status of a training that saved its state and stopped because a signal asked it to."""


def run(job: TrainingJob) -> None:
    """Train, save the checkpoint and stamp it, unless this very checkpoint exists already.

    Another process may have trained it since this job was planned. Raises `TrainingError` on an
    infinite loss, and if files cannot be written.
    """
    inputs = _verified_inputs(job)
    with _report_io_errors(job), artefact_lock(job.folder):
        if _already_trained(job, inputs):
            print("the checkpoint exists: nothing to train", flush=True)
        else:
            _train(job, inputs)
        SavedState(job.folder, {}).remove()


class TrainingRun:
    """A training and its files: the trainer, its saved state and its log."""

    def __init__(self, job: TrainingJob) -> None:
        """Build the trainer, which reads the data and the encoder."""
        self.job, self.trainer = job, Trainer(job)
        self.saved = SavedState(
            job.folder,
            {
                "spec": job.spec,
                "inputs": _input_digests(job),
                # another model of GPU rounds sums differently: its training begins again
                **self.trainer.device.describe(),
            },
        )
        self._log = TrainingLog(job.folder, self.trainer.schedule.total)

    def resume(self) -> int:
        """Resume from the saved state; return its step, or 0 if none exists."""
        step = self.saved.resume(self.trainer)
        self._log.rewind(step)
        return step

    def steps(self, stop_requested: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Do the remaining steps, and yield the number of each.

        The state is saved every ``job.save_every`` seconds. When ``stop_requested()`` is true
        after a step, the state is saved and `SystemExit` raised.
        """
        saved_at = time.monotonic()
        try:
            for events in self.trainer.steps():
                self._note(events)
                yield self.trainer.step
                if stop_requested():
                    self._save()
                    raise SystemExit(STOPPED)
                if time.monotonic() - saved_at > self.job.save_every:
                    self._save()
                    saved_at = time.monotonic()
        finally:
            self._log.close()

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case StepDone():
                    self._log.step(
                        event.step, event.task, event.loss, event.learning_rate, event.tokens
                    )
                case DevScored():
                    if event.best:
                        self.saved.keep_best(self.trainer)
                    self._log.dev(event.step, event.score, event.by_task, best=event.best)

    def _save(self) -> None:
        # logged first: a kill after the state was saved must not lose the line of its last step
        self._note(self.trainer.finish_step())
        self.saved.save_if_possible(self.trainer)

    def write_checkpoint(self, path: Path) -> None:
        """Write the checkpoint that the training leaves: the best one, or the last."""
        self.saved.write_checkpoint(self.trainer, path)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM and SIGUSR1, which schedulers send before they end a job.

    Gives a function that says whether one has come; the loop asks it between steps.
    """
    received: list[int] = []
    signals = (signal.SIGTERM, signal.SIGUSR1)
    handlers = {s: signal.signal(s, lambda number, _: received.append(number)) for s in signals}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _train(job: TrainingJob, inputs: dict[str, str]) -> None:
    # left by a process that was killed while it wrote: by write_atomically or by safetensors
    for partial in (*job.folder.glob(".*.tmp"), *job.folder.glob(".tmp*")):
        partial.unlink(missing_ok=True)
    record = RunRecord()
    training = TrainingRun(job)
    device = training.trainer.device
    if note := training.trainer.encoder.note:
        print(note)
    with device.settings(), stop_requested() as stop:
        resumed_from = training.resume()
        for _ in training.steps(stop):
            pass
    weights = job.folder / checkpoint.FILE
    training.write_checkpoint(weights)
    record.write(job.folder / "run.json", resumed_from=resumed_from, **device.describe())
    outcomes = training.trainer.outcomes()
    write_stamp(job.stamp, spec=job.spec, inputs=inputs, files=[weights], outcomes=outcomes)


def _already_trained(job: TrainingJob, inputs: dict[str, str]) -> bool:
    """Whether the job's checkpoint lies in its folder, whole, and of these inputs."""
    for old in (job.stamp, job.folder / STATE):
        if job.redo_before and old.exists() and old.stat().st_mtime < job.redo_before:
            old.unlink()  # the user forces this training (snakemake -R train)
    try:
        stamp = verify(job.stamp, job.spec)
    except LineageError:
        return False
    return bool(stamp["inputs"] == inputs)


@contextmanager
def _report_io_errors(job: TrainingJob) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{job.folder}: cannot be written to ({error})") from error


def _verified_inputs(job: TrainingJob) -> dict[str, str]:
    """Check the bytes of everything that is read; give the sha256 of each input's stamp."""
    inputs = _input_digests(job)
    stamps = {
        role: verify(stamp, job.specs.get(stamp)) for role, stamp in _input_stamps(job).items()
    }
    if job.start and stamps["start"]["inputs"].get("encoder") != inputs["encoder"]:
        raise LineageError(f"{job.start}: was trained from another {job.encoder} than there is now")
    return inputs


def _input_digests(job: TrainingJob) -> dict[str, str]:
    return {role: file_sha256(stamp) for role, stamp in _input_stamps(job).items()}


def _input_stamps(job: TrainingJob) -> dict[str, Path]:
    stamps = {"encoder": job.encoder} | ({"start": job.start} if job.start else {})
    for task in job.tasks:
        stamps |= _roles(f"examples.{task.name}", task.examples)
        stamps |= _roles(f"dev.{task.name}", task.dev)
    for task in job.more_steps.tasks if job.more_steps else ():
        stamps |= _roles(f"steps.{task.name}", task.examples)
    return stamps | _roles("mlm", job.mlm.examples if job.mlm else ())


def _roles(role: str, stamps: tuple[Path, ...]) -> dict[str, Path]:
    """A name for each stamp: its role, numbered if several stamps have the role."""
    if len(stamps) == 1:
        return {role: stamps[0]}
    return {f"{role}.{place}": stamp for place, stamp in enumerate(stamps)}
