"""Where every artefact of a grid lies: paths carry the identity of what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.config.conditions import NONE
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.grid.dependencies import Flow
from xstilts.grid.keys import INTERMEDIATE

if TYPE_CHECKING:
    from xstilts.config.resolve import ResolvedStudy


class Layout(Flow):
    """The paths of a resolved study."""

    def __init__(self, resolved: ResolvedStudy) -> None:
        """Look at no file."""
        super().__init__(resolved)
        self.results = Path(self.study.results) / self.study.study
        self.resources = Path(self.study.resources)

    def encoder_stamp(self, encoder: str) -> Path:
        """Stamp of a fetched encoder; the Hugging Face folder is the one that it lies in."""
        return self.resources / "encoders" / encoder / "stamp.json"

    def examples_stamp(self, task: str, split: str, language: str) -> Path:
        """Stamp of the examples of one task, split and language."""
        return self.resources / "examples" / task / split / f"{language}.json"

    def checkpoint_stamp(self, encoder: str, condition: str, seed: int, stage: str) -> Path:
        """Stamp of a trained checkpoint; its weights lie beside it."""
        return self.results / f"checkpoints/{encoder}/{condition}/seed{seed}/{stage}/stamp.json"

    def cells(self, encoder: str, condition: str, seed: int, target: str) -> Path:
        """The cells of one evaluation, a line each (`xstilts.evaluation.scores`)."""
        return self.results / f"cells/{encoder}/{condition}/seed{seed}/{target}.jsonl"

    def encoder_sources(self, encoder: str) -> list[Path]:
        """The files of an encoder that is a folder on disk: replaced, they make it anew."""
        folder = self.cards.encoder(encoder).folder
        return [Path(folder) / name for name in ENCODER_FILES] if folder else []

    def start_of(self, encoder: str, condition: str, seed: int, stage: str) -> Path:
        """Stamp of what a training starts from: the encoder or an earlier checkpoint."""
        before = self.stage_before(condition, stage)
        if before is None:
            return self.encoder_stamp(encoder)
        return self.checkpoint_stamp(encoder, condition, seed, before)

    def evaluated(self, encoder: str, condition: str, seed: int, target: str) -> Path:
        """Stamp of the checkpoint that a target is evaluated on."""
        stage = self.resolved.stage_of(target)
        if stage == INTERMEDIATE and condition == NONE:
            return self.encoder_stamp(encoder)
        return self.checkpoint_stamp(encoder, condition, seed, stage)

    def cell_examples(self, target: str, language: str) -> dict[str, Path]:
        """StampReader of the examples of a cell, by the name that the cell's inputs give them."""
        splits = zip(("examples", "tuning"), self.read_of(target), strict=False)
        return {role: self.examples_stamp(target, split, language) for role, split in splits}
