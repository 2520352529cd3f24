"""The saved state of a training, in its folder: a training that was interrupted resumes from it.

Beside the state lies the best checkpoint so far, which the state names. Both are written
atomically. A state is used only if it is whole and of this very training.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from xstilts.errors import TrainingError
from xstilts.provenance.digests import crc32, file_crc32
from xstilts.provenance.files import write_atomically
from xstilts.training.loop import TrainerState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

    from xstilts.training.loop import Trainer

STATE = "resume.safetensors"


class SavedState:
    """What one training has saved so far."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        """``identity``: what a state must agree with to be used: spec, inputs, device."""
        self._folder, self._path, self._identity = folder, folder / STATE, identity
        self._saved_best = 0  # step of the best checkpoint that the file of the state names
        self._best, self._best_crc32 = 0, 0  # step and CRC-32 of the best checkpoint now

    def resume(self, trainer: Trainer) -> int:
        """Let a trainer resume from the saved state; return its step, or 0 if none exists.

        A state that cannot be read, that is of another spec, other inputs or another kind of
        device, or whose best checkpoint is missing or damaged is deleted, and a line says so.
        """
        saved = load(self._path, self._identity)
        if saved is not None:
            try:
                self._restore(trainer, saved)
                print(f"resumed at step {trainer.step} of {trainer.schedule.total}", flush=True)
            except (OSError, KeyError, TypeError, ValueError) as error:
                _refuse(self._path, str(error))
        self._remove_best_except(self._saved_best)
        return trainer.step

    def _restore(self, trainer: Trainer, saved: TrainerState) -> None:
        step, checksum = int(saved.progress["best_step"]), int(saved.progress["best_crc32"])
        if step and file_crc32(best_file(self._folder, step)) != checksum:
            raise ValueError(f"the bytes of {best_file(self._folder, step).name} have changed")
        trainer.restore(saved)
        self._best, self._best_crc32, self._saved_best = step, checksum, step

    def save(self, trainer: Trainer) -> None:
        """Write the trainer's state."""
        state = trainer.state()
        best = {"best_step": self._best, "best_crc32": self._best_crc32}
        write(self._path, state.tensors, self._identity | state.progress | best)
        self._saved_best = self._best
        self._remove_best_except(self._best)

    def save_if_possible(self, trainer: Trainer) -> None:
        """Write the trainer's state; where the disk is full, print a line and keep the last state.

        The disk may have room again later, so the training goes on.
        """
        try:
            self.save(trainer)
        except (OSError, SafetensorError) as error:
            print(f"{self._path}: cannot be saved at step {trainer.step} ({error})", flush=True)

    def keep_best(self, trainer: Trainer) -> None:
        """Write the trainer's checkpoint as the best so far.

        The one that the saved state names stays until another state is saved.
        """
        path = best_file(self._folder, trainer.step)
        trainer.checkpoint().save(path, trainer.job.encoder.parent)
        self._best, self._best_crc32 = trainer.step, file_crc32(path)
        self._remove_best_except(self._best, self._saved_best)

    def write_checkpoint(self, trainer: Trainer, path: Path) -> None:
        """Write the checkpoint that the training leaves: the best one, or the last.

        Raises `TrainingError` where the best checkpoint is damaged.
        """
        if not self._best:
            trainer.checkpoint().save(path, trainer.job.encoder.parent)
            return
        best = best_file(self._folder, self._best)
        if file_crc32(best) != self._best_crc32:
            raise TrainingError(
                f"{best}: the bytes have changed since it was written; delete it and run snakemake "
                "again"
            )
        with write_atomically(path) as temporary:
            shutil.copyfile(best, temporary)

    def remove(self) -> None:
        """Delete the state and the best checkpoint."""
        self._path.unlink(missing_ok=True)
        self._remove_best_except()

    def _remove_best_except(self, *steps: int) -> None:
        kept = {best_file(self._folder, step).name for step in steps}
        for path in self._folder.glob("best-*.safetensors"):
            if path.name not in kept:
                path.unlink(missing_ok=True)


def best_file(folder: Path, step: int) -> Path:
    """Where the best checkpoint lies that was saved after a step."""
    return folder / f"best-{step}.safetensors"


# --- the file ------------------------------------------------------------------------------------


def write(path: Path, tensors: dict[str, torch.Tensor], progress: dict[str, Any]) -> None:
    """Write tensors and JSON values, atomically, with the CRC-32 of both."""
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(progress | {"crc32": _checksum(plain, progress)})
    plain["about"] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    with write_atomically(path) as temporary:
        save_file(plain, temporary)


def load(path: Path, identity: dict[str, Any]) -> TrainerState | None:
    """The state in a file; None if the file does not exist or cannot be used.

    ``identity``: what a state must contain to be used. A state that cannot be read, has changed
    since it was written, or is of another training is deleted, and a line says so.
    """
    if not path.exists():
        return None
    try:
        tensors = load_file(path)
        progress = json.loads(bytes(tensors.pop("about").numpy()))
        _check(tensors, progress, identity)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        _refuse(path, str(error))
        return None
    return TrainerState(tensors, progress)


def _refuse(path: Path, reason: str) -> None:
    print(f"{path}: not usable ({reason}); starting from the beginning", flush=True)
    path.unlink(missing_ok=True)


def _check(
    tensors: dict[str, torch.Tensor], progress: dict[str, Any], identity: dict[str, Any]
) -> None:
    for key, value in identity.items():
        if progress[key] != value:
            raise ValueError(f"another {key}")
    if progress.pop("crc32") != _checksum(tensors, progress):
        raise ValueError("its bytes have changed")


def _checksum(tensors: dict[str, torch.Tensor], progress: dict[str, Any]) -> int:
    """The CRC-32 of the JSON and of each tensor's name, shape, type and numbers."""

    def blocks() -> Iterator[Buffer]:
        yield json.dumps(progress, sort_keys=True).encode()
        for name, tensor in sorted(tensors.items()):
            yield f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
            yield tensor.numpy().data

    return crc32(blocks())
