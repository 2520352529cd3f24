"""``run.json``: what happened while an artefact was computed (times, host, versions)."""

from __future__ import annotations

import os
import platform
import resource
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xstilts.provenance import environment
from xstilts.provenance.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.provenance.digests import Json


class RunRecord:
    """What happened while an artefact was made; `write` puts it beside the artefact."""

    def __init__(self) -> None:
        """Start the clock."""
        self._started, self._clock = datetime.now(UTC), time.monotonic()

    def write(self, path: Path, **details: Json) -> None:
        """Write times, host, process, peak memory and environment, with ``details``."""
        write_json(
            path,
            {
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self._clock, 3),
                "host": platform.node(),
                "machine": platform.machine(),
                "system": platform.platform(),
                "python": platform.python_version(),
                "pid": os.getpid(),
                "slurm_job": os.environ.get("SLURM_JOB_ID"),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                **environment.describe(),
                **details,
            },
        )


def recorded_seconds(record: dict[str, Any]) -> float | None:
    """The seconds that a run record says; None where it is damaged."""
    seconds = record.get("seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    return float(seconds) if 0 <= seconds < _LONGEST else None


_LONGEST = 1e10
"""Seconds: three centuries."""
