"""What the search for test items in the training data of a study reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.contamination import Part, Target
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import ExamplesKey


def searched(grid: Grid) -> tuple[list[Part], list[Target]]:
    """The training examples of a study, and the test examples that must not be among them."""
    from xstilts.data.contamination import Part, Target

    def known(key: ExamplesKey) -> tuple[str, TaskSchema, str, Path]:
        return key.task, grid.cards.schema(key.task), key.language, grid.examples_stamp(key)

    training = [Part(*known(key)) for key in grid.reads.examples_of_split("train")]
    targets = [
        Target(
            *known(key),
            own=frozenset(grid.resolved.benchmark_tasks(key.task)),
            apart=frozenset(grid.study.tasks_apart_from(key.task)),
        )
        for key in grid.reads.examples_of_split("test")
    ]
    return training, targets
