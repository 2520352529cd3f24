# From cells to the answer.


rule table:
    input:
        cells=[
            grid.cell(c.encoder, c.condition, c.seed, c.target, c.language)
            for c in resolved.cells()
        ],
    output:
        table=grid.table().stamp,
    params:
        spec=grid.table().digest,
    log:
        f"{grid.results}/logs/table.log",
    localrule: True
    script:
        "../scripts/make_table.py"


rule report:
    input:
        table=grid.table().stamp,
    output:
        report=grid.report().stamp,
    params:
        spec=grid.report().digest,
    log:
        f"{grid.results}/logs/report.log",
    localrule: True
    script:
        "../scripts/make_report.py"
