"""How long jobs take on so many devices."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xstilts.cost.estimate import Planned


def wall(jobs: list[Planned], devices: int) -> tuple[float, float]:
    """Seconds on so many devices, one job each at a time; and on any number: the longest chain.

    List scheduling, the job with the longest chain behind it first (Graham 1969: at most twice the
    best).
    """
    by_title = {job.title: job for job in jobs}
    after: dict[str, list[str]] = {title: [] for title in by_title}
    for job in jobs:
        if job.needs in by_title:
            after[str(job.needs)].append(job.title)
    chain: dict[str, float] = {}
    for job in reversed(jobs):  # a job comes after what it needs
        behind = max((chain[title] for title in after[job.title]), default=0.0)
        chain[job.title] = job.seconds + behind
    ready = [(-chain[job.title], job.title) for job in jobs if job.needs not in by_title]
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
        for following in after[title]:
            heapq.heappush(ready, (-chain[following], following))
    return now, max(chain.values(), default=0.0)
