"""Disks that take no more: full ones, and folders that may not be written, also for root."""

from __future__ import annotations

import ctypes
import resource
from contextlib import contextmanager


@contextmanager
def full_disk(size):
    """Let no file of this process grow over ``size`` bytes: a write fails in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder):
    """A folder, with those in it, in which nothing can be created."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    modes = [path.stat().st_mode for path in folders]
    for path in folders:
        path.chmod(0o555)
    try:
        with _bound_by_permissions():
            yield
    finally:
        for path, mode in zip(folders, modes, strict=True):
            path.chmod(mode)


_CAPGET, _CAPSET = 125, 126  # system calls of x86-64
_VERSION = 0x20080522
_OVERRIDE_PERMISSIONS = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def _bound_by_permissions():
    """Take from this thread what lets root ignore the permissions of files (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then their upper halves
    assert libc.syscall(_CAPGET, header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~_OVERRIDE_PERMISSIONS
    assert libc.syscall(_CAPSET, header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.syscall(_CAPSET, header, sets) == 0
