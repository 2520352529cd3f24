"""A study on disk whose scores come from a formula instead of a model."""

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import yaml

from xstilts.config.catalogue import Catalogue
from xstilts.config.conditions import base_of
from xstilts.config.resolve import resolve
from xstilts.evaluation import scores
from xstilts.evaluation.score_line import VERSION, Score, line_of
from xstilts.grid.artefacts import Grid
from xstilts.grid.keys import EvaluationKey
from xstilts.tasks.registry import SCHEMAS

LANGUAGES = """# a comment
code	iso639_3	name	script	family	joshi_class	cc100_gib	seen_by_xlmr
en	eng	English	Latn	Indo-European	5	300.8	yes
de	deu	German	Latn	Indo-European	5	66.6	yes
sw	swh	Swahili	Latn	Niger-Congo	2	1.6	yes
yo	yor	Yoruba	Latn	Niger-Congo	2		no
qu	quz	Quechua	Latn	Quechuan	1		no
ru	rus	Russian	Cyrl	Indo-European	4	278.0	yes
mis		Unknownish					no
"""
CODES = ["en", "de", "sw", "yo", "qu", "ru", "mis"]


GAINS = {"en": 9.0, "de": 1.0, "ru": 2.0, "sw": 3.0, "yo": -4.0, "qu": 7.0, "mis": -6.0}


def gains_of_a_formula(cell: Any) -> float:
    """Baselines of 50 and the gains above, half a point more with seed 2."""
    return 50.0 + (GAINS[cell.language] + (cell.seed - 1) / 2) * (cell.condition != "none")


@dataclass
class SyntheticStudy:
    """A study on disk whose scores come from a formula instead of a model."""

    folder: Any
    conditions: list[str] = field(default_factory=lambda: ["none", "mnli"])
    targets: list[str] = field(default_factory=lambda: ["xquad"])
    encoders: list[str] = field(default_factory=lambda: ["tiny"])
    seeds: list[int] = field(default_factory=lambda: [1, 2])
    codes: list[str] = field(default_factory=lambda: list(CODES))
    languages_tsv: str = LANGUAGES
    encoder_changes: dict[str, Any] = field(default_factory=dict)
    task_changes: dict[str, Any] = field(default_factory=dict)
    changes_by_task: dict[str, dict[str, Any]] = field(default_factory=dict)
    embedded: bool = False
    evaluation: dict[str, Any] = field(default_factory=dict)
    mlm: dict[str, Any] = field(default_factory=dict)
    known_apart: dict[str, list[str]] = field(default_factory=dict)

    def grid(self) -> Grid:
        """Write the cards and lay out the grid."""
        config = self.folder / "config"
        for name in self.encoders:
            self._yaml(config / "encoders" / f"{name}.yaml", self._encoder(name))
        trained = set(map(base_of, self.conditions))
        for name in {*trained, *self.targets, *self.changes_by_task} - {"none", "multi"}:
            self._yaml(config / "tasks" / f"{name}.yaml", self._task(name))
        (config / "languages.tsv").write_text(self.languages_tsv, encoding="utf-8")
        study = {
            "study": "synthetic",
            "encoders": self.encoders,
            "conditions": self.conditions,
            "targets": self.targets,
            "seeds": self.seeds,
            "results": str(self.folder / "results"),
            "evaluation": self.evaluation,
            **({"mlm": self.mlm} if self.mlm else {}),
            **({"known_apart": self.known_apart} if self.known_apart else {}),
        }
        return Grid(resolve(study, "study.yaml", Catalogue(config, SCHEMAS)), "lock")

    def write_scores(self, grid: Grid, score: Any, **changes: Any) -> None:
        """Write the score files; ``score`` maps a coordinate to its primary score."""
        nothing = self.folder / "no_predictions"
        nothing.write_bytes(b"")
        made: dict[EvaluationKey, dict[str, Score]] = {}
        for cell in grid.resolved.score_keys():
            of_key = made.setdefault(evaluation_of(cell), {})
            of_key[cell.language] = a_score(grid, cell, score(cell)) | changes
        for key, found in made.items():
            scores.write(grid.paths.scores(key), found, dict.fromkeys(found, nothing))

    def _encoder(self, name: str) -> dict[str, Any]:
        card = {"encoder": name, "title": f"Encoder {name}", "summary": "Small.", "licence": "MIT"}
        card |= {"citation": "Nobody 2020", "architecture": "bert", "folder": "x"}
        return card | self.encoder_changes

    def _task(self, name: str) -> dict[str, Any]:
        source: dict[str, Any] = {"url": "https://example.org/x"}
        if self.embedded:
            source = {"package": {"source": "embedded", "name": name}}
        split = {"reader": "squad_json", "files": {"data": {"path": f"{name}.json", **source}}}
        return {
            "task": name,
            "title": f"Task {name}",
            "task_type": "span_qa",
            "summary": "Questions.",
            "licence": "CC-BY-4.0",
            "citation": f"Somebody 2021 ({name})",
            "languages": self.codes,
            "scorer": "squad",
            "primary": "em_f1",
            "chance": 0.0,
            "recipe": name,
            "splits": {"train": split, "test": deepcopy(split)},
            "training_source": "made up",
        } | (self.task_changes | self.changes_by_task.get(name, {}))

    @staticmethod
    def _yaml(path: Any, value: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))


def evaluation_of(cell: Any) -> EvaluationKey:
    """The evaluation that computes a score."""
    return EvaluationKey(cell.encoder, cell.condition, cell.seed, cell.target)


def a_score(grid: Grid, cell: Any, score: float | None) -> dict[str, Any]:
    """The line that evaluation writes for a score."""
    return {
        "version": VERSION,
        "encoder": cell.encoder,
        "condition": cell.condition,
        "seed": cell.seed,
        "target": cell.target,
        "language": cell.language,
        "task_type": "span_qa",
        "primary": "em_f1",
        "n": 50,
        "metrics": {"em_f1": score, "exact_match": 50.0, "f1": 65.0},
        "counts": {"truncated": 0},
        "warnings": [],
        "spec": grid.evaluation(evaluation_of(cell)).digest,
        "inputs": {"checkpoint": "0" * 64, "examples": "0" * 64},
        "predictions": {"sha256": hashlib.sha256().hexdigest(), "crc32": 0, "bytes": 0},
    }


def score_file(grid: Grid, condition: str, seed: int) -> Any:
    """The score file of the encoder ``tiny`` on ``xquad``."""
    return grid.paths.scores(EvaluationKey("tiny", condition, seed, "xquad"))


def edit_line(path, language, change):
    """Change the line of a language in a score file."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(change(x) if json.loads(x)["language"] == language else x for x in lines)
    )


def change_text(path, language, old, new):
    """Replace a text in the line of a language, as one would in an editor."""

    def changed(line):
        assert old in line, line
        return line.replace(old, new, 1)

    edit_line(path, language, changed)


def edit(path, language, /, **changes):
    """Change values of a score, and its digest with them: as a program would have written it."""
    edit_line(path, language, lambda line: line_of(json.loads(line) | changes))
