"""The audit of a study at the end of its run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xstilts.audit import show
from xstilts.audit.audit import audit
from xstilts.audit.verdict import Verdict
from xstilts.errors import LineageError
from xstilts.provenance.files import write_text

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid


def write_audit(grid: Grid) -> str:
    """Audit a study, and write ``audit.json`` and ``audit.html``; give a line about it.

    Raises `LineageError` if something was altered, once both files are written. What cannot be
    verified is no error: a study may keep scores of another version of the code.
    """
    results = grid.paths.results
    report = audit(results, resources=grid.paths.resources)
    content = json.dumps(show.as_json(report), ensure_ascii=False)
    write_text(results / "audit.json", f"{content}\n")
    write_text(results / "audit.html", show.as_html(report))
    counts = report.counts
    line = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in Verdict)
    if report.verdict == Verdict.ALTERED:
        first = next(iter(report.findings))
        raise LineageError(f"{results}/audit.html: {line}; {first.place}: {first.problem}")
    return f"{report.study}: {line}; the results are {report.verdict}"
