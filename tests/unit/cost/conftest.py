"""A folder of costs and a small grid."""

from __future__ import annotations

import pytest

from support.costs import SMALL
from support.stored import grid_in


@pytest.fixture
def costs(tmp_path):
    """A folder of costs: one task is measured, one encoder is known."""
    folder = tmp_path / "costs"
    folder.mkdir()
    (folder / "tasks.tsv").write_text(
        "# how\ntask\tsplit\trows\ttokens\trows_basis\ttokens_basis\n"
        "nli\ttrain\t1000\t40.0\tdeclared\tmeasured\nxnli\ttest\t500\t50.0\tmeasured\tmeasured\n"
    )
    (folder / "encoders.tsv").write_text(
        "encoder\tlayers\thidden\tbody\tvocabulary\ntiny\t12\t768\t100\t250002\n"
    )
    (folder / "devices.tsv").write_text("device\tpeak\tshare\nbox\t60\t0.5\na100\t312\t0.5\n")
    return folder


@pytest.fixture
def grid(world, tmp_path):
    return grid_in(world, tmp_path, **SMALL)
