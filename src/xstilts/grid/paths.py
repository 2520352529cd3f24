"""Where every artefact of a grid lies: a shared artefact's path ends in its digest.

Encoders, examples and checkpoints lie under ``resources/`` as ``<name>-<digest>``, so that another
spec is another path: a folder that exists has the spec of its digest, and studies that share
``resources/`` share it. Scores, the table and the report lie under ``results/<study>/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.grid.keys import INTERMEDIATE

if TYPE_CHECKING:
    from xstilts.config.study import Study
    from xstilts.grid.keys import EvaluationKey, TrainingKey

DIGEST = 16
"""Hexadecimal digits of a spec's digest in a path: 64 bits."""


@dataclass(frozen=True)
class Paths:
    """The paths of one study. Reads no file.

    ``results``: the study's own folder; ``resources``: what studies share.
    """

    results: Path
    resources: Path

    @staticmethod
    def of(study: Study) -> Paths:
        """The paths that a study names."""
        return Paths(Path(study.results) / study.study, Path(study.resources))

    # -- shared artefacts -------------------------------------------------------------------------

    def encoder(self, name: str, digest: str) -> Path:
        """Stamp of a fetched encoder, in its Hugging Face folder."""
        return self.resources / "encoders" / f"{name}-{digest[:DIGEST]}" / "stamp.json"

    def examples(self, task: str, split: str, digest: str) -> Path:
        """Folder of the examples of one task and split: a parquet file and a stamp a language."""
        return self.resources / "examples" / f"{task}-{split}-{digest[:DIGEST]}"

    def checkpoint(self, key: TrainingKey, digest: str) -> Path:
        """Stamp of a trained checkpoint; its weights and its log lie beside it."""
        name = key.condition if key.stage == INTERMEDIATE else key.stage
        folder = self.resources / "checkpoints" / key.encoder / f"{name}-{digest[:DIGEST]}"
        return folder / "stamp.json"

    # -- results ----------------------------------------------------------------------------------

    def checkpoint_link(self, key: TrainingKey) -> Path:
        """The link by which people find a checkpoint."""
        return self.results / "checkpoints" / str(key)

    def scores(self, key: EvaluationKey) -> Path:
        """The score file of one evaluation, a line a language (`xstilts.evaluation.scores`)."""
        return self.results / "scores" / f"{key}.jsonl"

    def items(self, encoder: str, target: str, metric: str | None = None) -> Path:
        """Kept covariances of test items, for a metric (`xstilts.analysis.stored_items`)."""
        name = target if metric is None else f"{target}.{metric}"
        return self.results / ".items" / encoder / f"{name}.npz"

    @property
    def contamination(self) -> Path:
        """Stamp of the search for test items in the training data; ``overlaps.tsv`` beside it."""
        return self.results / "contamination.json"

    @property
    def table(self) -> Path:
        """The tidy table of all scores."""
        return self.results / "grid.parquet"

    @property
    def report(self) -> Path:
        """The report."""
        return self.results / "report.html"

    @property
    def claims(self) -> Path:
        """The verdicts on the claims, as JSON."""
        return self.results / "claims.json"

    @property
    def claims_table(self) -> Path:
        """The verdicts on the claims, a row for each."""
        return self.results / "claims.tsv"

    @property
    def submission(self) -> Path:
        """Stamp of the predictions in the layout of XTREME's submissions, in their folder."""
        return self.results / "submission" / "stamp.json"

    def stamp_of_result(self, name: str) -> Path:
        """Stamp of a result whose own name people know (the table, the report)."""
        return self.results / ".stamps" / f"{name}.json"

    @property
    def snapshots(self) -> Path:
        """Folder of the copies that runs work from (`xstilts.grid.snapshot`)."""
        return self.results / ".snapshots"

    # -- jobs -------------------------------------------------------------------------------------

    def log(self, rule: str, place: object) -> Path:
        """Log of a job; the rules name the same path."""
        return self.results / "logs" / rule / f"{place}.log"
