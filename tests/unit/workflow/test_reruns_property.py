"""Whatever is edited, deleted or damaged in between: a run ends with the table of a fresh run.

And it computes nothing that lies on disk as it was left, and nothing that no missing score is made
of. Sequences are random; the computations are stubs (`support.stub_runs`).
"""

from __future__ import annotations

import os
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.stub_runs import Interrupted, Ledger, replace_computations, run
from support.world import ENCODER, World, world
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.grid.artefacts import Grid

__all__ = ["world"]

SMALL: dict[str, Any] = {
    "study": "small",
    "encoders": ["tiny"],
    "conditions": ["none", "nli"],
    "targets": ["xnli", "pairs"],
    "languages": ["de", "sw"],
    "seeds": [1],
}
STUDIES: dict[str, list[Any]] = {
    "study": ["small", "second"],
    "encoders": [["tiny"], ["tiny", "other"]],
    "conditions": [["none"], ["none", "nli"], ["choice", "none"]],
    "targets": [["xnli"], ["xnli", "pairs"], ["pairs", "xqa"]],
    "languages": [["de", "sw"], ["sw"], ["en", "de", "sw"]],
    "seeds": [[1], [2, 1]],
    "training": [
        {},
        {"all": {"max_examples": 8}},
        {"recipe": {"epochs": 1}},
        {"intermediate_tasks": {"nli": {"max_length": 64}}},
    ],
    "evaluation": [{}, {"max_examples": 5}],
}
TASKS = [
    ("nli", {}),
    ("nli", {"codes": {"en": "eng"}}),
    ("xnli", {}),
    ("xnli", {"codes": {"de": "deu"}}),
    ("xnli", {"title": "Another title"}),
    ("pairs", {"codes": {"sw": "swh"}}),
]
ENCODERS = [{}, {"layers": 3}, {"retrieval_layer": 1}, {"title": "Another title"}]
DAMAGES = ["delete", "truncate", "empty", "flip", "replace", "touch", "delete folder"]

number = st.integers(0, 2**16)
step = st.one_of(
    st.sampled_from([("study", key, value) for key, values in STUDIES.items() for value in values]),
    st.sampled_from([("task", *card) for card in TASKS]),
    st.sampled_from([("encoder", card) for card in ENCODERS]),
    st.tuples(st.just("weights"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("damage"), st.sampled_from(DAMAGES), number, number),
    st.tuples(st.just("damage"), st.sampled_from(DAMAGES), number, number),
    st.tuples(st.just("kill"), st.integers(0, 12)),
    st.just(("run",)),
    st.just(("run",)),
)


class Place:
    """A world of cards with folders of results, and what was computed there."""

    def __init__(self, world: World) -> None:
        self.world, self.ledger = world, Ledger()
        self.folder = world.folder / "used"
        self.study = deepcopy(SMALL)
        self._fresh: dict[str, bytes] = {}

    def reset(self) -> None:
        """The first study, and nothing computed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ledger.left.clear()
        self.ledger.in_vain.clear()
        self.study = deepcopy(SMALL)
        for name, changes in TASKS:
            if not changes:
                self.world.change_card(name)
        self.world.change_card("pairs")
        self.encoder({})
        self.weights("a")

    def encoder(self, changes: dict[str, Any]) -> None:
        """Write the card of the first encoder."""
        card = ENCODER | {"folder": str(self.world.folder / "weights")} | changes
        self.world.write("encoders", card)
        self.world.write("encoders", card | {"encoder": "other"})

    def weights(self, content: str) -> None:
        """Write the folder that the encoder is copied from."""
        folder = self.world.folder / "weights"
        folder.mkdir(exist_ok=True)
        for file in ENCODER_FILES:
            (folder / file).write_text(content)

    def grid(self, folder: Path) -> Grid:
        """The grid of the study as it is now."""
        places = {"results": str(folder / "results"), "resources": str(folder / "resources")}
        self.world.study = self.study
        return self.world.grid(**places)

    def fresh_table(self) -> bytes:
        """The table of this study, computed in an empty folder."""
        folder = self.world.folder / "fresh"
        grid = self.grid(folder)
        if grid.table.digest not in self._fresh:
            shutil.rmtree(folder, ignore_errors=True)
            run(grid, self.world.folder, Ledger())
            self._fresh[grid.table.digest] = grid.paths.table.read_bytes()
        return self._fresh[grid.table.digest]

    def run(self, jobs_before_kill: int | None = None) -> None:
        """Run the study to its end, or for so many jobs; what an error says to delete is deleted.

        Asserts that nothing is computed in vain.
        """
        for _ in range(20):
            grid = self.grid(self.folder)
            needed = self.ledger.needed(grid)
            self.ledger.computed.clear()
            try:
                run(grid, self.world.folder, self.ledger, jobs_before_kill)
                return
            except Interrupted:
                return
            except LineageError as error:
                advice = re.search(r"delete (\S+) and run snakemake", str(error))
                if advice is None:
                    raise
                Path(advice[1]).unlink()
            finally:
                assert not self.ledger.in_vain
                assert set(self.ledger.computed) <= needed
        raise AssertionError("the study does not come to its end")

    def damage(self, how: str, which: int, where: int) -> None:
        """Damage one of the files of the study, as disks, people and file systems do."""
        files = sorted(p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink())
        files = [p for p in files if not {".runs", ".snapshots"} & set(p.parts)]
        if not files:
            return
        path = files[which % len(files)]
        content = bytearray(path.read_bytes())
        position = where % max(1, len(content))
        match how:
            case "delete":
                path.unlink()
            case "delete folder":
                shutil.rmtree(path.parent)
            case "truncate":
                path.write_bytes(content[:position])
            case "empty":
                path.write_bytes(b"")
            case "touch":
                os.utime(path, (where * 50_000, where * 50_000))
            case "replace":
                same = [p for p in files if p.suffix == path.suffix]
                path.write_bytes(same[where % len(same)].read_bytes())
            # neither a stamp nor the line of a score has a checksum of its own
            case "flip" if content and path.suffix not in (".json", ".jsonl"):
                content[position] ^= 1
                path.write_bytes(content)

    def take(self, step: tuple[Any, ...]) -> None:
        """Do one step of a sequence."""
        match step:
            case ("study", key, value):
                self.study = self.study | {key: value}
            case ("task", name, changes):
                self.world.change_card(name, **changes)
            case ("encoder", changes):
                self.encoder(changes)
            case ("weights", content):
                self.weights(content)
            case ("damage", how, which, where):
                self.damage(how, which, where)
            case ("kill", jobs):
                self.run(jobs)
            case ("run",):
                self.run()


@pytest.fixture
def place(world: World) -> Iterator[Place]:
    """A place whose computations are stubs."""
    made = Place(world)
    with pytest.MonkeyPatch.context() as patch:
        replace_computations(patch, made.ledger)
        yield made


@settings(
    max_examples=int(os.environ.get("XSTILTS_SEQUENCES", "150")),
    derandomize=True,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],  # to shrink a sequence takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, min_size=1, max_size=12))
def test_any_history_ends_with_the_table_of_a_fresh_run(steps: list[Any], place: Place) -> None:
    """After edits, damages, deletions and runs that were killed; and a second run does nothing."""
    place.reset()
    place.run()
    for step in steps:
        place.take(step)
    place.run()
    grid = place.grid(place.folder)
    assert grid.paths.table.read_bytes() == place.fresh_table()
    assert run(grid, place.world.folder, place.ledger) == []
