# One job for each checkpoint and target. `update` keeps the cells that exist; the script computes
# the missing and the stale ones, so that a new language costs its own cells and nothing else.

for target in resolved.targets:

    rule:
        name:
            f"evaluate_{target}"
        input:
            encoder=lambda w: grid.encoder_stamp(w.encoder),
            checkpoint=lambda w, target=target: grid.evaluated(
                w.encoder, w.condition, int(w.seed), target
            ),
            examples=grid.evaluation_examples(target),
        output:
            cells=update(
                [
                    f"{grid.results}/cells/{{encoder}}/{{condition}}/seed{{seed}}/{target}/{code}.json"
                    for code in resolved.languages[target]
                ]
            ),
        log:
            f"{grid.results}/logs/evaluate/{{encoder}}/{{condition}}/seed{{seed}}/{target}.log",
        conda:
            "../../envs/environment.yaml"
        threads: study.compute.threads
        params:
            spec=lambda w, target=target: grid.evaluation(
                w.encoder, w.condition, int(w.seed), target
            ).digest,
            target=target,
        script:
            "../scripts/evaluate.py"
