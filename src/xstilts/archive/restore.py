"""Import archives: restore the results of a study in a folder, or merge them with those there.

Everything is unpacked, checked and put together beside the study's folder, which is then replaced
in one step. A process that is killed leaves the old results, and the next import begins again.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xstilts.archive import archive_file, exchange, merge, score_files
from xstilts.archive.check import check_files
from xstilts.archive.layout import Places
from xstilts.errors import ArchiveError, UsageError
from xstilts.evaluation import scores
from xstilts.grid.snapshot import LATEST
from xstilts.provenance.digests import digest, file_sha256
from xstilts.provenance.files import (
    explain_write_errors,
    read_json,
    write_atomically,
    write_json,
    write_text,
)
from xstilts.runtime.lock import artefact_lock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xstilts.archive.archive_file import Manifest

_SHOWN = 20
"""Conflicts that an error lists."""


@dataclass(frozen=True)
class Imported:
    """What an import has done: the study's folder, its scores now, and how many of them are new.

    ``studies``: the folder of each archive's own study file and cards. ``snapshots``: of each
    archive, what decided its numbers.
    """

    folder: Path
    scores: int
    new: int
    studies: list[Path]
    snapshots: list[Path]


@dataclass(frozen=True)
class _Unpacked:
    archive: Path
    folder: Path
    manifest: Manifest

    @property
    def names(self) -> list[str]:
        return [member.path for member in self.manifest.members]

    @property
    def snapshot(self) -> str:
        """The name of the member by which the archive was made."""
        return f"results/snapshots/{self.manifest.snapshot}.json"

    @property
    def source(self) -> merge.Source:
        return merge.Source(str(self.archive), lambda name: self.folder / name)


def import_archives(
    archives: Sequence[Path],
    results: Path,
    resources: Path,
    prefer: str | None = None,
    largest: int = archive_file.LARGEST_TOTAL,
) -> Imported:
    """Import archives of one study into ``<results>/<study>`` and ``resources``.

    ``prefer``: which source wins a conflict: one of the archives, as it is named here, or ``here``.
    Raises `ArchiveError` for an archive that is damaged or crafted, and for conflicts; `UsageError`
    where the archives are of different studies. Nothing is changed then.
    """
    labels = [merge.HERE, *map(str, archives)]
    if prefer is not None and prefer not in labels:
        raise UsageError(f"--prefer {prefer}: must be one of {', '.join(labels)}")
    manifests = {path: archive_file.read_manifest(path) for path in archives}
    studies = {manifest.study for manifest in manifests.values()}
    if len(studies) > 1:
        raise UsageError(
            f"the archives are of the studies {', '.join(sorted(studies))}; import one at a time"
        )
    (study,) = studies
    places = Places(results / study, resources)
    stage, aside = results / f".{study}.import", results / f".{study}.before-import"
    with (
        explain_write_errors(results),
        artefact_lock(results, name=f".{study}.import.lock.json"),
    ):
        exchange.finish(places.results, aside)
        _refuse_while_jobs_run(places.results)
        for leftover in (stage, aside):  # of an import that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            return _import(manifests, places, stage, aside, prefer, largest)
        finally:
            for leftover in (stage, aside):
                shutil.rmtree(leftover, ignore_errors=True)


def _import(
    manifests: dict[Path, Manifest],
    places: Places,
    stage: Path,
    aside: Path,
    prefer: str | None,
    largest: int,
) -> Imported:
    stage.mkdir(parents=True)
    unpacked = [
        _unpack(archive, manifest, stage / str(number), largest)
        for number, (archive, manifest) in enumerate(manifests.items())
    ]
    names = {name for archive in unpacked for name in archive.names}
    here = merge.Source(merge.HERE, places.path_of)
    plan = merge.plan(here, [archive.source for archive in unpacked], names, prefer)
    if plan.conflicts:
        raise _conflict_error(plan.conflicts)
    new = stage / "new"
    before = _count_scores(places.results)
    if places.results.exists():
        shutil.copytree(places.results, new, symlinks=True, copy_function=_link)
    _write_results(plan, Places(new, places.resources))
    kept = [_keep_study(archive, new) for archive in unpacked]
    _note_latest(unpacked[-1], new, places)
    os.sync()  # what the exchange makes visible must be on the disk
    # stamps of shared artefacts change nothing that is here, as long as no score names them
    for name, path in plan.files.items():
        if name.startswith("resources/"):
            _copy(path, places.path_of(name))
    exchange.replace_folder(new, places.results, aside)
    after = _count_scores(places.results)
    return Imported(
        places.results,
        after,
        after - before,
        studies=[places.results / path for path in kept],
        snapshots=[places.path_of(archive.snapshot) for archive in unpacked],
    )


def _unpack(archive: Path, manifest: Manifest, folder: Path, largest: int) -> _Unpacked:
    """Unpack and check an archive into a folder of its own."""
    _check_space(folder.parent, archive, manifest)
    unpacked = _Unpacked(archive, folder, archive_file.unpack(archive, folder, largest))
    try:
        check_files(folder, unpacked.names)
    except ArchiveError as error:
        raise ArchiveError(f"{archive}: {error}") from error
    if unpacked.snapshot not in unpacked.names:
        raise ArchiveError(f"{archive}: lacks {unpacked.snapshot}, by which it was made")
    return unpacked


def _write_results(plan: merge.Plan, places: Places) -> None:
    for name, path in plan.files.items():
        if name.startswith("results/"):
            _copy(path, places.path_of(name))
    for name, chosen in plan.scores.items():
        target = places.path_of(name)
        score_files.combine(target, chosen)
        records = map(scores.run_record, chosen.values())
        if record := next((path for path in records if path.is_file()), None):
            _copy(record, scores.run_record(target))


def _keep_study(archive: _Unpacked, new: Path) -> Path:
    """Keep the study, the cards and the crate of an archive in ``imported/<its sha256>/``."""
    place = new / "imported" / file_sha256(archive.archive)[:12]
    for name in archive.names:
        if not name.startswith(("results/", "resources/")):
            _copy(archive.folder / name, place / name)
    return place.relative_to(new)


def _note_latest(archive: _Unpacked, new: Path, places: Places) -> None:
    """Make an archive's snapshot the latest one, unless the study was run here.

    A snapshot in an archive names no folders; where these are not the usual ones, they are added.
    """
    snapshots = new / ".snapshots"
    if (snapshots / LATEST).exists():
        return
    content = read_json(archive.folder / archive.snapshot)
    folders = {"results": places.results.parent, "resources": places.resources}
    usual = {name for name, folder in folders.items() if str(folder) == name}
    content["study"] |= {k: str(folder) for k, folder in folders.items() if k not in usual}
    path = snapshots / f"{digest(content)}.json"
    write_json(path, content)
    write_text(snapshots / LATEST, f"{path.name}\n")


def _copy(source: Path, target: Path) -> None:
    with write_atomically(target) as temporary:
        shutil.copyfile(source, temporary)


def _link(source: str, target: str) -> str:
    """Link a file, or copy it where the file system has no links; nothing writes into files."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _count_scores(results: Path) -> int:
    return sum(len(scores.read(path)) for path in (results / "scores").glob("**/*.jsonl"))


def _check_space(folder: Path, archive: Path, manifest: Manifest) -> None:
    """Refuse what the disk cannot hold twice: unpacked, and merged."""
    free = shutil.disk_usage(folder).free
    if 2 * manifest.total > free:
        raise ArchiveError(
            f"{archive}: takes {2 * manifest.total:,} bytes to unpack and merge, but "
            f"{folder.parent} has {free:,} free"
        )


def _refuse_while_jobs_run(results: Path) -> None:
    for lock in (results / "scores").glob("**/.*.lock.json"):
        raise UsageError(
            f"{lock}: a job is working on these results; wait for it (or, if no process of "
            "this study runs any more, remove the file), then import again"
        )


def _conflict_error(conflicts: Sequence[str]) -> ArchiveError:
    shown = list(conflicts[:_SHOWN])
    if len(conflicts) > _SHOWN:
        shown.append(f"... and {len(conflicts) - _SHOWN:,} more")
    shown.append(
        "nothing was imported; --prefer ARCHIVE (or --prefer here) says which one to believe"
    )
    return ArchiveError("\n".join(shown))
