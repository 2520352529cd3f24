"""Encoders that a study names by their place on the Hub, without a card.

    encoders: [e5-small, hub:google/rembert@65a4ef8f1b2ed1c5a5c4a8a1a8b0a6e8a3f0e6b1]

AutoModel computes them, because only a card can say which network of this project could. In paths
and results such an encoder is called ``google--rembert@65a4ef8f1b2e``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xstilts.config.encoder_card import EncoderCard
from xstilts.config.raw_file import pinned
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

HUB = "hub:"
PATTERN = r"hub:(?P<owner>[A-Za-z0-9][\w.-]*)/(?P<name>[A-Za-z0-9][\w.-]*)(@(?P<revision>\S+))?"


def cards_by_entry(entries: Sequence[str]) -> dict[str, EncoderCard]:
    """A card for each entry of ``encoders:`` that names a place on the Hub.

    Raises `StudyError` for an entry that begins with ``hub:`` and is not of its form.
    """
    return {
        entry: _card(number, entry) for number, entry in enumerate(entries) if entry.startswith(HUB)
    }


def _card(number: int, entry: str) -> EncoderCard:
    match = re.fullmatch(PATTERN, entry)
    revision = (match["revision"] or "main") if match else ""
    if match is None or not (revision == "main" or pinned(revision)):
        raise StudyError(
            f"encoders[{number}]: {entry!r} is not of the form hub:owner/name@commit, where the "
            "commit has 40 hex digits, or hub:owner/name for what main is at the first download"
        )
    repository = f"{match['owner']}/{match['name']}"
    return EncoderCard(
        encoder=f"{match['owner']}--{match['name']}@{revision[:12]}",
        title=repository,
        summary=f"{repository} on the Hugging Face Hub, named by the study without a card.",
        licence="see its page on the Hub",
        citation=f"https://huggingface.co/{repository}",
        architecture="automodel",
        hub=repository,
        revision=revision,
    )
