# From cells to the answer.


rule table:
    input:
        cells=[
            grid.cell(c.encoder, c.condition, c.seed, c.target, c.language)
            for c in resolved.cells()
        ],
    output:
        table=grid.table().stamp,
    log:
        f"{grid.results}/logs/table.log",
    localrule: True
    params:
        spec=grid.table().digest,
    conda:
        "../../envs/environment.yaml"
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
    params:
        spec=grid.report().digest,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/make_report.py"
