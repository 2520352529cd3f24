# From scores to the answer.


rule mark_changes:
    # asked for if the table or the report is of another study or of other scores, but nothing must be
    # computed for it: this mark is newer than both, so Snakemake writes them again
    output:
        touch(f"{RUN}/changed"),
    log:
        f"{RESULTS}/logs/mark_changes.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "The table or the report is out of date"


rule collect_scores:
    input:
        scores=lambda w: needs.table(),
        contamination=lambda w: ancient(needs.contamination()),
    output:
        table=report(
            f"{RESULTS}/grid.parquet",
            caption="../report/table.rst",
            category="Results",
        ),
    log:
        f"{RESULTS}/logs/collect_scores.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_scores.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Collecting all scores into one table"
    script:
        "../scripts/collect_scores.py"


rule write_report:
    input:
        # the mark says that the table is written again; file times say nothing (a copied folder)
        table=ancient(f"{RESULTS}/grid.parquet"),
        changed=lambda w: needs.report(),
    output:
        report=report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Results",
        ),
        gains=report(
            f"{RESULTS}/gains.csv",
            caption="../report/gains.rst",
            category="Results",
        ),
        # each in the report of Snakemake under its encoder, with the caption of its kind
        figures=[
            report(
                str(path),
                caption=f"../report/{path.stem}.rst",
                category="Figures",
                subcategory=path.parent.name,
                labels={"figure": path.stem.replace("_", " ")},
            )
            for path in report_files(run.grid, endings=("svg",))
        ],
        tables=[
            report(
                str(path),
                caption=f"../report/{path.stem}.rst",
                category="Tables",
                subcategory=path.parent.name,
                labels={"table": path.stem.replace("_", " ")},
            )
            for path in report_files(run.grid, endings=("csv",))
        ],
        others=list(map(str, report_files(run.grid, endings=("pdf", "parquet", "tex")))),
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"


rule judge_claims:
    input:
        scores=lambda w: needs.evaluations(),
    output:
        mark=f"{RUN}/judge_claims/study.json",
    log:
        f"{RESULTS}/logs/judge_claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge_claims.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Judging the claims"
    script:
        "../scripts/judge_claims.py"


rule claims:
    # asked for by name: `snakemake claims`
    input:
        lambda w: needs.claims(),


rule write_submission:
    input:
        scores=lambda w: needs.evaluations(),
    output:
        mark=f"{RUN}/write_submission/study.json",
    log:
        f"{RESULTS}/logs/write_submission.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_submission.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Writing the predictions in the layout of XTREME's submissions"
    script:
        "../scripts/write_submission.py"


rule submission:
    # asked for by name: `snakemake submission`
    input:
        lambda w: needs.submission(),


rule pack_archive:
    input:
        lambda w: needs.final(),
    output:
        mark=f"{RUN}/pack_archive/study.json",
    log:
        f"{RESULTS}/logs/pack_archive.log",
    benchmark:
        f"{RESULTS}/benchmarks/pack_archive.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Packing study, scores, predictions, stamps and report into one file for others"
    script:
        "../scripts/pack_archive.py"


rule archive_results:
    # asked for by name: `snakemake archive_results`
    input:
        lambda w: needs.archive(),


rule audit_results:
    # every kind of result is audited, so all are written first
    input:
        lambda w: [*needs.final(), *needs.claims()],
    output:
        mark=f"{RUN}/audit_results/study.json",
    log:
        f"{RESULTS}/logs/audit_results.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_results.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Checking every score back to the raw files"
    script:
        "../scripts/audit_results.py"


rule audit:
    # asked for by name: `snakemake audit`
    input:
        lambda w: needs.audit(),
