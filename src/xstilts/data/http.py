"""Downloads by URL, which continue where they broke off, and the policy of all retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenacity import Retrying

    Progress = Callable[[int, int | None], None]
    """Called with the bytes downloaded so far and the size of the file, if known."""

RETRIES = 5
RETRY_WAIT = 1.0
"""Seconds before the first retry of a download; doubled for each further one."""
TIMEOUT = (10, 60)
"""Seconds to connect, and without a byte."""
_CHUNK = 1 << 20


class _TransientError(Exception):
    """A download broke off in a way that is worth another try."""


def retrying(is_transient: Callable[[BaseException], bool]) -> Retrying:
    """Call a function again, after growing pauses, while its errors are transient."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    return Retrying(
        stop=stop_after_attempt(RETRIES),
        wait=wait_exponential(multiplier=RETRY_WAIT, max=30),
        retry=retry_if_exception(is_transient),
        reraise=True,
    )


def is_transient_status(status: int) -> bool:
    """Whether a server that answers with this HTTP status may answer otherwise a little later."""
    return status == 429 or status >= 500


def download(url: str, part: Path, *, resumable: bool, progress: Progress | None) -> None:
    """Download a whole file to ``part``; a retry continues where the last try broke off.

    The part of an earlier process is continued only if ``resumable``: the file behind the URL may
    have changed since, so the caller must compare the result with a checksum.
    Raises `SourceUnavailable`.
    """
    import requests

    part.parent.mkdir(parents=True, exist_ok=True)
    if not resumable:
        part.unlink(missing_ok=True)
    transient = (
        _TransientError,
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    )
    try:
        retrying(lambda error: isinstance(error, transient))(_request, url, part, progress)
    except transient as error:
        reason = error if isinstance(error, _TransientError) else type(error).__name__
        raise SourceUnavailable(f"{url}: {reason}, after {RETRIES} tries") from error
    except requests.RequestException as error:
        raise SourceUnavailable(f"{url}: {type(error).__name__}") from error


def _request(url: str, part: Path, progress: Progress | None) -> None:
    """One request: for the whole file, or for what is still missing of it."""
    import requests

    size = part.stat().st_size if part.exists() else 0
    # without compression, lengths and ranges count the file's own bytes
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is longer than the file: start again
            part.unlink(missing_ok=True)
            raise _TransientError("HTTP 416 to the continuation")
        if is_transient_status(response.status_code):
            raise _TransientError(f"HTTP {response.status_code}")
        if response.status_code not in (200, 206):
            raise SourceUnavailable(f"{url}: HTTP {response.status_code}")
        if response.status_code == 200:
            size = 0
        total = _total(response.headers, size)
        response.raw.enforce_content_length = False  # it would drop the last bytes that came
        with part.open("ab" if size else "wb") as stream:
            for chunk in response.iter_content(_CHUNK):
                stream.write(chunk)
                size += len(chunk)
                if progress:
                    progress(size, total)
    if total is not None and size != total:
        raise _TransientError(f"truncated: {size} of {total} bytes")


def _total(headers: Mapping[str, str], size: int) -> int | None:
    length = headers.get("Content-Length")
    return size + int(length) if length and length.isdigit() else None
