"""How long jobs take on a number of devices."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xstilts.cost.estimate import PlannedJob


class WallTime(NamedTuple):
    """How long jobs take, in seconds."""

    seconds: float
    """On the given number of devices."""
    longest_chain: float
    """On any number of devices: the longest chain of jobs that wait for each other."""


def wall_time(jobs: list[PlannedJob], devices: int) -> WallTime:
    """How long jobs take on some devices, each of which runs one job at a time.

    List scheduling that starts the job with the longest chain behind it first (Graham 1969: at most
    twice the shortest time).
    """
    by_title = {job.title: job for job in jobs}
    followers: dict[str, list[str]] = {title: [] for title in by_title}
    for job in jobs:
        if job.waits_for in by_title:
            followers[str(job.waits_for)].append(job.title)
    chain: dict[str, float] = {}
    for job in reversed(jobs):  # a job comes after the one that it waits for
        behind = max((chain[title] for title in followers[job.title]), default=0.0)
        chain[job.title] = job.seconds + behind
    ready = [(-chain[job.title], job.title) for job in jobs if job.waits_for not in by_title]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now, free = 0.0, devices
    while ready or running:
        while ready and free:
            _, title = heapq.heappop(ready)
            free -= 1
            heapq.heappush(running, (now + by_title[title].seconds, title))
        now, title = heapq.heappop(running)
        free += 1
        for following in followers[title]:
            heapq.heappush(ready, (-chain[following], following))
    return WallTime(now, max(chain.values(), default=0.0))
