# The two fine-tunings of STILTs: on the intermediate task, then on the target's recipe.


rule train:
    input:
        unpack(lambda w: needs.of_training(w.encoder, w.condition, w.seed, w.stage)),
    output:
        mark=f"{RUN}/train/{{encoder}}/{{condition}}/seed{{seed}}/{{stage}}.json",
    log:
        f"{RESULTS}/logs/train/{{encoder}}/{{condition}}/seed{{seed}}/{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{encoder}}/{{condition}}/seed{{seed}}/{{stage}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: study.compute.threads
    # a cluster's profile overrides these; without a limit they hold nothing back
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=240,
    message:
        "Fine-tuning {wildcards.encoder}, {wildcards.condition}, seed {wildcards.seed}: {wildcards.stage}"
    script:
        "../scripts/train.py"
