"""Score one checkpoint on one target in every language whose score is missing or stale."""

from xstilts.grid.keys import EvaluationKey
from xstilts.workflow.job import job
from xstilts.workflow.jobs import evaluation_job, verified

with job(snakemake) as this:
    w = snakemake.wildcards
    key = EvaluationKey(w.encoder, w.condition, int(w.seed), w.target)
    verified(this.grid, this.grid.evaluation(key))

    from xstilts.evaluation import evaluate
    from xstilts.runtime.gpu_slots import gpu_slot

    with gpu_slot():
        evaluate.run(evaluation_job(this.grid, key, this.redo_before))
