"""The table holds every cell of the grid, or says which file is at fault."""

import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest
import yaml

from xstilts.analysis import table
from xstilts.config.catalogue import Catalogue
from xstilts.config.resolve import resolve
from xstilts.errors import LineageError
from xstilts.grid.artefacts import Grid

LANGUAGES = """# a comment
code	iso639_3	name	script	family	joshi_class	cc100_gib	seen_by_xlmr
en	eng	English	Latn	Indo-European	5	300.8	yes
de	deu	German	Latn	Indo-European	5	66.6	yes
sw	swh	Swahili	Latn	Niger-Congo	2	1.6	yes
yo	yor	Yoruba	Latn	Niger-Congo	2		no
qu	quz	Quechua	Latn	Quechuan	1		no
ru	rus	Russian	Cyrl	Indo-European	4	278.0	yes
xx		Unknownish					no
"""
CODES = ["en", "de", "sw", "yo", "qu", "ru", "xx"]


@dataclass
class SyntheticStudy:
    """A study on disk whose cells come from a formula instead of a model."""

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

    def grid(self) -> Grid:
        """Write the cards and lay out the grid."""
        config = self.folder / "config"
        for name in self.encoders:
            self._yaml(config / "encoders" / f"{name}.yaml", self._encoder(name))
        trained = {name.partition("@")[0] for name in self.conditions}
        for name in {*trained, *self.targets} - {"none", "multi"}:
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
        }
        return Grid(resolve(study, "study.yaml", Catalogue(config)), "lock")

    def write_cells(self, grid: Grid, score: Any, **changes: Any) -> None:
        """Write every cell; ``score`` maps a cell to its primary score."""
        for cell in grid.resolved.cells():
            path = grid.paths.scores(cell.encoder, cell.condition, cell.seed, cell.target)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(a_cell(grid, cell, score(cell)) | changes) + "\n")

    def _encoder(self, name: str) -> dict[str, Any]:
        card = {"encoder": name, "title": f"Encoder {name}", "summary": "Small.", "licence": "MIT"}
        card |= {"citation": "Nobody 2020", "architecture": "bert", "folder": "x"}
        return card | self.encoder_changes

    def _task(self, name: str) -> dict[str, Any]:
        source = {"embedded": name} if self.embedded else {"url": "https://example.org/x"}
        split = {"reader": "squad", "files": {"data": {"path": f"{name}.json", **source}}}
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
            "splits": {"train": split, "test": split},
            "training_source": "made up",
        } | (self.task_changes | self.changes_by_task.get(name, {}))

    @staticmethod
    def _yaml(path: Any, value: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))


def a_cell(grid: Grid, cell: Any, score: float | None) -> dict[str, Any]:
    """The JSON that evaluation writes for a cell."""
    return {
        "cell": 2,
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
        "spec": grid.evaluation(cell.encoder, cell.condition, cell.seed, cell.target).digest,
        "inputs": {"checkpoint": "0" * 64, "examples": "0" * 64},
        "predictions": {"sha256": "0" * 64, "bytes": 1},
    }


@pytest.fixture
def grid(tmp_path):
    study = SyntheticStudy(tmp_path)
    grid = study.grid()
    study.write_cells(grid, lambda cell: 60.0 + cell.seed)
    return grid


def edit_line(path, language, change):
    """Change a cell's line in a file of cells."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(change(x) if json.loads(x)["language"] == language else x for x in lines)
    )


def edit(path, language, /, **changes):
    """Change values of a cell."""
    edit_line(path, language, lambda line: json.dumps(json.loads(line) | changes) + "\n")


def test_one_row_a_cell(grid):
    """There is a row for every cell, in the grid's own order."""
    rows = table.collect(grid)
    keys = rows[["encoder", "condition", "seed", "target", "language"]]
    expected = [
        (c.encoder, c.condition, c.seed, c.target, c.language) for c in grid.resolved.cells()
    ]
    assert list(keys.itertuples(index=False, name=None)) == expected


def test_columns(grid):
    """The primary metric is the score; every other metric has a column of its own."""
    rows = table.collect(grid)
    assert list(rows) == [*table.COLUMNS, "metric_exact_match", "metric_f1"]
    first = rows.iloc[0]
    assert (first.metric, first.score, first.n, first.metric_f1) == ("em_f1", 61.0, 50, 65.0)


def test_a_metric_that_one_cell_lacks_is_empty_there(grid):
    """A missing secondary metric is an empty number, not an error and not a zero."""
    edit(grid.paths.scores("tiny", "mnli", 2, "xquad"), "sw", metrics={"em_f1": 1.0, "f1": None})
    row = table.collect(grid).query("condition == 'mnli' and seed == 2 and language == 'sw'")
    assert row.metric_exact_match.isna().all()
    assert row.metric_f1.isna().all()


def test_warnings_are_joined(grid):
    """Warnings of a cell stand in one text, joined by semicolons."""
    edit(grid.paths.scores("tiny", "none", 1, "xquad"), "en", warnings=["majority_class", "odd"])
    assert table.collect(grid).warnings.iloc[0] == "majority_class;odd"


def test_a_missing_cell_is_named(grid):
    """A cell that was not computed stops the table with its path."""
    path = grid.paths.scores("tiny", "mnli", 1, "xquad")
    edit_line(path, "yo", lambda line: "")
    message = r"mnli/seed1/xquad\.jsonl: has no cell of 'yo'; run snakemake"
    with pytest.raises(LineageError, match=message):
        table.collect(grid)
    path.unlink()
    with pytest.raises(LineageError, match=r"mnli/seed1/xquad\.jsonl: has no cell of 'en'"):
        table.collect(grid)


def test_a_truncated_cell_is_named(grid):
    """A line that was cut off stops the table with its file and language."""
    edit_line(grid.paths.scores("tiny", "mnli", 1, "xquad"), "yo", lambda line: f"{line[:40]}\n")
    with pytest.raises(LineageError, match=r"xquad\.jsonl: has no cell of 'yo'"):
        table.collect(grid)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": 1}, r"xquad\.jsonl: has no cell of 'yo'"),
        ({"language": "no"}, r"xquad\.jsonl: has no cell of 'yo'"),
        ({"seed": "1"}, r"yo: is another cell: its seed is '1', not 1"),
        ({"spec": "f" * 64}, r"yo: was not computed as this study says: its spec is ffff"),
        ({"primary": "f2"}, r"yo: not a whole cell: lacks 'f2'"),
        ({"metrics": {"em_f1": "61"}}, r"not a whole cell: metric 'em_f1' is '61', not a number"),
        ({"metrics": {"em_f1": float("nan")}}, r"metric 'em_f1' is nan, not a number"),
        ({"n": None}, r"not a whole cell: n is None"),
        ({"warnings": [1]}, r"yo: not a whole cell"),
    ],
)
def test_a_foreign_cell_is_named(grid, changes, message):
    """A cell of another version, place or spec, or with parts missing, stops the table."""
    edit(grid.paths.scores("tiny", "mnli", 1, "xquad"), "yo", **changes)
    with pytest.raises(LineageError, match=message):
        table.collect(grid)


def test_written_table_is_read_back(grid, tmp_path):
    """The parquet file holds what was collected, types included."""
    table.write(grid, tmp_path / "grid.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "grid.parquet"), table.collect(grid))


def test_written_table_has_the_same_bytes_every_time(grid, tmp_path):
    """Writing twice gives the same bytes, and leaves no other file."""
    table.write(grid, tmp_path / "out" / "one.parquet")
    table.write(grid, tmp_path / "out" / "two.parquet")
    one, two = sorted((tmp_path / "out").iterdir())
    assert one.read_bytes() == two.read_bytes()
