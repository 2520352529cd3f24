"""A local web server that serves what a test gives it, and misbehaves as it is told."""

from __future__ import annotations

import http.server
import threading
from dataclasses import dataclass, field

import pytest

from xstilts.data import sources

CONTENT = b"a line of a benchmark\n" * 5_000


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self):
        site, wanted = self.site, self.headers.get("Range")
        site.asked.append((self.path, wanted))
        content = site.files.get(self.path.lstrip("/"))
        status = site.status.pop(0) if site.status else 200 if content is not None else 404
        if status != 200 or content is None:
            self.send_error(status)
            return
        start = 0
        if wanted and site.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            status = 206
        body = content[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: site.cut.pop(0)] if site.cut else body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(sources, "RETRY_WAIT", 0.001)
    monkeypatch.setattr(sources, "RETRIES", 3)
    served = Site({"data.txt": CONTENT})
    handler = type("Bound", (Handler,), {"site": served})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()
