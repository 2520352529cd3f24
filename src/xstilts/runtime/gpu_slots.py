"""GPU slots: jobs that run at once on one machine spread over its GPUs.

A scheduler shows each job its own GPU. Without a scheduler every job sees all GPUs, and all jobs
would use the first one. Here a job acquires a slot: a locked file, one for each GPU (or slice of
one, MIG) and each job on it. The operating system releases the lock when the process ends, however
it ends.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple

import torch
from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Slot(NamedTuple):
    """A place on a GPU, for as long as the lock is held."""

    device: str
    lock: FileLock


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Let this process, and those that it starts, see one GPU: the one with the fewest jobs.

    Enter this before CUDA is used. Where at most one GPU is visible, nothing changes: a scheduler
    has chosen, or there is no choice. Afterwards the environment is as it was before.
    """
    devices = visible_devices()
    if len(devices) <= 1:
        yield
        return
    before = os.environ.get(VISIBLE)
    slot = acquire(devices, shared_folder())
    os.environ[VISIBLE] = slot.device
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
        slot.lock.release()


def visible_devices() -> list[str]:
    """The names of the GPUs that this process sees, as CUDA_VISIBLE_DEVICES gives them."""
    names = os.environ.get(VISIBLE)
    if names is not None and names.startswith("MIG-"):
        # slices of a GPU: CUDA shows a process the first of them only, and to count them torch
        # would start CUDA, which reads the variable once
        return names.split(",")
    number = torch.cuda.device_count()
    return [str(i) for i in range(number)] if names is None else names.split(",")[:number]


def acquire(devices: list[str], folder: Path) -> Slot:
    """A slot on the device with the fewest slots taken; on a tie, the first such device."""
    for place in count():
        for device in devices:
            lock = FileLock(folder / f"{device}.{place}")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return Slot(device, lock)
    raise AssertionError("unreachable: count() does not end")


def shared_folder() -> Path:
    """The folder of this machine's slots: one for each user, who may write there."""
    folder = Path(gettempdir()) / f"xstilts-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
