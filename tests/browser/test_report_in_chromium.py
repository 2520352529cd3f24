"""The report in Chromium: it loads nothing, fits every width, sorts, filters, and prints whole."""

from __future__ import annotations

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser
TABLE = "table-xlm-r-base-overview"
SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", ["finished", "half_finished"])
def test_the_page_does_not_scroll_sideways(open_page, request, name, width):
    """Wide tables and figures scroll by themselves."""
    content, window = open_page(request.getfixturevalue(name), width).widths
    assert content == window


def test_axe_finds_nothing_serious(open_page, finished):
    """With all folded parts open."""
    opened = open_page(finished)
    opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    found = Axe().run(opened.page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in SERIOUS] == []


def test_a_head_sorts_its_table(open_page, finished):
    """By value, up and then down; `aria-sort` says which."""
    opened = open_page(finished, anchor=TABLE)
    head = opened.page.locator(f"#{TABLE} thead th").nth(2)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = [float(text.replace("−", "-")) for text in opened.column(TABLE, 2)]
    assert up == sorted(up)
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    down = [float(text.replace("−", "-")) for text in opened.column(TABLE, 2)]
    assert down == sorted(up, reverse=True)


def test_a_filter_leaves_the_rows_with_all_its_words(open_page, finished):
    """And says how many are left."""
    opened = open_page(finished, anchor="cells.xlm-r-base.tydiqa")
    block = opened.page.locator("details.cells").filter(has_text="tydiqa")
    block.get_by_role("searchbox").fill("swahili mnli")
    rows = block.locator("tbody tr:visible")
    assert rows.count() == 1
    assert "Swahili (sw)" in rows.first.inner_text()
    assert re.match(r"1 of \d+ rows\.", opened.page.locator("#live").inner_text())


def test_a_link_opens_the_folded_part_that_it_leads_to(open_page, finished):
    """From a number of the answer to its row, to its scores, to their files."""
    opened = open_page(finished)
    opened.page.locator("#answer a[href^='#overview.']").first.click()
    row = opened.page.locator("tr:target")
    assert row.is_visible()
    opened.page.goto(finished.as_uri() + "#cell.xlm-r-base.tydiqa.mnli.sw")
    row = opened.page.locator("tr:target")
    assert row.is_visible()
    row.get_by_role("link").first.click()
    assert (
        "scores/xlm-r-base/mnli/seed<k>/tydiqa.jsonl"
        in opened.page.locator("tr:target").inner_text()
    )


def test_everything_is_readable_without_the_script(open_page, finished):
    """Folded parts open by themselves; rows are there."""
    opened = open_page(finished, script=False)
    opened.page.locator("details.cells summary").first.click()
    assert opened.page.locator("details.cells tbody tr").first.is_visible()


def test_the_skip_link_comes_first(open_page, finished):
    """For keyboards."""
    opened = open_page(finished)
    opened.page.keyboard.press("Tab")
    assert opened.page.locator(":focus").inner_text() == "Skip to the answer"
    assert opened.page.get_by_role("main").count() == 1


def test_printed_it_takes_at_most_ten_pages(open_page, finished, tmp_path):
    """On A4; nothing is wider than the paper."""
    opened = open_page(finished, width=703)  # A4 without its margins, in CSS pixels
    printed = opened.page.pdf(prefer_css_page_size=True, path=tmp_path / "report.pdf")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 10
    opened.page.emulate_media(media="print")
    content, window = opened.widths
    assert content <= window


def test_a_half_finished_study_says_what_is_missing(open_page, half_finished):
    """In the answer, before any figure."""
    banner = open_page(half_finished).page.locator("#missing")
    assert "Half-finished." in banner.inner_text()
    banner.locator("summary").click()
    assert "xlm-r-base, squad, seed 2, xcopa: 11 languages" in banner.inner_text()


def test_ninety_thousand_scores_open_in_seconds(open_page, large):
    """A page of less than 5 MB, whose rows are built when a reader opens them.

    The bound is twice the three seconds that it may take, because other programs may run here.
    """
    assert large.stat().st_size < 5_000_000
    start = time.monotonic()
    opened = open_page(large, width=390)
    assert time.monotonic() - start < 6
    content, window = opened.widths
    assert content == window
    block = opened.page.locator("details.cells").first
    assert block.locator("tbody tr").count() == 0
    block.locator("summary").click()
    assert block.locator("tbody tr").count() == 12 * 50
    opened.page.goto(large.as_uri() + "#cell.encoder_b.task03.task01.bzd")
    row = opened.page.locator("tr:target")
    assert row.locator("td").nth(5).inner_text().count(".") == 5  # a score of every seed
