"""What `automodel.convert` records in the metadata of the weights it writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from xstilts.provenance.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = "automodel"


@dataclass(frozen=True)
class Conversion:
    """Says that the tensors of a file have the names that AutoModel gives them."""

    word_embeddings: str
    """The name of the matrix of word embeddings."""
    trusted: bool
    """Whether the code of the encoder's author, which lies beside the weights, may run."""

    def metadata(self) -> dict[str, str]:
        """The metadata of a safetensors file: one key, for it writes several in any order."""
        return {_KEY: json.dumps(asdict(self), sort_keys=True)}


def conversion_of(metadata: Mapping[str, str] | None) -> Conversion | None:
    """The record in a safetensors file's metadata; None for a file that was not converted."""
    recorded = (metadata or {}).get(_KEY)
    return Conversion(**parse_json(recorded)) if recorded else None
