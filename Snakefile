# Does English intermediate-task training help zero-shot transfer, also for low-resource languages?
#
#   raw files -> examples -> encoder -> intermediate checkpoint -> recipe checkpoint
#     -> cells -> grid.parquet -> report.html
#
# The study (config/config.yaml, or --configfile) says which grid; src/xstilts/grid/ lays it out.
import re
from pathlib import Path

from snakemake.utils import min_version

from xstilts.data import download_report
from xstilts.workflow.slurm import stop_timers
from xstilts.workflow.dag import of_wildcards
from xstilts.status.score_states import Gaps
from xstilts.workflow.study import answer, begin, open_workflow_grid
from xstilts.workflow.inputs import evaluation_inputs, missing_behind_the_table, training_inputs

min_version("9.27")


# a study given with --configfile is taken alone: nothing of the default one may leak into it
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


grid = open_workflow_grid(workflow, config)
study, resolved, gaps = grid.study, grid.resolved, Gaps(grid)


cells = [grid.cells(*evaluation) for evaluation in grid.evaluations()]


wildcard_constraints:
    encoder="|".join(study.encoders),
    condition="|".join(map(re.escape, study.conditions)),
    seed=r"\d+",


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/analyse.smk"


files_before = download_report.count(grid.resources)


onstart:
    begin(grid, Path(workflow.basedir) / "config" / "costs")


rule all:
    default_target: True
    input:
        grid.report().stamp,
        missing_behind_the_table(grid),


onsuccess:
    stop_timers()
    print(answer(grid, files_before))


onerror:
    stop_timers()
