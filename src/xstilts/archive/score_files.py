"""Score files put together from several: each score with its predictions, byte for byte."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

from xstilts.errors import ArchiveError, LineageError
from xstilts.evaluation import scores
from xstilts.evaluation.archive import member_name
from xstilts.evaluation.score_line import line_of
from xstilts.provenance.files import parse_json, write_atomically, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def combine(target: Path, chosen: Mapping[str, Path]) -> None:
    """Write a score file whose score of each language is that of another score file.

    The lines and the members of the archive keep their bytes and are sorted by language.
    """
    languages = sorted(chosen)
    with (
        write_atomically(scores.archive(target)) as temporary,
        zipfile.ZipFile(temporary, "w") as whole,
    ):
        for language in languages:
            name = member_name(language)
            with (
                zipfile.ZipFile(scores.archive(chosen[language])) as old,
                old.open(name) as source,
                whole.open(zipfile.ZipInfo(name), "w") as out,
            ):
                shutil.copyfileobj(source, out)
    found = {path: scores.read(path) for path in set(chosen.values())}
    write_text(target, "".join(line_of(found[chosen[x]][x]) for x in languages))


def check(path: Path, name: str) -> None:
    """Check a score file of strangers: every line a score of its place, with its predictions.

    ``name``: of its member. Raises `ArchiveError`. The predictions are hashed, not read.
    """
    encoder, condition, seed, file = name.split("/")[2:]
    place = (encoder, condition, seed, file.removesuffix(".jsonl"))
    found = scores.read(path)
    lines = path.read_bytes().splitlines()
    if len(found) != len(lines):
        raise ArchiveError(f"{name}: holds a line that is no score, or two of one language")
    for number, line in enumerate(lines, 1):
        try:
            parse_json(line)
        except ValueError as error:
            raise ArchiveError(f"{name}:{number}: {error}") from None
    for language, score in found.items():
        itself = (
            score.get("encoder"),
            score.get("condition"),
            f"seed{score.get('seed')}",
            score.get("target"),
        )
        if itself != place:
            raise ArchiveError(f"{name}: {language}: is a score of {'/'.join(map(str, itself))}")
    try:
        with zipfile.ZipFile(scores.archive(path)) as whole:
            members = whole.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, LineageError) as error:
        raise ArchiveError(f"{name}: its predictions cannot be read ({error})") from error
    # stored members cannot be larger than the file that holds them
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in members)
    names = sorted(info.filename for info in members)
    if not stored or names != sorted(map(member_name, found)):
        raise ArchiveError(f"{name}: its archive of predictions does not hold one for each score")
    if lacking := set(found) - scores.verified_languages(path, found.values()):
        raise ArchiveError(f"{name}: the predictions of {', '.join(sorted(lacking))} were altered")
