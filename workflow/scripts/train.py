"""Fine-tune an encoder on an intermediate task or a recipe, unless the shared store has it."""

from xstilts.store.run import give_one, take_one
from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked, refuse_overlaps, training_job

with job(snakemake) as grid:
    w = snakemake.wildcards
    key = (w.encoder, w.condition, int(w.seed), w.stage)
    checked(grid, grid.training(*key), snakemake.params.spec)
    refuse_overlaps(grid)
    if not take_one(grid, key):
        from xstilts.runtime.gpu_slots import gpu_slot
        from xstilts.training import train

        with gpu_slot():
            train.run(training_job(grid, *key))
        give_one(grid, key)
