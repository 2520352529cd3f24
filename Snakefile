# Does English intermediate-task training help zero-shot transfer, also for low-resource languages?
#
#   raw files -> examples -> encoder -> intermediate checkpoint -> recipe checkpoint
#     -> scores -> grid.parquet -> report.html
#
# The study (config/config.yaml, or --configfile) names the grid; src/xstilts/grid/ lays it out.
#
# Rules do not declare checkpoints, examples and scores as outputs, because Snakemake deletes a rule's
# outputs before and after failed jobs. A rule's output is a mark in the folder of this run. Which jobs
# must run is decided by src/xstilts/status/states.py, whatever is left of Snakemake's own records.
import re
from pathlib import Path

from snakemake.utils import min_version

from xstilts.analysis.report.files import report_files
from xstilts.data import download_report
from xstilts.workflow.inputs import RuleInputs
from xstilts.workflow.run import open_run
from xstilts.workflow.slurm import stop_timers
from xstilts.workflow.study_config import needs_default
from xstilts.workflow.summary import show_claims, summary

min_version("9.27")

HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=False))


report: "workflow/report/workflow.rst"


# a study that the user names stands alone: nothing of the default one may leak into it
if needs_default(workflow, config):

    configfile: HOME / "config/config.yaml"


run = open_run(workflow, config, HOME)
needs = RuleInputs(run)
study = run.grid.study
RUN, RESULTS = run.folder, run.grid.paths.results


wildcard_constraints:
    encoder="|".join(map(re.escape, study.encoders)),
    condition="|".join(map(re.escape, study.conditions)),
    seed="|".join(map(str, study.all_seeds())),
    target="|".join(map(re.escape, study.targets)),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/analyse.smk"


files_before = download_report.count(run.grid.paths.resources)


rule all:
    default_target: True
    input:
        lambda w: needs.final(),


onsuccess:
    stop_timers()
    print(summary(run.grid, files_before))
    show_claims(run)


onerror:
    stop_timers()
