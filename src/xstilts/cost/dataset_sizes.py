"""How large the examples are: rows, and tokens a row.

They are counted on the prepared examples with the encoder's own tokenizer. Without prepared
examples, config/costs/tasks.tsv has numbers that were measured on real files with XLM-R's
vocabulary, borrowed from another split, or declared by the publisher. Else they are guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.tables import read_table_if_present
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance import digests, files
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.models.tokenizer import Tokenizer

GUESSED_ROWS = 1000
COUNTED_LANGUAGES = 5
"""Tokens are counted in at most so many languages of a split; the others get their mean."""

BASES = ("guessed", "borrowed", "declared", "measured", "counted")
"""How a size is known, from the weakest basis to the strongest."""


@dataclass(frozen=True)
class DatasetSize:
    """Rows of one split and language, mean tokens a row, and how either is known."""

    rows: float
    tokens: float
    rows_basis: str
    tokens_basis: str

    @property
    def basis(self) -> str:
        """The weaker basis of the two."""
        return min(self.rows_basis, self.tokens_basis, key=BASES.index)


class DatasetSizes:
    """Sizes of all examples that a grid reads. ``costs`` is the folder ``config/costs``."""

    def __init__(self, grid: Grid, costs: Path, count: bool = False) -> None:
        """``count``: tokenise the prepared examples that were not counted before."""
        self._grid, self._count = grid, count
        self._known = {
            (r["task"], r["split"]): r for r in read_table_if_present(costs / "tasks.tsv")
        }
        self._stamps = StampReader()
        self._needed = grid.reads.needed_examples()
        self.bases: dict[str, str] = {}
        """How the sizes that `of_splits` gave are known: the weakest basis by ``task/split``."""
        self._mean = cache(self._mean_over_languages)
        self.of_split = cache(self._of_split)

    def of_splits(self, encoder: str, splits: Iterable[tuple[str, str, str]]) -> list[DatasetSize]:
        """The sizes of some task, split and language; records in `bases` how they are known."""
        found = []
        for task, split, language in splits:
            size, name = self.of_split(encoder, task, split, language), f"{task}/{split}"
            self.bases[name] = min(self.bases.get(name, size.basis), size.basis, key=BASES.index)
            found.append(size)
        return found

    def _of_split(self, encoder: str, task: str, split: str, language: str) -> DatasetSize:
        """The size of one split and language, in tokens of an encoder."""
        stamp = self._grid.examples_stamp(ExamplesKey(task, split, language))
        known = self._known.get((task, split))
        rows, rows_basis = float(GUESSED_ROWS), "guessed"
        if known:
            rows, rows_basis = float(known["rows"]), known["rows_basis"]
        outcomes = self._stamps.outcomes(stamp)
        if type(outcomes.get("rows")) is int:
            rows, rows_basis = float(outcomes["rows"]), "counted"
        tokens, tokens_basis = float(self._grid.cards.schema(task).guessed_tokens), "guessed"
        if known:
            tokens, tokens_basis = float(known["tokens"]), known["tokens_basis"]
        counted = self._mean(encoder, task, split)
        if counted is not None:
            tokens, tokens_basis = counted, "counted"
        return DatasetSize(rows, tokens, rows_basis, tokens_basis)

    def _mean_over_languages(self, encoder: str, task: str, split: str) -> float | None:
        """Mean tokens a row over the counted languages of a split; None if none is counted."""
        languages = next((ls for t, s, ls in self._needed if (t, s) == (task, split)), [])
        step = max(1, -(-len(languages) // COUNTED_LANGUAGES))
        counts = [self._counted(encoder, task, split, code) for code in languages[::step]]
        known = [count for count in counts if count is not None]
        return sum(known) / len(known) if known else None

    def _counted(self, encoder: str, task: str, split: str, language: str) -> float | None:
        """Mean tokens a row in one language, cached under the digests of what was counted."""
        stamp = self._grid.examples_stamp(ExamplesKey(task, split, language))
        pretrained = self._grid.encoder(encoder).stamp
        if not (stamp.is_file() and pretrained.is_file()):
            return None
        limits = self._limits(task, split)
        cache_file = (
            self._grid.paths.resources / "sizes" / encoder / task / split / f"{language}.json"
        )
        of = {
            "examples": digests.file_sha256(stamp),
            "encoder": digests.file_sha256(pretrained),
            "limits": limits.model_dump(include={"max_length", "doc_stride", "max_query_length"}),
        }
        cached = files.read_json_object(cache_file)
        if cached.get("of") == of and type(cached.get("tokens")) is float:
            return float(cached["tokens"])
        if not self._count:
            return None
        tokens = _count_tokens(self._grid, task, stamp, pretrained.parent, limits)
        files.write_json(cache_file, {"of": of, "tokens": tokens})
        return tokens

    def _limits(self, task: str, split: str) -> Hyperparameters:
        if self._grid.cards.schema(task).is_plain_text:
            return Hyperparameters(max_length=self._grid.study.mlm.max_length)
        if split == "test" and task in self._grid.resolved.targets:
            return self._grid.reads.limits(task)
        return self._grid.reads.hyperparameters(task, "recipe")


def _count_tokens(
    grid: Grid, task: str, stamp: Path, encoder: Path, limits: Hyperparameters, sample: int = 300
) -> float:
    """The mean tokens a row over a sample of rows; all windows and choices of a row count."""
    from xstilts.data import examples
    from xstilts.tasks.base import EncodingContext, load_model

    card = grid.cards.task(task)
    rows = examples.read(stamp.with_suffix(".parquet"))
    some = rows[:: max(1, len(rows) // sample)]
    context = EncodingContext(_tokenizer(encoder), card.label_list, limits)
    features = load_model(card.task_type).encode(some, context)
    return round(sum(map(len, features.sequences)) / len(some), 2)


@cache
def _tokenizer(encoder: Path) -> Tokenizer:
    from xstilts.models.tokenizer import Tokenizer

    return Tokenizer(encoder)
