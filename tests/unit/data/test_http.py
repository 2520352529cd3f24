"""Downloads by URL from a real local server: truncation, continuation, refusals, redirects."""

from __future__ import annotations

import hashlib
import time
from email.utils import formatdate

import pytest

from support.disk import full_disk
from support.website import CONTENT, site
from xstilts.data import http
from xstilts.data.http import download
from xstilts.errors import SourceUnavailable

__all__ = ["site"]

VERSION = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture
def part(tmp_path):
    return tmp_path / "folder" / "data.part"


def get(site, part, name="data.txt", *, resumable=False, progress=None):
    how = {"max_bytes": 10**6, "resumable": resumable, "progress": progress}
    download(f"{site.url}/{name}", part, **how)
    return part.read_bytes()


def broken_off(part, content=CONTENT[:30], version=VERSION):
    """A part that an earlier process left, of a version of the file."""
    part.parent.mkdir()
    part.write_bytes(content)
    part.with_name(f"{part.name}.version").write_text(version)


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
    broken_off(part)
    assert get(site, part, resumable=True) == CONTENT
    assert site.asked == [("/data.txt", "bytes=30-")]
    assert [path.name for path in part.parent.iterdir()] == [part.name]


def test_the_part_of_another_version_of_the_file_is_not_continued(site, part):
    """Half of each would be neither."""
    broken_off(part, b"x" * 30, '"an earlier version"')
    assert get(site, part, resumable=True) == CONTENT


def test_a_part_whose_version_is_unknown_is_not_continued(site, part):
    site.tags, site.cut = False, [70_000]
    assert get(site, part) == CONTENT
    assert site.asked == [("/data.txt", None), ("/data.txt", None)]


def test_a_continuation_that_begins_elsewhere_is_not_appended(site, part):
    """A 206 whose Content-Range does not begin where the part ends."""
    site.cut, site.starts_wrongly = [70_000], 10
    assert get(site, part) == CONTENT
    assert site.asked[-1] == ("/data.txt", None)


def test_a_body_without_an_end_is_stopped(site, part):
    site.files["data.txt"] = bytes(2_000_000)
    with pytest.raises(SourceUnavailable, match=r"more than 1,000,000 bytes; .* max_bytes"):
        get(site, part)


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(site, part, monkeypatch):
    """It would keep the job for days."""
    site.files["data.txt"] = bytes(900_000)
    monkeypatch.setattr(http, "SLOW_START", -1.0)
    monkeypatch.setattr(http, "SLOWEST", 10**12)
    with pytest.raises(SourceUnavailable, match=r"slower than .* bytes a second, after 3 tries"):
        get(site, part)


def test_a_server_that_says_when_to_come_back_is_asked_then(site, part, monkeypatch):
    """Retry-After, as a number of seconds or as a date, within bounds."""
    waited = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    site.status, site.headers = [429, 503], {"Retry-After": "7"}
    assert get(site, part) == CONTENT
    assert waited == [7.0, 7.0]
    later = formatdate(time.time() + 100, usegmt=True)
    assert 90 < http.retry_after({"Retry-After": later}) <= 100
    assert http.retry_after({"Retry-After": "100000"}) == http.LONGEST_WAIT
    assert [http.retry_after({"Retry-After": x}) for x in ("", "soon", "-1")] == [0.0, 0.0, 0.0]


def test_a_part_of_unknown_origin_is_not_continued(site, part):
    part.parent.mkdir()
    part.write_bytes(b"something else")
    assert get(site, part) == CONTENT
    assert site.asked == [("/data.txt", None)]


def test_a_part_longer_than_the_file_is_started_again(site, part):
    """The server answers 416."""
    broken_off(part, CONTENT * 2)
    assert get(site, part, resumable=True) == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, part, status):
    site.status = [status, status]
    assert get(site, part) == CONTENT


@pytest.mark.parametrize(
    ("status", "advice"), [(401, ": the address asks for a login"), (403, ": "), (404, "$")]
)
def test_a_refusal_is_not_tried_again(site, part, status, advice):
    site.status = [status]
    with pytest.raises(SourceUnavailable, match=f"data.txt: HTTP {status}{advice}"):
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
        download("http://127.0.0.1:9/a", part, max_bytes=9, resumable=False, progress=None)


def test_a_full_disk_is_an_error_of_the_system_and_not_of_the_server(site, part):
    """No other source could be written either."""
    with full_disk(10_000), pytest.raises(OSError, match="File too large"):
        get(site, part)
    assert len(site.asked) == 1
