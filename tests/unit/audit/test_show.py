"""The audit as a summary, as JSON and as a page."""

from __future__ import annotations

import io

from rich.console import Console

from xstilts.audit import show
from xstilts.audit.verdict import AuditReport, ScoreVerdict, Verdict, altered, unverifiable
from xstilts.config.resolve import ScoreKey

LOST, FORGED = unverifiable("a/stamp.json", "is missing"), altered("<b>", "says 'more'")
REPORT = AuditReport(
    "small",
    "f" * 64,
    [
        ScoreVerdict(ScoreKey("tiny", "none", 1, "xnli", "en"), ()),
        ScoreVerdict(ScoreKey("tiny", "none", 1, "xnli", "sw"), (LOST,)),
        ScoreVerdict(ScoreKey("tiny", "nli", 1, "xnli", "sw"), (LOST, FORGED)),
    ],
    [altered("report.html: line 3", "says 'x', the scores give 'y'")],
    ["Weights were not hashed."],
)


def test_the_verdict_on_a_score_is_its_worst_finding():
    """And the verdict on the folder is the worst of all."""
    assert [score.verdict for score in REPORT.scores] == list(Verdict)
    assert REPORT.verdict == Verdict.ALTERED
    assert REPORT.counts == dict.fromkeys(Verdict, 1)


def test_a_finding_is_listed_once_with_the_scores_that_it_touches():
    """What was altered comes first."""
    assert list(REPORT.findings.items()) == [(FORGED, 1), (REPORT.results[0], 0), (LOST, 2)]


def test_the_summary_names_everything():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(show.render(REPORT))
    text = console.export_text()
    assert "1 of 3 scores verified, 1 unverifiable, 1 altered" in text
    assert "hash of the grid: ffff" in text
    assert "unverifiable (2 scores): a/stamp.json: is missing" in text
    assert "Weights were not hashed." in text


def test_json_has_every_score_and_refers_to_findings():
    found = show.as_json(REPORT)
    assert found["counts"] == {"verified": 1, "unverifiable": 1, "altered": 1}
    last = found["scores"][-1]
    assert (last["language"], last["verdict"]) == ("sw", "altered")
    places = [found["findings"][number]["place"] for number in last["findings"]]
    assert places == ["a/stamp.json", "<b>"]


def test_the_page_escapes_what_files_may_hold():
    """Names come from strangers."""
    page = show.as_html(REPORT)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "ffff" in page


def test_a_long_page_lists_only_scores_that_are_not_verified():
    """90,000 rows help nobody; JSON has them."""
    many = AuditReport("small", "f" * 64, [REPORT.scores[0]] * 2500 + [REPORT.scores[1]], [])
    page = show.as_html(many)
    assert "Only scores that are not verified are listed, 1 of them" in page
