"""The names of an archive's members: which are allowed, and where each lies on disk.

    xstilts-archive.json                 the manifest, always the first member
    ro-crate-metadata.json               provenance as a Provenance Run Crate
    study.yaml, cards/**, claims.yaml    the study, its cards, the claims that it is judged by
    workflow/**                          the Snakefile, its rules and the lock file
    results/scores/<encoder>/<condition>/seed<k>/<target>.jsonl, .zip, .run.json
    results/<name>                       table, gains, verdicts, report, search for test items
    results/report/<encoder>/<name>      figures and tables of the report
    results/stamps/<name>.json           <results>/<study>/.stamps
    results/snapshots/<digest>.json      <results>/<study>/.snapshots
    resources/**                         stamps and run records of encoders, examples, checkpoints

No other name is accepted, so an archive can place no file where a program would run it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xstilts.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANIFEST = "xstilts-archive.json"
CRATE = "ro-crate-metadata.json"
STUDY, CLAIMS = "study.yaml", "claims.yaml"

_NAME = r"[^\W_][^/\\:*?\"<>|\x00-\x20\x7f-\xa0]{0,99}(?<!\.)"
_SCORE = rf"results/scores/{_NAME}/{_NAME}/seed\d{{1,10}}/{_NAME}\.(?:jsonl|zip|run\.json)"
_ALLOWED = re.compile(
    "|".join(
        (
            re.escape(CRATE),
            re.escape(STUDY),
            re.escape(CLAIMS),
            rf"cards/(?:tasks|encoders)/{_NAME}\.yaml",
            rf"cards/croissant/{_NAME}\.json",
            r"cards/languages\.tsv",
            r"workflow/(?:Snakefile|lock\.txt)",
            rf"workflow/rules/{_NAME}\.smk",
            _SCORE,
            rf"results/{_NAME}\.(?:parquet|csv|tsv|html|json)",
            rf"results/report/{_NAME}/{_NAME}\.(?:svg|pdf|csv|parquet|tex)",
            rf"results/stamps/{_NAME}\.json",
            r"results/snapshots/[0-9a-f]{64}\.json",
            rf"resources/encoders/{_NAME}/(?:stamp|run)\.json",
            rf"resources/examples/{_NAME}/{_NAME}\.json",
            rf"resources/checkpoints/{_NAME}/{_NAME}/(?:stamp|run)\.json",
        )
    )
)
_HIDDEN = {"stamps": ".stamps", "snapshots": ".snapshots"}
"""Folders of the results whose names begin with a dot on disk."""


def check_names(archive: Path, names: Iterable[str]) -> None:
    """Raise `ArchiveError` for a name that is not allowed, and for names that are one on some disk.

    ``archive``: the file, for the message. Names that differ only in case, or in how an accent is
    encoded, are one file on some systems.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not (_ALLOWED.fullmatch(name) and name.isprintable()):
            raise ArchiveError(f"{archive}: {name!r:.300}: an archive of xstilts has no such file")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise ArchiveError(f"{archive}: {seen[folded]!r} and {name!r} would be one file")
        seen[folded] = name


def is_score_file(name: str) -> bool:
    """Whether a member is a score file, with its predictions and its run record beside it."""
    return name.startswith("results/scores/") and name.endswith(".jsonl")


@dataclass(frozen=True)
class Places:
    """Where the members of an archive lie on disk.

    ``results``: the folder of the study, ``<results>/<study>``. ``resources``: what studies share.
    """

    results: Path
    resources: Path

    def name_of(self, path: Path) -> str:
        """The member's name of a file below one of the two folders."""
        if path.is_relative_to(self.results):
            inside = path.relative_to(self.results).as_posix()
            return f"results/{inside.removeprefix('.')}"
        return f"resources/{path.relative_to(self.resources).as_posix()}"

    def path_of(self, name: str) -> Path:
        """The file of a member of ``results/`` or ``resources/``."""
        top, _, inside = name.partition("/")
        if top == "resources":
            return self.resources / inside
        first, slash, rest = inside.partition("/")
        return self.results / (_HIDDEN.get(first, first) + slash + rest)
