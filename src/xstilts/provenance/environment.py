"""What a job runs in: packages, Python, processor, driver, determinism, threads, git commit.

It stands in run records and decides nothing.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.provenance.code import LIBRARY

if TYPE_CHECKING:
    from xstilts.provenance.digests import Json


@cache
def packages() -> dict[str, str]:
    """The version of every installed package, by name."""
    return {found.name: found.version for found in _distributions()}


@cache
def package_records() -> dict[str, str]:
    """Of every package the sha256 of its ``RECORD``, which lists its installed files by sha256.

    Packages that no installer recorded have none. Two environments with the same values hold the
    same files, byte for byte.
    """
    records = {found.name: found.read_text("RECORD") for found in _distributions()}
    return {
        name: hashlib.sha256("\n".join(sorted(record.splitlines())).encode()).hexdigest()
        for name, record in records.items()
        if record
    }


def _distributions() -> list[Json]:
    return sorted(distributions(), key=lambda found: found.name.casefold())


def describe() -> dict[str, Json]:
    """Packages, processor, driver, git commit, and how torch computes if it is loaded."""
    return {
        "packages": packages(),
        "package_records": package_records(),
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "gpu_driver": _first("/proc/driver/nvidia/version", "NVRM version"),
        **_git(LIBRARY),
        **_torch(),
    }


def _first(path: str, key: str) -> str | None:
    """The value after a key in the first line of a file of the system that begins with it."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(key))
    return next(found, None)


def _git(folder: Path) -> dict[str, Json]:
    """The commit of the library's repository, and whether nothing in it was changed since.

    Both are null where the library lies in no repository.
    """
    commit = _output("git", "-C", str(folder), "rev-parse", "HEAD")
    changes = _output("git", "-C", str(folder), "status", "--porcelain")
    known = commit is not None and changes is not None
    return {"git_commit": commit, "git_clean": not changes if known else None}


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _torch() -> dict[str, Json]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cuda": torch.version.cuda,
    }
