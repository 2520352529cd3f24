"""Put a folder in the place of another in one step, so that a kill leaves one of the two."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
"""How a kernel or a file system says that it cannot exchange two folders."""


def replace_folder(new: Path, old: Path, aside: Path) -> None:
    """Give the folder ``new`` the name ``old``; what was there before is then at ``aside``.

    Linux exchanges the two names at once (renameat2). On a file system that cannot, there are two
    renames, and a kill between them leaves the former content at ``aside``: `finish` mends it.
    """
    if not old.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        new.rename(old)
    elif _exchange(new, old):
        new.rename(aside)
    else:
        old.rename(aside)
        new.rename(old)


def finish(old: Path, aside: Path) -> None:
    """Undo a `replace_folder` that was killed between its two renames."""
    if aside.exists() and not old.exists():
        aside.rename(old)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # another system, or a C library of before 2018
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(second))
