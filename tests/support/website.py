"""A local web server that serves files, stands for the Hub, and misbehaves on demand."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub.utils import _detect_agent

from xstilts.data import http as downloads

CONTENT = b"a line of a benchmark\n" * 5_000
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "f" * 40


class Request(NamedTuple):
    """What the server was asked."""

    method: str
    path: str
    range: str | None = None
    token: str | None = None


class Refusal(NamedTuple):
    """How the Hub refuses a repository: its status and its own code for the reason."""

    status: int
    code: str = ""


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    """Files by repository (``datasets/o/r``), revision and name."""
    commits: dict[str, str] = field(default_factory=dict)
    """The commit that the branch main of a repository stands for."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """How a repository is refused to all who come without the token ``secret``."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Where a path is to be found instead."""
    cut: list[int] = field(default_factory=list)
    """Bytes after which the next bodies break off."""
    status: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 for an ordinary one."""
    ranges: bool = True
    tags: bool = True
    """Whether answers name the version of the file (``ETag``)."""
    starts_wrongly: int = 0
    """Bytes by which continuations begin too early."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of every answer."""
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def publish(self, repository: str, commit: str, files: dict[str, bytes]) -> None:
        """Add a commit to a repository, and move main to it."""
        self.repositories.setdefault(repository, {})[commit] = files
        self.commits[repository] = commit

    @property
    def asked(self) -> list[tuple[str, str | None]]:
        """Path and range of every GET."""
        return [(r.path, r.range) for r in self.requests if r.method == "GET"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the `Site` of its class."""

    site: Site

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def do_POST(self):
        """What the clients ask of the Hub's API: which paths there are, or to write some."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path).lstrip("/")
        token = self.headers.get("Authorization")
        self.site.requests.append(Request("POST", f"/{path}", token=token))
        found = re.fullmatch(r"api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)/([a-z-]+)/(.+)", path)
        if path == "api/repos/create":
            asked = json.loads(content)
            repository = f"{asked['organization']}/{asked['name']}"
            refused = self.site.refusals.get(repository)
            if refused and token != "Bearer secret":
                self._send(refused.status, {"X-Error-Code": refused.code}, b"")
            else:
                self._send_json({"url": f"{self.site.url}/{repository}"})
        elif path == "api/validate-yaml":
            self._send_json({"errors": [], "warnings": []})
        elif found and found[2] == "preupload":
            named = json.loads(content)["files"]
            regular = {"uploadMode": "regular", "shouldIgnore": False}
            self._send_json({"files": [{"path": each["path"], **regular} for each in named]})
        elif found and found[2] == "commit":
            lines = [json.loads(line) for line in content.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            self.site.publish(found[1], LATER, files)
            url = f"{self.site.url}/{found[1]}/commit/{LATER}"
            self._send_json({"success": True, "commitOid": LATER, "commitUrl": url})
        elif found and found[2] == "paths-info" and (files := self._files(found[1], found[3])):
            self._send_json(_entries(files, json.loads(content)["paths"]))
        else:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"")

    def _send_json(self, value: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _files(self, repository: str, revision: str) -> dict[str, bytes] | None:
        """The files of a repository at a revision, None where there is no such one."""
        commit = self.site.commits.get(repository, "") if revision == "main" else revision
        return self.site.repositories.get(repository, {}).get(commit)

    def _answer(self):
        site, path = self.site, unquote(urlsplit(self.path).path).lstrip("/")
        token = self.headers.get("Authorization")
        wanted = self.headers.get("Range")
        site.requests.append(Request(self.command, f"/{path}", wanted, token))
        status = site.status.pop(0) if site.status else 200
        headers: dict[str, str] = {}
        content = site.files.get(path)
        if status == 200 and content is None:
            status, headers, content = self._of_the_hub(path, token)
        if path in site.redirects and content is not None:
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": headers.get("ETag", "")}
            self._send(302, headers | linked | {"Location": site.redirects[path]}, b"")
        elif status != 200 or content is None:
            self._send(status if status != 200 else 404, headers, b"")
        else:
            self._send_content(headers, content, wanted)

    def _of_the_hub(self, path: str, token: str | None):
        """Status, headers and content that the Hub has for a path."""
        site = self.site
        found = re.fullmatch(r"(?:api/)?(?:models/)?((?:datasets/)?[^/]+/[^/]+)/(.+)", path)
        if not found:
            return 404, {}, None
        repository, rest = found.groups()
        if repository in site.refusals and token != "Bearer secret":
            refusal = site.refusals[repository]
            return refusal.status, {"X-Error-Code": refusal.code}, None
        if repository not in site.repositories:
            return 404, {"X-Error-Code": "RepoNotFound"}, None
        action, revision, *name = rest.split("/", 2)
        commit = site.commits[repository] if revision == "main" else revision
        if commit not in site.repositories[repository]:
            return 404, {"X-Error-Code": "RevisionNotFound"}, None
        files = site.repositories[repository][commit]
        if action == "tree":
            below = f"{name[0]}/" if name else ""
            listed = [each for each in _folders(files) if each.startswith(below)]
            return 200, {}, json.dumps(_entries(files, listed)).encode()
        if action == "revision":
            siblings = [{"rfilename": each} for each in files]
            about = {
                "id": repository.removeprefix("datasets/"),
                "sha": commit,
                "siblings": siblings,
            }
            return 200, {}, json.dumps(about).encode()
        content = files.get(name[0])
        headers = {"X-Repo-Commit": commit}
        if content is None:
            return 404, headers | {"X-Error-Code": "EntryNotFound"}, None
        return 200, headers | {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, content

    def _send_content(self, headers: dict[str, str], content: bytes, wanted: str | None):
        start, status = 0, 200
        if self.site.tags:
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'} | headers
        same = self.headers.get("If-Range", headers.get("ETag")) == headers.get("ETag")
        if wanted and self.site.ranges and same:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, status = int(first) - self.site.starts_wrongly, 206
            if start >= len(content):
                self._send(416, headers, b"")
                return
            headers = headers | {"Content-Range": f"bytes {start}-{last}/{len(content)}"}
            content = content[: int(last) + 1] if last else content
        self._send(status, headers, content[start:])

    def _send(self, status: int, headers: dict[str, str], body: bytes):
        self.send_response(status)
        for name, value in (headers | self.site.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: self.site.cut.pop(0)] if self.site.cut and body else body)
        self.close_connection = True

    def log_message(self, *_):
        """Stay silent."""


def _folders(files: dict[str, bytes]) -> list[str]:
    """The paths of a repository: its folders and its files."""
    parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    return sorted((parents - {"."}) | set(files))


def _entries(files: dict[str, bytes], paths: list[str]) -> list[dict[str, object]]:
    """What the Hub's API says of those of the paths that a repository has."""
    about = []
    for path in paths:
        if (content := files.get(path)) is not None:
            oid = hashlib.sha1(content).hexdigest()
            about.append({"type": "file", "path": path, "size": len(content), "oid": oid})
        elif path in _folders(files):
            about.append({"type": "directory", "path": path, "oid": "0" * 40})
    return about


@pytest.fixture
def site(monkeypatch):
    """A running server; retries do not wait."""
    monkeypatch.setattr(downloads, "RETRY_WAIT", 0.001)
    monkeypatch.setattr(downloads, "RETRIES", 3)
    served = Site({"data.txt": CONTENT})
    handler = type("Bound", (Handler,), {"site": served})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def hub(site, monkeypatch, tmp_path):
    """The server as the Hub for the real clients; their caches are empty, retries do not wait."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", site.url)
    resolved = f"{site.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", resolved)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", site.url)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_HUB_OFFLINE": False,
        "DOWNLOAD_CHUNK_SIZE": 10_000,  # what breaks off continues at a whole chunk
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    # the client would ask the public Hub which agents there are
    monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    return site
