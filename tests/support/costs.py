"""A small study, and the jobs of its plan."""

from __future__ import annotations

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
