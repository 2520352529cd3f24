"""A small world of cards, and studies over it: nothing is downloaded, nothing is trained."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from xstilts.config.catalogue import Catalogue
from xstilts.config.resolve import ResolvedStudy, resolve
from xstilts.config.yaml_models import Model, load
from xstilts.errors import StudyError
from xstilts.grid.opening import open_grid
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid

ROOT = Path(__file__).parents[2]
LANGUAGES = """# where the columns come from
code\tiso639_3\tname\tscript\tfamily\tjoshi_class\tcc100_gib\tseen_by_xlmr
en\teng\tEnglish\tLatn\tIndo-European\t5\t300.8\tyes
de\tdeu\tGerman\tLatn\tIndo-European\t5\t66.6\tyes
sw\tswh\tSwahili\tLatn\tNiger-Congo\t2\t1.6\tyes
yo\tyor\tYoruba\tLatn\tNiger-Congo\t2\t\tno
no\tnor\tNorwegian\tLatn\tIndo-European\t1\t\tyes
mis\t\tUnclassified\t\t\t\t\t
"""
PROSE = {"title": "Title", "summary": "Summary.", "licence": "MIT", "citation": "Nobody 2020"}
SQUAD = ("span_qa", "squad_json", "squad", "em_f1")
TEXTS = ("classification", "labelled_texts", "accuracy", "accuracy")
CHOICES = ("multiple_choice", "choices", "accuracy", "accuracy")
PAIRS = ("retrieval", "parallel_lines", "nearest", "accuracy")
OPTIONS = {
    "labelled_texts": {"tables": {"*": {"form": "jsonl"}}, "text": "text", "label": "label"},
    "plain_texts": {"tables": {"*": {"form": "jsonl"}}},
    "choices": {"tables": {"*": {"form": "jsonl"}}, "prompt": "{prompt}", "choices": "choices"},
}
"""The options that the readers of these cards need."""
ALL = ["en", "de", "sw", "yo", "mis"]


def task_card(
    name: str, kind: tuple[str, ...], splits: dict[str, list[str]], **more: Any
) -> dict[str, Any]:
    """A task card; ``splits`` gives the languages of each split."""
    task_type, reader, scorer, primary = kind
    languages = list(dict.fromkeys(code for codes in splits.values() for code in codes))
    card: dict[str, Any] = {"task": name, **PROSE, "task_type": task_type, "languages": languages}
    card |= {"scorer": scorer, "primary": primary, "splits": {}}
    parts = ("english", "foreign") if reader == "parallel_lines" else ("data",)
    for split, codes in splits.items():
        path, url = f"{name}/{split}.{{code}}.txt", f"https://x.org/{name}"
        files = {
            part: {"path": path if part == "data" else f"{part}/{path}", "url": url}
            for part in parts
        }
        card["splits"][split] = {"reader": reader, "files": files, "languages": codes}
        if reader in OPTIONS:
            card["splits"][split]["options"] = deepcopy(OPTIONS[reader])
    return card | more


CARDS: dict[str, dict[str, Any]] = {
    card["task"]: card
    for card in (
        task_card("nli", TEXTS, {"train": ["en"]}, labels=["yes", "no"]),
        task_card("topic", TEXTS, {"train": ["en"]}, labels=["sport", "trade"]),
        task_card("xnli", TEXTS, {"test": ALL}, labels=["yes", "no"], recipe="nli"),
        task_card("qa", SQUAD, {"train": ["en"]}),
        task_card("qa_part", SQUAD, {"train": ["en"]}),
        task_card("xqa", SQUAD, {"test": ["en", "de", "sw", "no"]}, recipe="qa"),
        task_card("choice", CHOICES, {"train": ["en"]}),
        task_card("pairs", PAIRS, {"test": ["de", "sw"]}),
        # as SIB-200 has it: a training set in many languages, English not the first of them
        task_card("news", TEXTS, {"train": ["de", "en"]}, labels=["yes", "no"]),
    )
}
ENCODER = {
    "encoder": "tiny",
    **PROSE,
    "architecture": "bert",
    "folder": "somewhere",
    "retrieval_layer": 2,
}
STUDY: dict[str, Any] = {
    "study": "small",
    "encoders": ["tiny"],
    "conditions": ["none", "nli", "choice", "multi"],
    "targets": ["xnli", "xqa", "pairs"],
    "seeds": [1, 2],
}


def refused(model: type[Model], data: Any) -> list[str]:
    """The lines of the `StudyError` that refuses a card, or a part of one."""
    with pytest.raises(StudyError) as error:
        load(model, data, "card.yaml")
    return str(error.value).splitlines()


class _WithoutAliases(yaml.SafeDumper):
    """Writes a value that occurs twice out twice: cards must not have aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass
class World:
    """A ``config`` folder and a study over it; change either, then ask for the grid."""

    folder: Path
    study: dict[str, Any]

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def cards(self) -> Catalogue:
        return Catalogue(self.config, SCHEMAS)

    def write(self, kind: str, card: dict[str, Any]) -> None:
        """Write a card; ``kind`` is tasks or encoders."""
        path = self.config / kind / f"{card[kind[:-1]]}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(card, Dumper=_WithoutAliases, sort_keys=False), encoding="utf-8")

    def change_card(self, name: str, **changes: Any) -> None:
        """Rewrite a task card with other values for some keys."""
        self.write("tasks", deepcopy(CARDS[name]) | changes)

    def resolve(self, **changes: Any) -> ResolvedStudy:
        """The study with other values for some keys, checked; a key set to ... is left out."""
        said = {key: value for key, value in (self.study | changes).items() if value is not ...}
        return resolve(said, "study.yaml", self.cards)

    def grid(self, **changes: Any) -> Grid:
        """The grid of the study with other values for some keys."""
        said = self.study | {"results": str(self.folder / "results")} | changes
        return open_grid(said, "study.yaml", self.config, self.folder / "lock.txt")

    def problems(self, **changes: Any) -> list[str]:
        """The lines that refuse the study with other values for some keys."""
        with pytest.raises(StudyError) as refused:
            self.resolve(**changes)
        return str(refused.value).splitlines()

    def problem(self, **changes: Any) -> str:
        """The one line that refuses it."""
        (line,) = self.problems(**changes)
        return line


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, deepcopy(STUDY))
    for card in CARDS.values():
        made.write("tasks", card)
    made.write("encoders", ENCODER)
    made.write("encoders", ENCODER | {"encoder": "other", "folder": "elsewhere"})
    (made.config / "languages.tsv").write_text(LANGUAGES, encoding="utf-8")
    (tmp_path / "lock.txt").write_text("torch==2.13.0\n")
    return made
