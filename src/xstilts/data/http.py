"""Downloads by URL, which continue where they broke off, and the policy of all retries."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenacity import RetryCallState, Retrying

    Progress = Callable[[int, int | None], None]
    """Called with the bytes downloaded so far and the size of the file, if known."""

RETRIES = 5
RETRY_WAIT = 1.0
"""Seconds before the first retry of a download; doubled for each further one."""
LONGEST_WAIT = 300.0
"""Seconds: a server that asks for more (``Retry-After``) is not waited for that long."""
TIMEOUT = (10, 60)
"""Seconds to connect, and without a byte."""
SLOWEST = 1_000
"""Bytes a second, on average from `SLOW_START` on: a slower server keeps a job for days."""
SLOW_START = 60.0
"""Seconds in which a server may be slower than `SLOWEST`."""
_CHUNK = 1 << 16


class _TransientError(Exception):
    """A download broke off in a way that is worth another try, after ``wait`` seconds at least."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def retrying(is_transient: Callable[[BaseException], bool]) -> Retrying:
    """Call a function again, after growing pauses, while its errors are transient."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    growing = wait_exponential(multiplier=RETRY_WAIT, max=30)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(growing(state), requested_wait(error))

    return Retrying(
        stop=stop_after_attempt(RETRIES),
        wait=wait,
        retry=retry_if_exception(is_transient),
        reraise=True,
    )


def requested_wait(error: BaseException | None) -> float:
    """The seconds that a server asks to wait (``Retry-After``), at most `LONGEST_WAIT`."""
    if isinstance(error, _TransientError):
        return error.wait
    headers = getattr(getattr(error, "response", None), "headers", None)
    return retry_after(headers) if headers else 0.0


def retry_after(headers: Mapping[str, str]) -> float:
    """``Retry-After`` in seconds: a number, or a date; 0 if it is missing or neither."""
    given = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", given):
        return min(float(given), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(given).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def is_transient_status(status: int) -> bool:
    """Whether a server that answers with this HTTP status may answer otherwise a little later."""
    return status == 429 or status >= 500


def download(
    url: str, part: Path, *, max_bytes: int, resumable: bool, progress: Progress | None
) -> None:
    """Download a whole file to ``part``; a retry continues where the last try broke off.

    A part is continued only if the server says that the file is still the same one (``ETag`` or
    ``Last-Modified``, kept beside the part), and the part of an earlier process only if
    ``resumable``. Raises `SourceUnavailable`, also for more than ``max_bytes`` bytes and for a
    server that is too slow to wait for.
    """
    import requests

    part.parent.mkdir(parents=True, exist_ok=True)
    if not resumable:
        discard(part)
    transient = (
        _TransientError,
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    )
    try:
        retrying(lambda error: isinstance(error, transient))(
            _request, url, part, max_bytes, progress
        )
    except transient as error:
        reason = error if isinstance(error, _TransientError) else type(error).__name__
        raise SourceUnavailable(f"{url}: {reason}, after {RETRIES} tries") from error
    except requests.RequestException as error:
        raise SourceUnavailable(f"{url}: {type(error).__name__}") from error
    _version_file(part).unlink(missing_ok=True)


def discard(part: Path) -> None:
    """Delete a part and the note of its version."""
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _version_file(part: Path) -> Path:
    """Beside a part: the server's name of the version of the file that it is a part of."""
    return part.with_name(f"{part.name}.version")


def _version(headers: Mapping[str, str]) -> str:
    """What identifies a version of a file byte by byte; empty if the server does not say."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _request(url: str, part: Path, max_bytes: int, progress: Progress | None) -> None:
    """One request: for the whole file, or for what is still missing of it."""
    import requests

    version = _version_file(part)
    known = version.read_text(encoding="utf-8") if version.is_file() else ""
    size = part.stat().st_size if known and part.exists() else 0
    # without compression, lengths and ranges count the file's own bytes
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers |= {"Range": f"bytes={size}-", "If-Range": known}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        _check_status(response, url, part, size)
        if response.status_code == 200:
            size = 0
            version.write_text(_version(response.headers), encoding="utf-8")
        total = _total(response.headers, size)
        if total is not None and total > max_bytes:
            raise _too_large(url, max_bytes)
        response.raw.enforce_content_length = False  # it would drop the last bytes that came
        begun, first = time.monotonic(), size
        with part.open("ab" if size else "wb") as stream:
            for chunk in response.iter_content(_CHUNK):
                stream.write(chunk)
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(url, max_bytes)
                _check_speed(size - first, time.monotonic() - begun)
                if progress:
                    progress(size, total)
    if total is not None and size != total:
        raise _TransientError(f"truncated: {size} of {total} bytes")


def _check_status(response: Any, url: str, part: Path, size: int) -> None:
    """Raise for an answer that holds neither the file nor the part of it that is missing."""
    status = response.status_code
    if status == 416:  # the part is longer than the file: start again
        discard(part)
        raise _TransientError("HTTP 416 to the continuation")
    if is_transient_status(status):
        raise _TransientError(f"HTTP {status}", retry_after(response.headers))
    if status not in (200, 206):
        raise SourceUnavailable(f"{url}: HTTP {status}{_advice(status)}")
    if status == 206:
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not begins or int(begins[1]) != size:
            discard(part)
            raise _TransientError(f"the continuation does not begin at byte {size}")


def _advice(status: int) -> str:
    if status in (401, 403):
        return ": the address asks for a login; put the file into the study's mirror folder"
    return ""


def _check_speed(received: int, seconds: float) -> None:
    if seconds > SLOW_START and received < SLOWEST * seconds:
        raise _TransientError(f"slower than {SLOWEST:,} bytes a second")


def _too_large(url: str, max_bytes: int) -> SourceUnavailable:
    return SourceUnavailable(
        f"{url}: more than {max_bytes:,} bytes; if the file is that large, "
        "raise its max_bytes in the card"
    )


def _total(headers: Mapping[str, str], size: int) -> int | None:
    length = headers.get("Content-Length")
    return size + int(length) if length and re.fullmatch(r"[0-9]{1,15}", length) else None
