"""Seats at the GPUs of a machine: jobs that run at once spread over them.

A scheduler shows each job its own GPU. Where there is none, every job sees all of them, and all
would choose the first. Here a job takes a seat: a locked file, one for each GPU and place at it.
The lock goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def seated(number: int = 1) -> Iterator[None]:
    """Let this process, and those that it starts, see ``number`` GPUs: those with fewest jobs.

    To be entered before CUDA is used. Where no more are visible than are needed nothing is hidden:
    a scheduler has chosen, or there is no choice.
    """
    devices = visible(torch.cuda.device_count())
    if len(devices) <= number:
        yield
        return
    with ExitStack() as seats:
        chosen: list[str] = []
        while len(chosen) < number:
            seat, device = take([d for d in devices if d not in chosen], shared_folder())
            seats.enter_context(seat)
            chosen.append(device)
        seats.callback(os.environ.__setitem__, VISIBLE, ",".join(devices))
        os.environ[VISIBLE] = ",".join(chosen)
        yield


def visible(number: int) -> list[str]:
    """The names of the GPUs that this process sees, as CUDA_VISIBLE_DEVICES gives them."""
    named = os.environ.get(VISIBLE)
    return [str(i) for i in range(number)] if named is None else named.split(",")[:number]


def take(devices: list[str], folder: Path) -> tuple[IO[bytes], str]:
    """A seat at the device where fewest are taken, the first of them on a tie.

    Gives the locked file, which is the seat for as long as it is open, and the device.
    """
    for place in count():
        for device in devices:
            seat = (folder / f"{device}.{place}").open("wb")
            try:
                fcntl.flock(seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seat.close()
            else:
                return seat, device
    raise AssertionError("there is always another place")


def shared_folder() -> Path:
    """Where the seats of this machine lie; one for each user, who may write there."""
    folder = Path(gettempdir()) / f"xstilts-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
