# What every study shares: encoders and examples, kept under resources/.
# These rules are the only ones that may use the network; on a cluster they run where snakemake runs.


rule fetch_encoder:
    output:
        mark=f"{RUN}/fetch_encoder/{{encoder}}.json",
    log:
        f"{RESULTS}/logs/fetch_encoder/{{encoder}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_encoder/{{encoder}}.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Fetching encoder {wildcards.encoder}"
    script:
        "../scripts/fetch_encoder.py"


rule prepare_examples:
    # all languages of a task and split that the study reads, and of these only the missing ones
    output:
        mark=f"{RUN}/prepare_examples/{{task}}/{{split}}.json",
    log:
        f"{RESULTS}/logs/prepare_examples/{{task}}/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_examples/{{task}}/{{split}}.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Preparing the {wildcards.split} examples of {wildcards.task}"
    script:
        "../scripts/prepare_examples.py"


rule check_contamination:
    # Trainings do not depend on this rule: otherwise adding a language would delay or stop all of them.
    # train.py refuses to start once this check has refused the study's data; the table depends on it.
    input:
        lambda w: needs.all_examples("train", "test"),
    output:
        mark=f"{RUN}/check_contamination/study.json",
    log:
        f"{RESULTS}/logs/check_contamination.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_contamination.tsv"
    priority: 100
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Searching the training data for test items"
    script:
        "../scripts/check_contamination.py"


rule download:
    # everything that a study needs from outside; once it is complete, no other rule uses the network
    input:
        lambda w: needs.downloads(),
