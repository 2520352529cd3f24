"""The schema of a task type: its columns, checks and guesses, without a model.

The class is here, low in the order of imports, because cards, examples and costs ask it. The types
are folders of `xstilts.tasks`; a caller that reads cards or examples passes their schemas on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

Row = Mapping[str, Any]
"""One example, with the columns of its task type."""


class TaskSchema(ABC):
    """The properties of one type of task. Attributes have the defaults that most types share."""

    name: str
    """What cards call the type; also the name of its folder in `xstilts.tasks`."""
    gold: str | None = None
    """The column of the right answer; None: nothing is scored."""
    scorers: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """The metrics that each official scoring gives."""
    texts: ClassVar[tuple[str, ...]] = ()
    """The columns that hold what a model reads: each a text, or a list of texts."""
    needs_labels = False
    """Whether a card must list the labels, or say that the examples tell them."""
    is_classification = False
    """Whether answers are classes: a model that always gives the same one is suspect."""
    trained_by_recipe = True
    """Whether a target of this type reads the head that its recipe trained. If not, it reads the
    hidden states of any checkpoint, and has labels and lengths of its own."""
    is_plain_text = False
    """Whether examples are text for masked language modelling: no task to fine-tune on."""
    rows_per_question = 1
    """Examples that one question stands for where an evaluation reads only some questions."""
    guessed_tokens: int
    """Tokens of an example where none was counted: a guess."""
    prediction_bytes = 30
    """Bytes of one prediction, compressed: a guess."""
    transformers_class: str | None = None
    """The class of transformers, without the name of its architecture, that computes what a head
    of this type does; None: there is none (see `xstilts.models.export.CLASSES`)."""

    @abstractmethod
    def columns(self) -> pa.Schema:
        """The columns of the examples. It imports pyarrow, which planning does not need."""

    @abstractmethod
    def comparable_text(self, row: Row) -> str:
        """The text by which an example is compared, to find test items in training data."""

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """What is wrong with an example, by itself; ``labels`` are the card's."""
        return iter(())

    def faults_of_all(self, rows: Sequence[Row]) -> Iterator[str]:
        """What is wrong with examples of one split and language, taken together."""
        return iter(())

    def label_faults(self, labels: Sequence[str], scorer: str) -> Iterator[str]:
        """Why a scorer cannot tell these labels apart, a line for each fault."""
        return iter(())

    def gold_faults(self, rows: Iterable[Row], scorer: str) -> Iterator[str]:
        """What keeps test examples from being scored: accuracy would count them as errors."""
        for row in rows:
            if self.gold is not None and self.is_question(row) and row[self.gold] in (None, []):
                yield (
                    f"example {row['id']!r}: has no gold answer to score: "
                    "give a source with answers, or leave such examples out"
                )

    def labels_of(self, row: Row) -> Sequence[str | int]:
        """The labels that an example bears: none where they are hidden or the type has none."""
        return ()

    def is_labelled(self, row: Row) -> bool:
        """Whether an example can be trained on and scored."""
        return self.gold is None or row[self.gold] is not None

    def is_question(self, row: Row) -> bool:
        """Whether an example asks something. Retrieval's candidates do not."""
        return True

    def named_by(self, row: Row) -> Sequence[str]:
        """The ids of the examples that a question is about. A query names its candidates."""
        return ()

    def with_prefix(self, row: Row, prefix: str) -> dict[str, Any]:
        """The same example with a prefix before its id, and before the ids that it names."""
        return {**row, "id": f"{prefix}{row['id']}"}

    def identity(self, row: Row) -> tuple[str, ...]:
        """What must be unique among the examples of one split and language."""
        return (row["id"],)
