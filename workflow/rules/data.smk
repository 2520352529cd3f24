# What every study shares: encoders and examples, kept under resources/.
# These rules are the only ones that may use the network; on a cluster they run where snakemake runs.


rule encoder:
    input:
        lambda w: grid.encoder_sources(w.encoder),
    output:
        stamp=f"{grid.resources}/encoders/{{encoder}}/stamp.json",
    log:
        f"{grid.resources}/logs/encoder/{{encoder}}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        spec=lambda w: grid.encoder(w.encoder).digest,
    script:
        "../scripts/fetch_encoder.py"


for task, split, languages in grid.needed_examples():

    # one rule for each task and split: all languages in one job, and only the missing ones
    rule:
        name:
            f"examples_{task}_{split}"
        output:
            stamps=update(
                [str(grid.examples_stamp(task, split, code)) for code in languages]
            ),
        log:
            f"{grid.resources}/logs/examples/{task}.{split}.log",
        localrule: True
        conda:
            "../../envs/environment.yaml"
        params:
            spec=grid.examples(task, split).digest,
            task=task,
            split=split,
        script:
            "../scripts/prepare_examples.py"


rule overlaps:
    # as soon as the examples are there. Trainings do not wait for it, nor for a test set that cannot be
    # had: its outcome decides nothing of theirs, and a language that is added would make all of them
    # anew (behind an ancient() input Snakemake 9.27 overlooks changed params). Once it has refused the
    # data none begins (scripts/train.py). The table waits for it.
    input:
        [
            grid.examples_stamp(*of)
            for split in ("train", "test")
            for of in grid.examples_of(split)
        ],
    output:
        stamp=grid.overlaps().stamp,
    log:
        f"{grid.results}/logs/overlaps.log",
    priority: 100
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        spec=grid.overlaps().digest,
    script:
        "../scripts/find_overlaps.py"


rule download:
    # everything that a study needs from outside; with it present, no other rule uses the network
    input:
        grid.overlaps().stamp,
        [grid.encoder_stamp(encoder) for encoder in study.encoders],
        [
            grid.examples_stamp(task, split, code)
            for task, split, languages in grid.needed_examples()
            for code in languages
        ],
