"""What goes into an archive: everything that a study's results rest on, but for weights and data.

Scores that are missing, stale or damaged stay out; the other parts of an unfinished grid go in.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from xstilts.archive import archive_file, croissant, score_files
from xstilts.archive.crate import crate
from xstilts.archive.layout import CLAIMS, CRATE, STUDY, Places
from xstilts.config.languages import table_of
from xstilts.config.study import FOLDERS
from xstilts.errors import ArchiveError, UsageError
from xstilts.evaluation import scores
from xstilts.grid import snapshot
from xstilts.grid.versions import other_versions
from xstilts.provenance.digests import digest
from xstilts.provenance.files import json_text
from xstilts.status.states import States

if TYPE_CHECKING:
    from collections.abc import Collection

    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import EvaluationKey


class Contents:
    """The members of the archive of a grid, by name: files on disk, or bytes.

    ``project``: the folder with the Snakefile. ``scores``: how many are packed.
    """

    def __init__(self, grid: Grid, project: Path, work: Path) -> None:
        """Collect them; score files of which a part is packed are written to the folder ``work``.

        Raises `ArchiveError` for predictions that are not those that their score records.
        """
        self.grid, self.project, self.work = grid, project, work
        self.states, self.scores = States(grid), 0
        self.places = Places(grid.paths.results, grid.paths.resources)
        self.members: dict[str, Path | bytes] = {}
        self._study()
        self._shared(grid)
        for key in grid.reads.evaluations():
            self._evaluation(key)
        self._versions()
        self._results()
        self.members[CRATE] = crate(grid, self.places, self.members)

    def _add(self, *paths: Path) -> None:
        self.members |= {self.places.name_of(path): path for path in paths if path.is_file()}

    def _study(self) -> None:
        whole = portable_snapshot(self.grid)
        self.snapshot = digest(whole)
        self.members[f"results/snapshots/{self.snapshot}.json"] = json_text(whole).encode()
        self.members[STUDY] = _yaml(whole["study"])
        if self.grid.resolved.claims.claims:
            self.members[CLAIMS] = _yaml(whole["claims"])
        for kind in ("tasks", "encoders"):
            for name, card in whole[kind].items():
                self.members[f"cards/{kind}/{name}.yaml"] = _yaml(card)
        self.members["cards/languages.tsv"] = self._languages(whole["languages"])
        for name, described in croissant.descriptions(self.grid).items():
            self.members[f"cards/croissant/{name}.json"] = json_text(described).encode()
        project = self.project
        found = {"Snakefile": project / "Snakefile", "lock.txt": project / "envs" / "lock.txt"}
        for path in found.values():
            if not path.is_file():
                raise UsageError(f"{path}: does not exist; run this in the folder of the project")
        found |= {f"rules/{p.name}": p for p in (project / "workflow" / "rules").glob("*.smk")}
        self.members |= {f"workflow/{name}": p for name, p in found.items()}

    def _languages(self, codes: Collection[str]) -> bytes:
        known = self.grid.cards.languages()
        return table_of(known[code] for code in codes).encode()

    def _shared(self, grid: Grid) -> None:
        """Stamps and run records of encoders, examples and checkpoints: never their files.

        ``grid``: the packed one, or the same study under the version of kept scores.
        """
        reads = grid.reads
        for artefact in map(grid.encoder, grid.study.encoders):
            self._stamp(artefact)
        for task, split, languages in reads.needed_examples():
            examples = grid.examples(task, split)
            for language in languages:
                stamp = examples.folder / f"{language}.json"
                if self.states.stamps.spec(stamp) == examples.digest:
                    self._add(stamp)
        for artefact in map(grid.training, reads.trainings()):
            self._stamp(artefact)

    def _stamp(self, artefact: Artefact) -> None:
        if self.states.stamps.spec(artefact.stamp) == artefact.digest:
            self._add(artefact.stamp, artefact.folder / "run.json")

    def _evaluation(self, key: EvaluationKey) -> None:
        """The done scores of an evaluation and their predictions, the bytes of which are read."""
        path = self.grid.paths.scores(key)
        done = {code for code, state in self.states.scores(key).items() if state == "done"}
        if not done:
            return
        found = scores.read(path)
        wanted = {language: found[language] for language in sorted(done)}
        damaged = done - scores.verified_languages(path, wanted.values())
        if damaged:
            raise ArchiveError(
                f"{scores.archive(path)}: the predictions of {', '.join(sorted(damaged))} are not "
                f"those that {path.name} records; run `xstilts invalidate {path} "
                f"{' '.join(sorted(damaged))}`, then snakemake"
            )
        self.scores += len(done)
        source = path
        if done != set(found):
            source = self.work / path.relative_to(self.grid.paths.results)
            score_files.combine(source, dict.fromkeys(wanted, path))
        name = self.places.name_of(path)
        self.members[name] = source
        self.members[f"{name.removesuffix('.jsonl')}.zip"] = scores.archive(source)
        self._add(scores.run_record(path))

    def _versions(self) -> None:
        """Of every version of which a score is kept: its snapshot, and the stamps that it left."""
        kept = {
            name
            for key in self.grid.reads.evaluations()
            for name in self.states.versions(key).values()
        }
        for name, grid in other_versions(self.grid).items() if kept else ():
            if name in kept:
                self._add(*self.grid.paths.snapshots.glob(f"{name}*.json"))
                self._shared(grid)

    def _results(self) -> None:
        """Table, claims, report and the search for test items, each if it is up to date."""
        states = self.states
        for artefact, state in (
            (self.grid.contamination, states.contamination),
            (self.grid.table, states.table),
            (self.grid.claims, states.claims),
            (self.grid.report, states.report),
        ):
            if state == "done":
                # a stamp names its files from its own folder: .stamps/../grid.parquet
                files = map(os.path.normpath, states.stamps.files(artefact.stamp))
                self._add(artefact.stamp, *map(Path, files))


def pack(grid: Grid, project: Path, target: Path) -> tuple[int, int]:
    """Write the archive of a grid; gives how many scores it holds, and how many the grid has.

    Raises `ArchiveError` if there is no score, or one is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="xstilts-archive-") as work:
        contents = Contents(grid, project, Path(work))
        if not contents.scores:
            raise ArchiveError(
                f"{grid.paths.results}: has no score that is up to date; run snakemake first"
            )
        archive_file.write(target, grid.study.study, contents.snapshot, contents.members)
    return contents.scores, len(grid.resolved.score_keys())


def path_of_archive(grid: Grid) -> Path:
    """Where an archive is written that the user gives no name."""
    return grid.paths.results / f"{grid.study.study}{archive_file.SUFFIX}"


def portable_snapshot(grid: Grid) -> dict[str, Any]:
    """The snapshot of a grid without the folders of this machine."""
    whole = snapshot.as_json(grid)
    study = {key: value for key, value in whole["study"].items() if key not in FOLDERS}
    return whole | {"study": study, "config": "config"}


def _yaml(value: Any) -> bytes:
    text: str = yaml.safe_dump(value, allow_unicode=True, width=100)
    return text.encode()
