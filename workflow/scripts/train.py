"""Fine-tune an encoder on an intermediate task or a recipe, unless the checkpoint exists."""

from xstilts.grid.keys import TrainingKey
from xstilts.workflow.job import job
from xstilts.workflow.jobs import (
    link_checkpoint,
    refuse_contaminated,
    training_job,
    verified,
)

with job(snakemake) as this:
    w = snakemake.wildcards
    key = TrainingKey(w.encoder, w.condition, int(w.seed), w.stage)
    verified(this.grid, this.grid.training(key))
    refuse_contaminated(this.grid)
    link_checkpoint(this.grid, key)

    from xstilts.runtime.gpu_slots import gpu_slot
    from xstilts.training import train

    with gpu_slot():
        train.run(training_job(this.grid, key, this.redo_before))
