"""A small study, and the jobs of its plan."""

from __future__ import annotations

from support.stored import put_encoder, put_examples
from xstilts.cost.estimate import estimate
from xstilts.grid.keys import ExamplesKey

SMALL = {
    "conditions": ["none", "nli"],
    "targets": ["xnli"],
    "seeds": [1],
    "training": {"all": {"epochs": 2, "selection": "last"}},
}
TRAINING = "train tiny/nli/seed1/intermediate"
"""It computes the checkpoint of ``none`` after the recipe ``nli`` as well."""
EXAMPLES = ExamplesKey("nli", "train", "en")


def jobs_of(grid, costs, **options):
    """The planned jobs by title."""
    return {job.title: job for job in estimate(grid, costs, **options).jobs}


def put_inputs(grid):
    """Leave the encoder and all examples."""
    put_encoder(grid, "tiny")
    for task, split, languages in grid.reads.needed_examples():
        for language in languages:
            put_examples(grid, ExamplesKey(task, split, language))
