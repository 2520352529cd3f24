"""The model card of an exported checkpoint."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard

from support.archives import archive_of, small_grid
from support.stored import RECIPE, START, evaluate, finish
from xstilts.archive.model_card import model_card
from xstilts.archive.restore import import_archives
from xstilts.errors import LineageError
from xstilts.grid.keys import EvaluationKey
from xstilts.grid.snapshot import save_snapshot
from xstilts.provenance.digests import file_sha256


@pytest.fixture
def grid(world):
    """A finished study that was run."""
    made = small_grid(world, world.folder)
    finish(made)
    save_snapshot(made)
    return made


def card(grid, key=RECIPE, **how):
    return model_card(grid.training(key).stamp, grid.paths.results, **how)


def test_the_header_is_one_that_the_hub_reads(grid):
    """Base model, licence and training language."""
    header = ModelCard(card(grid)).data
    assert header.base_model == "some/encoder"
    assert header.license == "mit"
    assert header.language == ["en"]
    assert "condition-nli" in header.tags


def test_a_licence_that_the_hub_does_not_know_is_named(grid, world):
    """As the Hub wants it: other, and its name."""
    encoder = grid.cards.encoder("tiny").model_dump(exclude_unset=True)
    world.write("encoders", encoder | {"licence": "see the authors' page"})
    again = world.grid(**grid.study_as_json())
    save_snapshot(again)
    header = ModelCard(card(again)).data
    assert (header.license, header.license_name) == ("other", "see-the-authors-page")


def test_it_names_every_stage_by_the_sha256_of_its_stamp(grid):
    """From the encoder on, in the order of training."""
    text = card(grid)
    stamps = [grid.encoder("tiny").stamp, *(grid.training(key).stamp for key in (START, RECIPE))]
    places = [text.index(f"`{file_sha256(stamp)}`") for stamp in stamps]
    assert places == sorted(places)


def test_it_lists_the_scores_of_the_checkpoint_and_no_others(grid):
    """By language; those of another seed or condition are of another checkpoint."""
    rows = [line for line in card(grid).splitlines() if line.startswith("| xqa |")]
    assert rows == [f"| xqa | {code} | accuracy | 50.00 | 2 |" for code in ("en", "de", "sw", "no")]


def test_a_stale_score_is_not_listed(grid):
    """It is of other code or another study."""
    evaluate(grid, EvaluationKey("tiny", "nli", 1, "xqa"), spec="f" * 64)
    assert "none has been scored yet" in card(grid)


def test_an_intermediate_checkpoint_has_no_scores(grid):
    """No target is read from it."""
    assert "No target is scored on this checkpoint itself" in card(grid, START)


def test_the_head_is_named(grid):
    """Or that there is none."""
    assert "The head of the task `qa` is in it." in card(grid, head="qa")
    assert "It has no head" in card(grid)


def test_prose_of_cards_cannot_be_markup(grid, world):
    """Anyone may write a card."""
    task = grid.cards.task("qa").model_dump(exclude_unset=True)
    world.write("tasks", task | {"title": "<script>alert(1)</script> | [x](http://x)"})
    again = small_grid(world, world.folder)
    save_snapshot(again)
    text = card(again)
    assert "<script>" not in text
    assert "\\<script\\>alert(1)\\</script\\> \\| \\[x\\](http://x)" in text


def test_another_study_is_refused(grid, world, tmp_path):
    """It did not train the checkpoint; a folder in which nothing was run is no study."""
    other = small_grid(world, world.folder, study="other", seeds=[7])
    save_snapshot(other)
    stamp = grid.training(RECIPE).stamp
    with pytest.raises(LineageError, match="did not train the checkpoint"):
        model_card(stamp, other.paths.results)
    with pytest.raises(LineageError, match="was not run or imported here"):
        model_card(stamp, tmp_path)


def test_an_imported_study_gives_the_same_lineage(grid, world, tmp_path):
    """Its stamps are enough."""
    there = small_grid(world, world.folder / "there")
    archive = archive_of(grid, tmp_path / "a.tar.zst")
    import_archives([archive], there.paths.results.parent, there.paths.resources)
    here, again = (card(g).split("- study, cards and code")[0] for g in (grid, there))
    assert again == here
