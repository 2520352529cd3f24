"""Encoders that a study names by their place on the Hub."""

from __future__ import annotations

import pytest

from xstilts.grid.snapshot import as_json, load_snapshot, save_snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_an_encoder_of_the_hub_needs_no_card(world):
    """AutoModel computes it, at the commit that the study names."""
    resolved = world.resolve(encoders=["tiny", f"hub:google/rembert@{COMMIT}"])
    name = "google--rembert@0123456789ab"
    assert resolved.study.encoders == ["tiny", name]
    card = resolved.cards.encoder(name)
    assert (card.hub, card.revision, card.architecture) == ("google/rembert", COMMIT, "automodel")
    assert {key.encoder for key in resolved.score_keys()} == {"tiny", name}


def test_without_a_commit_it_is_what_main_is_at_the_first_download(world):
    resolved = world.resolve(encoders=["hub:google/rembert"])
    assert resolved.study.encoders == ["google--rembert@main"]


@pytest.mark.parametrize(
    "entry",
    ["hub:rembert", "hub:google/rembert@v1", "hub:google/../x", "hub:/x", "hub:a/b/c", "hub:a/b@"],
)
def test_another_form_is_refused(world, entry):
    assert world.problem(encoders=["tiny", entry]).startswith(
        f"study.yaml: encoders[1]: {entry!r} is not of the form hub:owner/name@commit"
    )


def test_the_same_encoder_twice_is_refused(world):
    """The list says it twice in the same words."""
    assert "listed twice" in world.problem(encoders=["hub:a/b", "hub:a/b"])


def test_jobs_find_it_in_the_snapshot_of_the_run(world):
    grid = world.grid(encoders=[f"hub:google/rembert@{COMMIT}"])
    again = load_snapshot(save_snapshot(grid))
    (name,) = again.study.encoders
    assert again.encoder(name).digest == grid.encoder(name).digest
    assert as_json(again) == as_json(grid)
