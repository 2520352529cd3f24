# One job for each checkpoint and target. It computes the missing and stale scores among the target's
# languages; those that exist keep their bytes, so that a new language costs its own scores only.


rule evaluate:
    input:
        unpack(lambda w: needs.of_evaluation(w.encoder, w.condition, w.seed, w.target)),
    output:
        mark=f"{RUN}/evaluate/{{encoder}}/{{condition}}/seed{{seed}}/{{target}}.json",
    log:
        f"{RESULTS}/logs/evaluate/{{encoder}}/{{condition}}/seed{{seed}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{encoder}}/{{condition}}/seed{{seed}}/{{target}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: study.compute.threads
    # a cluster's profile overrides these; without a limit they hold nothing back
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=60,
    message:
        "Scoring {wildcards.encoder}, {wildcards.condition}, seed {wildcards.seed} on {wildcards.target}"
    script:
        "../scripts/evaluate.py"
