"""Starting the processes of one training on this machine, watching them, ending them.

The process that starts them does no work of its own: it passes on what the first one prints and
what a scheduler warns of, and when one dies it ends the others at once, with the cause. They end
when it ends, whatever ends it.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from xstilts.errors import TrainingError, XstiltsError
from xstilts.training.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

HERE, LOOPBACK = "127.0.0.1", "lo"
STOPPED = 128 + signal.SIGTERM
"""Exit status of a process that was asked to stop and did."""
PATIENCE = timedelta(hours=1)
"""For which a rank waits for the others: longer than any saving of a state takes. It is there for
a network that hangs; a rank that dies is seen at once."""
GRACE = 2.0
"""Seconds after a rank has failed in which the others may tell why: one of them is the cause."""


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGUSR1, a scheduler's warnings, into a question asked between steps."""
    asked: list[int] = []
    signals = (signal.SIGTERM, signal.SIGUSR1)
    before = {s: signal.signal(s, lambda number, _: asked.append(number)) for s in signals}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(count: int, threads: int, work: Callable[..., None], *args: object) -> None:
    """Run ``work(ranks, *args)`` in so many processes, a GPU each where there are GPUs.

    ``work`` is found by its name in its module; a script that calls this must do so under ``if
    __name__ == "__main__"``. Raises the error that ended a process, `TrainingError` where one was
    killed or there are too few GPUs, and `SystemExit` where they stopped because they were asked.
    """
    if torch.cuda.is_available() and torch.cuda.device_count() < count:
        raise TrainingError(
            f"compute.gpus is {count}, but this job sees {torch.cuda.device_count()} GPUs: give "
            "the rule `train` as many (docs/cluster.md)"
        )
    # held here and not by a rank, so that the port is ours from the moment it is known
    store = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    with asked_to_stop() as asked, _started(count, threads, store.port, work, args) as members:
        _watch(members, asked)
    failed = [m for m in members if m.failed]
    if failed:
        raise _cause(failed, count)
    if any(m.process.exitcode == STOPPED for m in members):
        raise SystemExit(STOPPED)


# --- the process that watches --------------------------------------------------------------------


@dataclass
class _Member:
    """One process, and what it has told."""

    rank: int
    process: SpawnProcess
    pipe: Connection
    silent: bool = False  # it has ended
    error: BaseException | None = None
    failed_at: float = 0.0

    def hear(self) -> None:
        """Take up what it says: a line for people, its error, or that it has ended."""
        try:
            said = self.pipe.recv()
        except EOFError:
            self.silent = True
            self.process.join()
            return
        if isinstance(said, str):
            print(said, end="", flush=True)
        else:
            self.failed_at, self.error = said

    @property
    def killed_by(self) -> int:
        """The number of the signal that ended it, 0 if none did."""
        return max(0, -(self.process.exitcode or 0)) if self.silent else 0

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than it should."""
        if self.error is not None:
            return True
        return self.silent and self.process.exitcode not in (0, STOPPED)


@contextmanager
def _started(
    count: int, threads: int, port: int, work: Callable[..., None], args: tuple[object, ...]
) -> Iterator[list[_Member]]:
    """The processes; whoever is left at the end is killed: a state is saved whole or not at all."""
    context = multiprocessing.get_context("spawn")
    members: list[_Member] = []
    try:
        for rank in range(count):
            ours, theirs = context.Pipe(duplex=False)
            about = (Ranks(count, rank), threads, port, theirs, work, args)
            name = f"rank {rank}"
            process = context.Process(target=_rank, args=about, name=name, daemon=True)
            process.start()
            theirs.close()
            members.append(_Member(rank, process, ours))
        yield members
    finally:
        for member in members:
            if not member.silent:
                member.process.kill()
                member.process.join()
            member.pipe.close()


def _watch(members: list[_Member], asked: Callable[[], bool]) -> None:
    until, told = float("inf"), float("-inf")
    while (alive := [m for m in members if not m.silent]) and time.monotonic() < until:
        now = time.monotonic()
        # again and again: one that is still building its network does not listen yet
        if asked() and now - told > 1:
            told = now
            for member in alive:
                _tell(member.process.pid)
        ready = wait([m.pipe for m in alive], timeout=0.2)
        for member in alive:
            if member.pipe in ready:
                member.hear()
        if any(m.failed for m in members):
            until = min(until, time.monotonic() + GRACE)


def _tell(pid: int | None) -> None:
    with suppress(ProcessLookupError):
        os.kill(int(pid or 0), signal.SIGTERM)


def _cause(failed: list[_Member], count: int) -> BaseException:
    """Of several processes that failed, what made the others fail."""
    for member in failed:
        if member.killed_by == signal.SIGTERM:  # it had not begun to listen
            return SystemExit(STOPPED)
        if member.killed_by:
            said = signal.Signals(member.killed_by).name
            if member.killed_by == signal.SIGKILL:
                said += "; memory may have run out"
            return TrainingError(
                f"process {member.rank + 1} of {count} was killed ({said}): started again, the "
                "training goes on from its last saved state"
            )
    told = [m for m in failed if m.error is not None]
    if not told:
        member = failed[0]
        return TrainingError(
            f"process {member.rank + 1} of {count} ended with status {member.process.exitcode}"
        )
    error = min(told, key=lambda m: m.failed_at).error
    assert error is not None
    return error


# --- a rank --------------------------------------------------------------------------------------


def _rank(
    ranks: Ranks,
    threads: int,
    port: int,
    pipe: Connection,
    work: Callable[..., None],
    args: tuple[object, ...],
) -> None:
    """The body of one process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # whoever starts the ranks passes on what is meant for them, until they listen
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout = _Told(pipe) if ranks.first else open(os.devnull, "w")  # noqa: SIM115, PTH123
    try:
        with _joined(ranks, threads, port):
            work(ranks, *args)
    except Exception as error:
        pipe.send((time.monotonic(), _as_it_travels(error, ranks)))
        raise SystemExit(1) from None


@contextmanager
def _joined(ranks: Ranks, threads: int, port: int) -> Iterator[None]:
    """Meet the other ranks, and part from them; who fails does not wait for that."""
    os.environ.update(
        RANK=str(ranks.rank),
        LOCAL_RANK=str(ranks.rank),
        WORLD_SIZE=str(ranks.count),
        LOCAL_WORLD_SIZE=str(ranks.count),
        MASTER_ADDR=HERE,
        MASTER_PORT=str(port),
        TORCHELASTIC_USE_AGENT_STORE=str(True),  # the store is that of the parent
        OMP_NUM_THREADS=str(threads),
    )
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", LOOPBACK)
    from accelerate import PartialState

    gpus = torch.cuda.is_available()
    # small things are said between CPUs, so that no GPU is waited for
    backend = "cuda:nccl,cpu:gloo" if gpus else None
    state = PartialState(cpu=not gpus, backend=backend, timeout=PATIENCE)
    try:
        yield
    except SystemExit:  # to which all have agreed
        state.destroy_process_group()
        raise
    state.destroy_process_group()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _as_it_travels(error: Exception, ranks: Ranks) -> BaseException:
    """The error with its traceback, or what it says where it cannot be pickled."""
    error.add_note(f"in process {ranks.rank + 1} of {ranks.count}:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does
        kind = TrainingError if isinstance(error, XstiltsError) else RuntimeError
        return kind(str(error))
    return error


class _Told(io.TextIOBase):
    """What the first rank prints, for the process that started it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._pipe.send(text)
        return len(text)

    def writable(self) -> bool:
        return True
