# From cells to the answer.


rule table:
    input:
        cells=cells,
        overlaps=grid.overlaps().stamp,
    output:
        table=grid.table().stamp,
    log:
        f"{grid.results}/logs/table.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        spec=lambda w: grid.table().digest,
    script:
        "../scripts/make_table.py"


rule report:
    input:
        table=grid.table().stamp,
    output:
        report=grid.report().stamp,
    log:
        f"{grid.results}/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        spec=lambda w: grid.report().digest,
    script:
        "../scripts/make_report.py"


rule submission:
    # asked for by name: `snakemake submission`
    input:
        cells=cells,
    output:
        stamp=grid.submission().stamp,
    log:
        f"{grid.results}/logs/submission.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        spec=lambda w: grid.submission().digest,
    script:
        "../scripts/make_submission.py"
