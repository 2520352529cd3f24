# One job for each checkpoint and target; its output is the file of all its cells. `update` keeps the
# cells that exist; the script computes the missing and the stale ones, so that a new language costs
# its own cells and nothing else. What is missing in a file that exists is found by xstilts.status.score_states.

for target in resolved.targets:

    rule:
        name:
            f"evaluate_{target}"
        input:
            unpack(
                of_wildcards(
                    lambda w, target=target: evaluation_inputs(
                        workflow, gaps, (w.encoder, w.condition, int(w.seed), target)
                    )
                )
            ),
        output:
            cells=update(
                f"{grid.results}/cells/{{encoder}}/{{condition}}/seed{{seed}}/{target}.jsonl"
            ),
        log:
            f"{grid.results}/logs/evaluate/{{encoder}}/{{condition}}/seed{{seed}}/{target}.log",
        conda:
            "../../envs/environment.yaml"
        threads: study.compute.threads
        # what a cluster's profile says goes before; without a limit nothing is held to it
        resources:
            gpu=1,
            mem_mb=16000,
            runtime=60,
        params:
            spec=of_wildcards(
                lambda w, target=target: grid.evaluation(
                    w.encoder, w.condition, int(w.seed), target
                ).digest
            ),
            target=target,
        script:
            "../scripts/evaluate.py"
