"""What downloads print: the progress of slow files, and at the end where all files came from."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, TextIO

from xstilts.data.checksums import SOURCES, downloads
from xstilts.runtime.format import format_bytes

if TYPE_CHECKING:
    from pathlib import Path

INTERVAL = 2.0
"""Seconds between two lines about one file: a log is no place for a progress bar."""


class ProgressPrinter:
    """Prints how much of a file is downloaded, to stderr, which Snakemake passes on at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """``stream``: where lines go instead of stderr."""
        self._stream = stream or sys.stderr
        self._next = time.monotonic() + INTERVAL
        self._last = ""

    def report(self, name: str, size: int, total: int | None) -> None:
        """Print the progress if the interval is over, or if a file that was printed is complete."""
        now = time.monotonic()
        if now < self._next and not (size == total and self._last == name):
            return
        of = f" of {format_bytes(total)} ({100 * size // total} %)" if total else ""
        print(f"downloading {name}: {format_bytes(size)}{of}", file=self._stream, flush=True)
        self._next, self._last = now + INTERVAL, name


def count(resources: Path) -> int:
    """The number of downloads so far."""
    return len(downloads(resources / "raw" / SOURCES))


def summary(resources: Path, since: int) -> str:
    """Files and bytes by origin, without the first ``since`` downloads; empty if there are none."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for download in downloads(resources / "raw" / SOURCES)[since:]:
        sizes[_origin(download.source)].append(download.bytes)
    if not sizes:
        return ""
    lines = [
        f"  {len(files):>5,} files  {format_bytes(sum(files)):>9}  {origin}"
        for origin, files in sorted(sizes.items())
    ]
    return "\n".join(["Downloaded raw files:", *lines, f"  list: {resources}/raw/{SOURCES}"])


def _origin(recorded: str) -> str:
    """Mirror, a repository of the Hub at its commit, or the host and first folders of a URL."""
    source, _, rest = recorded.partition(" ")
    if source == "hub":
        repository, _, commit = rest.partition("@")
        return f"hub {repository} @ {commit[:7]}"
    if source == "url":
        return "url " + "/".join(rest.split("/")[2:5])
    return source
