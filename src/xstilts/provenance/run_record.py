"""``run.json``: what happened while an artefact was computed (times, host, versions)."""

from __future__ import annotations

import os
import platform
import resource
import time
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.provenance.digests import Json

    pass
from xstilts.provenance.files import write_json


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in sorted(_IMPORTANT)}


class Run:
    """What happened while an artefact was made; written beside it as ``run.json``."""

    def __init__(self) -> None:
        """Start the clock."""
        self._started, self._clock = datetime.now(UTC), time.monotonic()

    def write(self, path: Path, **facts: Json) -> None:
        """Write times, host, process, peak memory and package versions, with ``facts``."""
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
                "packages": _versions(),
                **facts,
            },
        )


_IMPORTANT = frozenset(
    {
        "babel",
        "Django",
        "numpy",
        "pandas",
        "pyarrow",
        "safetensors",
        "snakemake",
        "tokenizers",
        "torch",
        "transformers",
    }
)
