"""Reports of three studies, and Debian's Chromium that opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from playwright.sync_api import sync_playwright

from support.grid_scores import score_table
from support.opened import Opened
from support.world import ROOT
from xstilts.analysis.report import page
from xstilts.analysis.table import MissingScores
from xstilts.config.catalogue import Catalogue
from xstilts.config.resolve import resolve
from xstilts.grid.artefacts import Grid
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from playwright.sync_api import Browser

CHROMIUM = "/usr/bin/chromium"
STUDY: dict[str, Any] = {
    "study": "synthetic",
    "encoders": ["xlm-r-base"],
    "conditions": ["none", "mnli", "squad"],
    "targets": ["xcopa", "tydiqa"],
    "seeds": [1, 2, 3],
}


def grid_of(study: dict[str, Any], folder: Path, cards: Path = ROOT / "config") -> Grid:
    resolved = resolve(study | {"results": str(folder)}, "study", Catalogue(cards, SCHEMAS))
    return Grid(resolved, "0" * 64)


def written(grid: Grid, table: pd.DataFrame, missing: Sequence[MissingScores] = ()) -> Path:
    """The page of some scores, without its files."""
    path = grid.paths.report
    path.parent.mkdir(parents=True)
    path.write_text(page.render(page.page_of(grid, table, missing), grid.cards.languages()))
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The report of a finished study with two conditions."""
    grid = grid_of(STUDY, tmp_path_factory.mktemp("finished"))
    return written(grid, score_table(grid, gains={"mnli": 3.0}))


@pytest.fixture(scope="session")
def half_finished(tmp_path_factory) -> Path:
    """The report of a study of which a condition has run on half of the seeds."""
    grid = grid_of(STUDY | {"study": "half"}, tmp_path_factory.mktemp("half"))
    table = score_table(grid)
    lacks = {key for key in grid.reads.evaluations() if key.condition == "squad" and key.seed > 1}
    done = [
        (row.condition, row.seed) not in {(key.condition, key.seed) for key in lacks}
        for row in table.itertuples()
    ]
    missing = [
        MissingScores(key, tuple(grid.resolved.languages[key.target]), stale=0) for key in lacks
    ]
    return written(grid, table[done], missing)


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Path:
    """The page of 90,000 scores."""
    study = yaml.safe_load((ROOT / "bench" / "scale_90k.yaml").read_text())
    del study["cards"]
    grid = grid_of(study, tmp_path_factory.mktemp("large"), ROOT / "bench" / "scale_cards")
    table = score_table(grid)
    assert len(table) == 90_000
    return written(grid, table)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser) -> Iterator[Any]:
    """Opens a page in a width, and expects at the end that nothing went wrong in it."""
    pages: list[Opened] = []

    def opening(path: Path, width: int = 1400, anchor: str = "", script: bool = True) -> Opened:
        pages.append(Opened(browser, path, width, anchor, script))
        return pages[-1]

    yield opening
    for each in pages:
        assert each.problems == []
        each.close()
