"""Downloads by URL from a real local server: truncation, continuation, refusals, redirects."""

from __future__ import annotations

import pytest

from support.disk import full_disk
from support.website import CONTENT, site
from xstilts.data.http import download
from xstilts.errors import SourceUnavailable

__all__ = ["site"]


@pytest.fixture
def part(tmp_path):
    return tmp_path / "folder" / "data.part"


def get(site, part, name="data.txt", *, resumable=False, progress=None):
    download(f"{site.url}/{name}", part, resumable=resumable, progress=progress)
    return part.read_bytes()


def test_a_download_reports_its_progress(site, part):
    """Bytes so far, and bytes in all."""
    seen = []
    get(site, part, progress=lambda *report: seen.append(report))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_truncated_download_continues_where_it_broke_off(site, part):
    site.cut = [70_000]
    assert get(site, part) == CONTENT
    assert site.asked == [("/data.txt", None), ("/data.txt", "bytes=70000-")]


def test_a_server_without_ranges_is_asked_for_everything_again(site, part):
    """A 200 to a Range request holds the file from its beginning."""
    site.cut, site.ranges = [70_000], False
    assert get(site, part) == CONTENT


def test_a_download_that_stays_truncated_keeps_its_part(site, part):
    site.cut = [10, 10, 10]
    with pytest.raises(SourceUnavailable, match=r"truncated: 30 of 110000 bytes, after 3 tries"):
        get(site, part)
    assert part.read_bytes() == CONTENT[:30]


def test_the_part_of_an_earlier_process_is_continued_on_demand(site, part):
    part.parent.mkdir()
    part.write_bytes(CONTENT[:30])
    assert get(site, part, resumable=True) == CONTENT
    assert site.asked == [("/data.txt", "bytes=30-")]


def test_a_part_of_unknown_origin_is_not_continued(site, part):
    part.parent.mkdir()
    part.write_bytes(b"something else")
    assert get(site, part) == CONTENT
    assert site.asked == [("/data.txt", None)]


def test_a_part_longer_than_the_file_is_started_again(site, part):
    """The server answers 416."""
    part.parent.mkdir()
    part.write_bytes(CONTENT * 2)
    assert get(site, part, resumable=True) == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, part, status):
    site.status = [status, status]
    assert get(site, part) == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_not_tried_again(site, part, status):
    site.status = [status]
    with pytest.raises(SourceUnavailable, match=f"data.txt: HTTP {status}$"):
        get(site, part)
    assert len(site.asked) == 1


@pytest.mark.parametrize("place", ["/cdn/blob", "{url}/cdn/blob"])
def test_a_redirect_is_followed_and_what_broke_off_there_continues_there(site, part, place):
    """A relative address and an absolute one, as content delivery networks give."""
    site.files["cdn/blob"] = CONTENT
    site.redirects["data.txt"] = place.format(url=site.url)
    site.cut = [500]
    assert get(site, part) == CONTENT
    assert site.asked[-1] == ("/cdn/blob", "bytes=500-")


def test_a_server_that_cannot_be_reached_is_named_with_the_kind_of_failure(site, part):
    with pytest.raises(
        SourceUnavailable, match=r"^http://127\.0\.0\.1:9/a: ConnectionError, after 3 tries"
    ):
        download("http://127.0.0.1:9/a", part, resumable=False, progress=None)


def test_a_full_disk_is_an_error_of_the_system_and_not_of_the_server(site, part):
    """No other source could be written either."""
    with full_disk(10_000), pytest.raises(OSError, match="File too large"):
        get(site, part)
    assert len(site.asked) == 1
