"""Every error that xstilts raises on purpose.

::

    XstiltsError
    ├── UsageError          the command was called wrongly
    ├── StudyError          the study file or a card says something impossible
    ├── DataError           a raw file is missing, damaged or not what it claims to be
    │   ├── MissingFile     none of a file's sources could give it
    │   ├── SourceUnavailable  one source cannot give a file; the next source is tried
    │   ├── ChecksumMismatch
    │   └── MalformedFile   a line that cannot be read; knows its file and line
    ├── EncoderError        an encoder cannot be loaded
    ├── TrainingError       a training cannot go on and must not be believed
    ├── DeviceError         the device that a job is to compute on cannot be used
    ├── MissingPlugin       a study needs a package that is not installed
    ├── ScoreError          predictions in XTREME's layout cannot be scored
    ├── ArchiveError        an archive is damaged, hostile, or contradicts what is on disk
    └── LineageError        an artefact differs from what its stamp or the study states

Messages are for the reader: what is wrong, where (file, line, key) and what is allowed.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class XstiltsError(Exception):
    """Base class: a command prints its message as one line and ends with status 1."""


class UsageError(XstiltsError):
    """The command was called wrongly, or in a wrong folder: it ends with status 2."""


class StudyError(XstiltsError):
    """The study file, a card or their combination cannot be run."""


class DataError(XstiltsError):
    """A data file is missing, damaged or not what it claims to be."""


class MissingFile(DataError):
    """None of the sources of a file could give it."""


class SourceUnavailable(DataError):
    """One source of a file cannot give it; the message says why."""


class ChecksumMismatch(DataError):
    """A file's bytes are not the ones that its recorded sha256 promises."""


_LONGEST_PROBLEM = 1_000
"""Characters: a damaged line may be quoted in a message, and have any length."""


class MalformedFile(DataError):
    """A raw file that a reader cannot understand, with the line at fault."""

    def __init__(self, path: Path | str, line: int | None, problem: str) -> None:
        """``line`` counts from 1; None where the fault has no line (a JSON value, an archive)."""
        self.path, self.line, self.problem = path, line, problem[:_LONGEST_PROBLEM]
        super().__init__(f"{path}{f':{line}' if line else ''}: {self.problem}")


class EncoderError(XstiltsError):
    """An encoder cannot be loaded."""


class DeviceError(XstiltsError):
    """The device that a job is to compute on cannot be used."""


class TrainingError(XstiltsError):
    """A training cannot go on, or its result must not be believed."""


class MissingPlugin(XstiltsError):
    """A study needs a function of a package that is not installed."""


class ScoreError(XstiltsError):
    """A submission cannot be scored; the message is one line with the file and its line."""


class ArchiveError(XstiltsError):
    """An archive cannot be believed, or its files contradict those of another source."""


class LineageError(XstiltsError):
    """An artefact differs from what its stamp or the study states."""


_LONGEST_NAME = 80
"""Characters of a name in a message: names of foreign files may have any length."""


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """``unknown task 'squda'; did you mean 'squad'? Allowed: mnli, squad``.

    >>> unknown("task", "squda", ["squad", "mnli"])
    "unknown task 'squda'; did you mean 'squad'? Allowed: mnli, squad"
    """
    names = sorted(str(each)[:_LONGEST_NAME] for each in allowed)
    close = get_close_matches(str(name)[:_LONGEST_NAME], names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r:.{_LONGEST_NAME}}{hint} Allowed: {', '.join(names)}"
