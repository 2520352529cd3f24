"""Fine-tune an encoder on an intermediate task or a recipe."""

from xstilts.jobs import checked, training_job
from xstilts.workflow import job

with job(snakemake) as grid:
    w = snakemake.wildcards
    key = (w.encoder, w.condition, int(w.seed), w.stage)
    checked(grid, grid.training(*key), snakemake.params.spec)

    from xstilts import training

    training.run(training_job(grid, *key))
