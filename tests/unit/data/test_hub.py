"""The real client of the Hugging Face Hub against a local server that stands for the Hub."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.disk import full_disk
from support.website import COMMIT, CONTENT, LATER, Refusal, hub, site
from xstilts.config.raw_file import HubFile
from xstilts.data.hub import NotInRepository, PinnedFile, download, is_cached, pin
from xstilts.errors import SourceUnavailable

__all__ = ["hub", "site"]

FILE = PinnedFile("o/r", "dataset", COMMIT, "f.txt")
RESOLVED = f"/datasets/o/r/resolve/{COMMIT}/f.txt"
SHARDS = {"data/f-00000-of-00002.txt": b"one", "data/f-00001-of-00002.txt": b"two"}


@pytest.fixture
def repository(hub):
    """A dataset repository o/r with one commit, main."""
    hub.publish("datasets/o/r", COMMIT, {"f.txt": CONTENT, **SHARDS})
    return hub


def get(file=FILE, **options):
    return download(file, options.pop("progress", None), **options).read_bytes()


class TestPin:
    def named(self, revision, file):
        return pin(HubFile(repo="o/r", revision=revision, file=file))

    def test_a_commit_and_a_name_need_no_question(self, repository):
        assert self.named(COMMIT, "f.txt") == FILE
        assert repository.requests == []

    def test_a_branch_is_pinned_to_its_commit(self, repository):
        assert self.named("main", "f.txt") == FILE
        repository.publish("datasets/o/r", LATER, {"f.txt": b"changed"})
        assert self.named("main", "f.txt").commit == LATER

    def test_a_pattern_means_the_first_file_that_matches_at_the_commit(self, repository):
        assert self.named(COMMIT, "data/f-00000-of-*.txt").name == "data/f-00000-of-00002.txt"

    def test_a_pattern_without_a_file_is_named(self, repository):
        with pytest.raises(NotInRepository, match=rf"^o/r@{COMMIT}: has no file data/g\*$"):
            self.named(COMMIT, "data/g*")

    def test_the_question_is_asked_again_if_the_hub_is_busy(self, repository):
        repository.status = [503, 503]
        assert self.named("main", "f.txt") == FILE

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            (401, "HTTP 401: .*/datasets/o/r does not exist or is private; .*set HF_TOKEN"),
            (403, "HTTP 403, access refused: accept the licence at"),
            (404, "HTTP 404: .*/datasets/o/r has no f.txt at this revision"),
            (429, "HTTP 429: too many requests from here; wait some minutes"),
        ],
    )
    def test_a_refusal_on_a_branch_says_what_to_do(self, repository, status, advice):
        repository.status = [status] * 9
        with pytest.raises(SourceUnavailable, match=rf"^o/r@main: {advice}"):
            self.named("main", "f.txt")


class TestDownload:
    def test_a_file_is_downloaded_into_the_cache_once(self, repository):
        assert not is_cached(FILE)
        assert get() == CONTENT
        assert is_cached(FILE)
        assert get() == CONTENT
        assert [r.method for r in repository.requests] == ["HEAD", "GET"]
        assert {r.path for r in repository.requests} == {RESOLVED}

    def test_a_file_of_a_model_repository(self, hub):
        hub.publish("o/m", COMMIT, {"config.json": b"{}"})
        assert get(PinnedFile("o/m", "model", COMMIT, "config.json")) == b"{}"

    def test_on_demand_a_file_is_downloaded_again(self, repository):
        path = download(FILE, None)
        path.write_bytes(b"damaged")
        assert get() == b"damaged"
        assert get(force=True) == CONTENT

    def test_the_progress_is_reported(self, repository):
        seen = []
        get(progress=lambda *report: seen.append(report))
        assert seen[-1] == (len(CONTENT), len(CONTENT))

    def test_an_interrupted_download_continues_where_it_broke_off(self, repository):
        repository.cut = [70_000]
        assert get() == CONTENT
        assert repository.asked == [(RESOLVED, None), (RESOLVED, "bytes=70000-")]

    def test_a_download_that_stays_truncated_leaves_nothing(self, repository, tmp_path):
        repository.cut = [0] * 10
        with pytest.raises(SourceUnavailable, match=r"f\.txt|o/r@"):
            get()
        assert not list(tmp_path.rglob("*.incomplete"))
        assert not is_cached(FILE)

    @pytest.mark.parametrize("statuses", [[503], [200, 503]])
    def test_a_busy_hub_is_asked_again(self, repository, statuses):
        """For the file's metadata, and for its bytes."""
        repository.status = statuses
        assert get() == CONTENT

    def test_a_relative_redirect_is_followed(self, repository):
        """A repository that has another name now."""
        repository.files["moved/blob"] = CONTENT
        repository.publish("datasets/o/new", COMMIT, {"f.txt": CONTENT})
        repository.redirects[RESOLVED[1:]] = RESOLVED.replace("o/r", "o/new")
        assert get() == CONTENT
        assert repository.asked == [(RESOLVED.replace("o/r", "o/new"), None)]

    def test_a_redirect_to_another_host_is_followed_without_the_token(
        self, repository, monkeypatch
    ):
        """A content delivery network: its address is absolute and signed."""
        monkeypatch.setenv("HF_TOKEN", "secret")
        repository.files["cdn/blob"] = CONTENT
        host = repository.url.replace("127.0.0.1", "localhost")
        repository.redirects[RESOLVED[1:]] = f"{host}/cdn/blob?signature=x"
        repository.cut = [70_000]
        assert get() == CONTENT
        assert repository.asked == [("/cdn/blob", None), ("/cdn/blob", "bytes=70000-")]
        assert [r.token for r in repository.requests] == ["Bearer secret", None, None]

    def test_a_full_disk_is_an_error_of_the_system(self, repository, tmp_path):
        with full_disk(10_000), pytest.raises(OSError, match="File too large"):
            get()
        assert not list(tmp_path.rglob("*.incomplete"))


class TestErrors:
    """Each says what is wrong and what to do next."""

    def problem(self, file=FILE):
        with pytest.raises(SourceUnavailable) as refused:
            download(file, None)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_gated_repository(self, repository, status):
        repository.refusals["datasets/o/r"] = Refusal(status, "GatedRepo")
        assert self.problem() == (
            f"o/r@{COMMIT}: HTTP {status}, access refused: accept the licence at "
            f"{repository.url}/datasets/o/r, then set HF_TOKEN to a token of that account"
        )

    def test_a_token_opens_it(self, repository, monkeypatch):
        repository.refusals["datasets/o/r"] = Refusal(401, "GatedRepo")
        monkeypatch.setenv("HF_TOKEN", "secret")
        assert get() == CONTENT

    def test_a_token_without_permission(self, repository):
        repository.refusals["datasets/o/r"] = Refusal(403)
        assert "HTTP 403, access refused: accept the licence at" in self.problem()

    @pytest.mark.parametrize("status", [401, 404])
    def test_a_private_or_missing_repository(self, repository, status):
        repository.refusals["datasets/o/r"] = Refusal(status, "RepoNotFound")
        assert self.problem() == (
            f"o/r@{COMMIT}: HTTP {status}: {repository.url}/datasets/o/r does not exist or is "
            "private; correct the name, or set HF_TOKEN to a token that may read it"
        )

    def test_a_missing_revision(self, repository):
        missing = self.problem(FILE._replace(commit=LATER))
        assert missing == f"o/r@{LATER}: the repository has no such revision"

    def test_a_missing_file(self, repository):
        with pytest.raises(NotInRepository, match=rf"^o/r@{COMMIT}: has no file gone\.txt$"):
            download(FILE._replace(name="gone.txt"), None)

    def test_offline(self, repository, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert self.problem() == (
            f"o/r@{COMMIT}: HF_HUB_OFFLINE is set and {tmp_path / 'cache'} does not have f.txt; "
            "unset it, or download the file on a machine with network"
        )
        assert repository.requests == []

    def test_offline_a_branch_cannot_be_pinned(self, repository, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(SourceUnavailable, match="o/r@main: HF_HUB_OFFLINE is set"):
            pin(HubFile(repo="o/r", revision="main", file="f.txt"))

    def test_offline_the_cache_is_read(self, repository, monkeypatch):
        get()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert get() == CONTENT

    def test_a_hub_that_cannot_be_reached(self, hub, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        assert self.problem().startswith(f"o/r@{COMMIT}: ConnectError (")

    def test_a_hub_that_stays_broken(self, repository):
        repository.status = [500] * 20
        assert self.problem() == f"o/r@{COMMIT}: HTTP 500"


def test_the_variables_of_the_client_count(repository, tmp_path):
    """HF_ENDPOINT, HF_HOME and HF_TOKEN in a process of its own, where nothing is replaced."""
    repository.refusals["datasets/o/r"] = Refusal(401, "GatedRepo")
    code = (
        "from xstilts.data.hub import PinnedFile, download\n"
        f"print(download(PinnedFile('o/r', 'dataset', '{COMMIT}', 'f.txt'), None))"
    )
    variables = {"HF_ENDPOINT": repository.url, "HF_HOME": str(tmp_path), "HF_TOKEN": "secret"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith(str(tmp_path / "hub/datasets--o--r"))
