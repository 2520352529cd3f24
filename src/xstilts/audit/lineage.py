"""What every score was computed from: findings about all its ancestors, back to the raw files."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from xstilts.audit.raw_data import ExamplesCheck
from xstilts.audit.stamps import check_inputs, check_stamp
from xstilts.audit.verdict import altered, unverifiable
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.config.raw_file import pinned
from xstilts.grid.keys import ExamplesKey
from xstilts.grid.versions import other_versions
from xstilts.provenance.code import code_of
from xstilts.provenance.digests import digest
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from xstilts.audit.verdict import Finding
    from xstilts.config.encoder_card import EncoderCard
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import EvaluationKey, TrainingKey

WEIGHTS = "weights.safetensors"


class Options(NamedTuple):
    """What an audit checks beyond stamps.

    ``weights``: hash weights. ``checksums``: of raw files by path, as ``downloads.tsv`` lists them.
    ``environment``: the digest of the lock file, None if there is none to compare.
    """

    weights: bool
    checksums: Mapping[str, str]
    environment: str | None


def _rewritten(card: EncoderCard) -> Collection[str]:
    """The files of a local folder that fetching writes in another form."""
    if card.layers is not None:
        return "model.safetensors", "config.json"
    return ("model.safetensors",) if card.architecture == "automodel" else ()


class Lineage:
    """Findings about the artefacts of a grid. Each is looked at once, when first asked for."""

    def __init__(self, grid: Grid, options: Options) -> None:
        """Read nothing yet."""
        self.grid, self.options, self.stamps = grid, options, StampReader()
        self.encoder, self.training = cache(self._encoder), cache(self._training)
        self.examples, self.environment = cache(self._examples), cache(self._environment)
        self.code = cache(self._code)
        self._of_raw_files: dict[ExamplesKey, list[Finding]] = {}

    def of_score(self, key: EvaluationKey, language: str) -> list[Finding]:
        """What is wrong with anything that a score was computed from."""
        reads = self.grid.reads
        training = reads.evaluated_training(key)
        found = [*self.environment(), *self.code(self.grid.evaluation(key).modules)]
        found += self.encoder(key.encoder) if training is None else self.training(training)
        for examples in reads.score_inputs(key.target, language).values():
            found += self.examples(examples)
        return list(dict.fromkeys(found))

    def kept_versions(self, key: EvaluationKey) -> dict[str, str]:
        """The versions of the code whose scores the study keeps, by the spec of an evaluation."""
        return {grid.evaluation(key).digest: name for name, grid in self._versions.items()}

    @cached_property
    def _versions(self) -> dict[str, Grid]:
        keeps = self.grid.study.other_versions == "keep"
        return other_versions(self.grid) if keeps else {}

    # -- shared artefacts -------------------------------------------------------------------------

    def _encoder(self, name: str) -> list[Finding]:
        artefact, card = self.grid.encoder(name), self.grid.cards.encoder(name)
        found = [*self._of_stamp(artefact, [*ENCODER_FILES, *card.code])]
        if found:
            return found
        outcomes = self.stamps.outcomes(artefact.stamp)
        revision = str(card.revision or "")
        if card.hub and pinned(revision) and outcomes.get("commit") != revision:
            found.append(altered(artefact.stamp, f"is of another commit than {revision}"))
        kept = {path.name: sha for path, sha in self.stamps.files(artefact.stamp).items()}
        for file, sha256 in self.grid.sources.get(name, {}).items():
            if file not in _rewritten(card) and kept.get(file) != sha256:
                found.append(altered(artefact.folder / file, "is not that of the card"))
        return found

    def _examples(self, key: ExamplesKey) -> list[Finding]:
        artefact, stamp = self.grid.examples(key.task, key.split), self.grid.examples_stamp(key)
        found = [*self.code(artefact.modules)]
        found += check_stamp(
            self.stamps, stamp, artefact.digest, [f"{key.language}.parquet"], weights=True
        )
        return found + self._of_raw_files.get(key, [])

    def _training(self, key: TrainingKey) -> list[Finding]:
        artefact, reads = self.grid.training(key), self.grid.reads
        found, start = [*self._of_stamp(artefact, [WEIGHTS])], reads.training_before(key)
        read = [self.grid.encoder(key.encoder).stamp]
        found += self.encoder(key.encoder)
        if start is not None:
            read.append(self.grid.training(start).stamp)
            found += self.training(start)
        for examples in reads.examples_of_training(key.condition, key.stage):
            read.append(self.grid.examples_stamp(examples))
            found += self.examples(examples)
        stamp = self.stamps.of(artefact.stamp)
        if stamp is not None and stamp.record:
            found += check_inputs(self.stamps, artefact.stamp, stamp, read)
        return list(dict.fromkeys(found))

    def _of_stamp(self, artefact: Artefact, files: Collection[str]) -> Iterator[Finding]:
        yield from self.code(artefact.modules)
        weights = self.options.weights
        yield from check_stamp(self.stamps, artefact.stamp, artefact.digest, files, weights=weights)

    # -- raw files --------------------------------------------------------------------------------

    def raw_checks(self) -> dict[ExamplesKey, ExamplesCheck]:
        """The checks of all examples against their raw files, which may run in any process."""
        grid = self.grid
        return {
            (key := ExamplesKey(task, split, language)): ExamplesCheck(
                grid.cards.task(task),
                split,
                language,
                grid.examples_stamp(key),
                grid.paths.resources / "raw",
                self.options.checksums,
                reads=not self.code(grid.examples(task, split).modules),
            )
            for task, split, languages in grid.reads.needed_examples()
            for language in languages
        }

    def add_raw(self, key: ExamplesKey, findings: list[Finding]) -> None:
        """Keep what was found about the raw files of some examples, before anything is asked."""
        self._of_raw_files[key] = findings

    # -- code and environment ---------------------------------------------------------------------

    def _code(self, modules: tuple[str, ...]) -> list[Finding]:
        if digest(code_of(modules)) == self.grid.code_digest(modules):
            return []
        return [
            unverifiable(
                ", ".join(modules),
                "the code that computed it is not the code of this xstilts; audit with the commit "
                "that run.json names",
            )
        ]

    def _environment(self) -> list[Finding]:
        expected, given = self.grid.environment, self.options.environment
        if given is None or given == expected:
            return []
        problem = f"is not the lock file that it was computed with ({expected:.12})"
        return [unverifiable("envs/lock.txt", problem)]
