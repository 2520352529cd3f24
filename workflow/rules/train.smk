# The two fine-tunings of STILTs: on the intermediate task, then on the target's recipe.
# Declared is the stamp, written last; weights and resume state lie beside it, undeclared, because
# Snakemake deletes declared outputs before every attempt.


rule train:
    input:
        unpack(
            of_wildcards(
                lambda w: training_inputs(
                    grid, w.encoder, w.condition, int(w.seed), w.stage
                )
            )
        ),
    output:
        stamp=f"{grid.results}/checkpoints/{{encoder}}/{{condition}}/seed{{seed}}/{{stage}}/stamp.json",
    log:
        f"{grid.results}/logs/train/{{encoder}}/{{condition}}/seed{{seed}}/{{stage}}.log",
    wildcard_constraints:
        stage="|".join(["intermediate", *map(re.escape, resolved.recipes())]),
    conda:
        "../../envs/environment.yaml"
    threads: study.compute.threads
    # what a cluster's profile says goes before; without a limit nothing is held to it
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=240,
    params:
        spec=of_wildcards(
            lambda w: grid.training(
                w.encoder, w.condition, int(w.seed), w.stage
            ).digest
        ),
    script:
        "../scripts/train.py"
