"""Slots at the GPUs of a machine: jobs that run at once spread over them.

A scheduler shows each job its own GPU. Without a scheduler every job sees all of them and would
choose the first. Here a job holds a slot: it locks a file, one of several for each GPU. The
operating system releases the lock when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Let this process, and those that it starts, see one GPU: the one with the fewest jobs.

    Enter it before CUDA is used. With one visible GPU, or none, it hides nothing: a scheduler has
    chosen, or there is no choice.
    """
    devices = visible(torch.cuda.device_count())
    if len(devices) <= 1:
        yield
        return
    slot, device = acquire(devices, shared_folder())
    with slot:
        os.environ[VISIBLE] = device
        try:
            yield
        finally:
            os.environ[VISIBLE] = ",".join(devices)


def visible(number: int) -> list[str]:
    """The names of the GPUs that this process sees, as CUDA_VISIBLE_DEVICES gives them."""
    named = os.environ.get(VISIBLE)
    return [str(i) for i in range(number)] if named is None else named.split(",")[:number]


def acquire(devices: list[str], folder: Path) -> tuple[IO[bytes], str]:
    """Lock a slot at the device with the fewest locked slots, the first of them on a tie.

    Gives the locked file, whose lock is held for as long as it is open, and the device.
    """
    for number in count():
        for device in devices:
            slot = (folder / f"{device}.{number}").open("wb")
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                slot.close()
            else:
                return slot, device
    raise AssertionError("a device has any number of slots")


def shared_folder() -> Path:
    """The folder of the slots of this machine; each user has one of their own."""
    folder = Path(gettempdir()) / f"xstilts-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
