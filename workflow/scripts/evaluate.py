"""Score one checkpoint on one target in every language whose cell is missing or stale."""

from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked, evaluation_job

with job(snakemake) as grid:
    w = snakemake.wildcards
    key = (w.encoder, w.condition, int(w.seed), snakemake.params.target)
    checked(grid, grid.evaluation(*key), snakemake.params.spec)

    from xstilts.evaluation import evaluate
    from xstilts.runtime.gpu_slots import gpu_slot

    with gpu_slot():
        evaluate.run(evaluation_job(grid, *key))
