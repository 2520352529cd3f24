"""Hyperparameters are patched by scope."""

from __future__ import annotations

from xstilts.config.hyperparameters import Hyperparameters


def test_patches_set_what_they_name():
    """The later patch wins; what no patch names keeps its default."""
    found = Hyperparameters().patched(
        Hyperparameters(epochs=5.0, batch_size=4), None, Hyperparameters(batch_size=32)
    )
    assert (found.epochs, found.batch_size, found.learning_rate) == (5.0, 32, 1e-5)


def test_a_patch_can_restore_a_default():
    """A value that is written counts, also where it is the default."""
    assert Hyperparameters().patched(
        Hyperparameters(epochs=5.0), Hyperparameters(epochs=3.0)
    ) == Hyperparameters(epochs=3.0)
