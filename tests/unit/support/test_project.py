"""What the workflow tests read from Snakemake's output; the outputs below are Snakemake 9.27's."""

from __future__ import annotations

import pytest

from support.project import planned_jobs

BEGIN = """\
Assuming unrestricted shared filesystem usage.
host: vm
Building DAG of jobs...
"""
STATS = """\
Job stats:
job                      count
---------------------  -------
all                          1
evaluate_cldr_region         2
table                        1
total                        4

"""
REASONS = """\
Reasons:
    (check individual jobs above for details)
    output files have to be generated:
        table
This was a dry-run (flag -n). The order of jobs does not reflect the order of execution.
"""
NOTHING = "Nothing to be done (all requested files are present and up to date).\n"


@pytest.mark.parametrize("output", [BEGIN + STATS + STATS + REASONS, STATS], ids=["whole", "bare"])
def test_jobs_are_counted_by_rule(output):
    assert planned_jobs(output) == {"evaluate_cldr_region": 2, "table": 1}


def test_nothing_to_be_done_is_no_job():
    assert planned_jobs(BEGIN + NOTHING) == {}


@pytest.mark.parametrize(
    "output",
    [
        "",
        BEGIN,
        BEGIN + STATS.partition("total")[0],
        BEGIN + "Job stats:\n",
        "Error: no such rule\n",
    ],
    ids=["empty", "cut off before the table", "cut off in the table", "no table", "an error"],
)
def test_output_without_a_plan_is_refused(output):
    with pytest.raises(AssertionError, match="this is no plan of a dry run"):
        planned_jobs(output)


def test_a_table_that_does_not_add_up_is_refused():
    with pytest.raises(AssertionError, match="do not add up"):
        planned_jobs(
            STATS.replace("table                        1", "table                        9")
        )
