"""What the results will be: those that are here and those of archives, put together.

Decides only, and writes nothing. Scores are merged one by one, so archives of parts of a study (a
seed each, a few languages each) add up. Two different results for one name are a conflict.
"""

from __future__ import annotations

import filecmp
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xstilts.archive.layout import is_score_file
from xstilts.evaluation import scores
from xstilts.provenance.files import read_json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

HERE = "here"
"""The label of what is on disk already."""


@dataclass(frozen=True)
class Source:
    """One set of results: those here, or an unpacked archive.

    ``label``: how messages and ``--prefer`` name it. ``path``: where the file of a member lies.
    """

    label: str
    path: Callable[[str], Path]


@dataclass
class Plan:
    """What to write: ``files`` as they are, by name; ``scores``: source of each, by language."""

    files: dict[str, Path] = field(default_factory=dict)
    scores: dict[str, dict[str, Path]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)


def plan(
    here: Source, archives: Sequence[Source], names: Collection[str], prefer: str | None = None
) -> Plan:
    """Decide for each name what is written; what is here already and stays is not in the plan.

    ``names``: of the members of all archives. ``prefer``: the label of the source that wins a
    conflict.

    - A score, or a stamp of a shared artefact, that differs between sources is a conflict.
    - A stamp here, beside files of its artefact, is never replaced: it describes these files.
    - Tables and reports are taken if there is none here and the archives agree; what is then out of
      date is written again by the next run. Run records decide nothing: the first one stays.
    """
    made = Plan()
    for name in sorted(names):
        if not name.startswith(("results/", "resources/")):
            continue
        found = [s for s in (here, *archives) if s.path(name).is_file()]
        if is_score_file(name):
            _plan_scores(made, name, found, prefer)
        elif name.startswith("results/scores/"):
            continue  # beside its score file
        elif _decides(name):
            _plan_stamp(made, name, found, prefer)
        elif found[0].label != HERE and (_is_record(name) or _agree(name, found)):
            made.files[name] = found[0].path(name)
    return made


def _decides(name: str) -> bool:
    """Whether a file is the stamp of a shared artefact."""
    return name.startswith("resources/") and not _is_record(name)


def _is_record(name: str) -> bool:
    return name.startswith("resources/") and PurePosixPath(name).name == "run.json"


def _agree(name: str, sources: Iterable[Source]) -> bool:
    first, *others = (source.path(name) for source in sources)
    return all(filecmp.cmp(first, other, shallow=False) for other in others)


def _plan_scores(made: Plan, name: str, sources: Sequence[Source], prefer: str | None) -> None:
    found = {source.label: scores.read(source.path(name)) for source in sources}
    paths = {source.label: source.path(name) for source in sources}
    chosen: dict[str, Path] = {}
    for language in sorted({code for of_source in found.values() for code in of_source}):
        variants: dict[str, list[str]] = {}  # labels by the digest of their score
        for label, of_source in found.items():
            if language in of_source:
                variants.setdefault(of_source[language]["digest"], []).append(label)
        labels = [same[0] for same in variants.values()]
        if len(variants) > 1:
            preferred = [label for same in variants.values() for label in same if label == prefer]
            if not preferred:
                made.conflicts.append(f"{name}: {language}: differs in {_and(labels)}")
                continue
            labels = preferred
        chosen[language] = paths[labels[0]]
    if set(chosen.values()) != {paths.get(HERE)}:
        made.scores[name] = chosen


def _plan_stamp(made: Plan, name: str, sources: Sequence[Source], prefer: str | None) -> None:
    if _agree(name, sources):
        if sources[0].label != HERE:
            made.files[name] = sources[0].path(name)
        return
    labels = [source.label for source in sources]
    if prefer not in labels:
        made.conflicts.append(f"{name}: differs in {_and(labels)}")
        return
    (chosen,) = (source.path(name) for source in sources if source.label == prefer)
    if prefer == HERE:
        return
    if sources[0].label == HERE and _has_files(sources[0].path(name)):
        made.conflicts.append(
            f"{name}: describes files that are here; remove {sources[0].path(name).parent} "
            f"to take the one of {prefer}"
        )
        return
    made.files[name] = chosen


def _has_files(stamp: Path) -> bool:
    """Whether a file that a stamp describes lies beside it."""
    files = read_json_object(stamp).get("files")
    return isinstance(files, dict) and any((stamp.parent / file).exists() for file in files)


def _and(labels: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(labels))
