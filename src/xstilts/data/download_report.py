"""What downloads show: the bytes of a file while it comes, and at the end what came from where."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, TextIO

from xstilts.data.sources import SOURCES, came
from xstilts.runtime.format import format_bytes

if TYPE_CHECKING:
    from pathlib import Path

EVERY = 2.0
"""Seconds between two lines about one file: a log is no place for a bar."""


class Bytes:
    """Says how much of a file is there, on stderr, which Snakemake passes on at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """``stream``: where lines go instead of stderr."""
        self._stream = stream or sys.stderr
        self._next = time.monotonic() + EVERY
        self._told = ""

    def about(self, name: str, here: int, total: int | None) -> None:
        """Take note that ``here`` of ``total`` bytes are there; say it now and then."""
        now = time.monotonic()
        if now < self._next and not (here == total and self._told == name):
            return
        of = f" of {format_bytes(total)} ({100 * here // total} %)" if total else ""
        print(f"downloading {name}: {format_bytes(here)}{of}", file=self._stream, flush=True)
        self._next, self._told = now + EVERY, name


def count(resources: Path) -> int:
    """How many files have come so far."""
    return len(came(resources / "raw" / SOURCES))


def summary(resources: Path, since: int) -> str:
    """What came from where since so many files had come; empty where nothing did."""
    files: dict[str, list[int]] = defaultdict(list)
    for _, size, origin in came(resources / "raw" / SOURCES)[since:]:
        files[_place(origin)].append(size)
    if not files:
        return ""
    lines = [
        f"  {len(sizes):>5,} files  {format_bytes(sum(sizes)):>9}  {place}"
        for place, sizes in sorted(files.items())
    ]
    return "\n".join(["Raw files that came:", *lines, f"  each one: {resources}/raw/{SOURCES}"])


def _place(origin: str) -> str:
    """Mirror, a repository of the Hub at its commit, or the host and first folders of a URL."""
    source, _, rest = origin.partition(" ")
    if source == "hub":
        repository, _, commit = rest.partition("@")
        return f"hub {repository} @ {commit[:7]}"
    if source == "url":
        return "url " + "/".join(rest.split("/")[2:5])
    return source
