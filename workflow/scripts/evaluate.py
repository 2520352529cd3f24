"""Score one checkpoint on one target in every language whose cell is missing or stale."""

from xstilts.jobs import checked, evaluation_job
from xstilts.workflow import job

with job(snakemake) as grid:
    w = snakemake.wildcards
    key = (w.encoder, w.condition, int(w.seed), snakemake.params.target)
    checked(grid, grid.evaluation(*key), snakemake.params.spec)

    from xstilts import evaluation
    from xstilts.seats import seated

    with seated():
        evaluation.run(evaluation_job(grid, *key))
