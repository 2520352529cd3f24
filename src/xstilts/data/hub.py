"""Files of Hugging Face repositories, through their own client, always of one commit.

The client resumes a download that breaks off, keeps files in its cache, and obeys ``HF_HOME``,
``HF_TOKEN``, ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE``.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.http import is_transient_status, retrying
from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.config.raw_file import HubFile
    from xstilts.data.http import Progress


class NotInRepository(SourceUnavailable):
    """The repository exists, but not the file in it."""


class PinnedFile(NamedTuple):
    """One file of a repository at a commit."""

    repo: str
    kind: str
    commit: str
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit}/{self.name}"


def pin(hub: HubFile) -> PinnedFile:
    """The commit and the file that a card's revision and pattern stand for now.

    The first of the files that match a pattern. The Hub is asked only if the revision moves or the
    name is a pattern. Raises `SourceUnavailable`.
    """
    if not hub.moving and "*" not in hub.file:
        return PinnedFile(hub.repo, hub.kind, hub.revision, hub.file)
    from huggingface_hub import HfApi

    wanted = PinnedFile(hub.repo, hub.kind, hub.revision, hub.file)
    api = HfApi(endpoint=_endpoint())
    found = _ask(wanted, api.repo_info, hub.repo, revision=hub.revision, repo_type=hub.kind)
    names = sorted(s.rfilename for s in found.siblings or () if fnmatch(s.rfilename, hub.file))
    if not names or not found.sha:
        raise NotInRepository(f"{wanted.repo}@{wanted.commit}: has no file {hub.file}")
    return PinnedFile(hub.repo, hub.kind, found.sha, names[0])


def is_cached(file: PinnedFile) -> bool:
    """Whether the Hub's cache has the file."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(file.repo, file.name, revision=file.commit, repo_type=file.kind)
    return isinstance(path, str)


def download(file: PinnedFile, progress: Progress | None, *, force: bool = False) -> Path:
    """The path of a file in the Hub's cache, downloaded if it is not cached or if ``force``.

    Raises `SourceUnavailable` with the reason, `NotInRepository` if there is no such file.
    """
    from huggingface_hub import hf_hub_download, is_offline_mode

    path = _ask(
        file,
        hf_hub_download,
        file.repo,
        file.name,
        repo_type=file.kind,
        revision=file.commit,
        endpoint=_endpoint(),
        force_download=force and not is_offline_mode(),
        tqdm_class=_bar(progress),
    )
    return Path(path)


def upload(folder: Path, repo: str, *, private: bool) -> str:
    """Upload a folder to a model repository, which is created if it does not exist.

    Returns the commit. Raises `SourceUnavailable` with the reason, such as a token that may not
    write.
    """
    from huggingface_hub import HfApi

    api, place = HfApi(endpoint=_endpoint()), PinnedFile(repo, "model", "main", folder.name)
    _ask(place, api.create_repo, repo, repo_type="model", private=private, exist_ok=True)
    commit = _ask(
        place,
        api.upload_folder,
        repo_id=repo,
        folder_path=folder,
        commit_message="Upload a checkpoint of xstilts",
    )
    return str(commit.oid)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _ask(file: PinnedFile, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call the client; of its many errors, each means that this source cannot give the file."""
    from huggingface_hub import constants

    try:
        return retrying(_is_transient)(call, *arguments, **named)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # a full disk, no permission
            error.filename = error.filename or constants.HF_HUB_CACHE
            raise
        raise _explained(error, file) from error


def _is_transient(error: BaseException) -> bool:
    """The client itself retries the question for a file's metadata, but not the other requests."""
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError) and is_transient_status(error.response.status_code)


def _explained(error: Exception, file: PinnedFile) -> SourceUnavailable:
    """What a client's error means and what to do next."""
    from huggingface_hub import constants, errors

    cause = error
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        cause = error.__cause__
    endpoint = _endpoint() or constants.ENDPOINT
    page = f"{endpoint}/{'datasets/' if file.kind == 'dataset' else ''}{file.repo}"
    where = f"{file.repo}@{file.commit}"
    answer = getattr(cause, "response", None)
    status = answer.status_code if answer is not None else None
    if isinstance(cause, errors.OfflineModeIsEnabled):
        problem = (
            f"HF_HUB_OFFLINE is set and {constants.HF_HUB_CACHE} does not have {file.name}; "
            "unset it, or download the file on a machine with network"
        )
    elif isinstance(cause, errors.RemoteEntryNotFoundError):
        return NotInRepository(f"{where}: has no file {file.name}")
    elif isinstance(cause, errors.RevisionNotFoundError):
        problem = "the repository has no such revision"
    elif isinstance(cause, errors.GatedRepoError) or status == 403:
        problem = (
            f"HTTP {status}, access refused: accept the licence at {page}, "
            "then set HF_TOKEN to a token of that account"
        )
    elif isinstance(cause, errors.RepositoryNotFoundError) or status == 401:
        problem = (
            f"HTTP {status}: {page} does not exist or is private; "
            "correct the name, or set HF_TOKEN to a token that may read it"
        )
    elif status == 404:
        problem = f"HTTP 404: {page} has no {file.name} at this revision"
    elif status == 429:
        problem = (
            "HTTP 429: too many requests from here; wait some minutes and run again, or set "
            "HF_TOKEN, for which the limit is higher"
        )
    else:
        problem = f"HTTP {status}" if status else f"{type(cause).__name__} ({cause})".split("\n")[0]
    return SourceUnavailable(f"{where}: {problem}")


def _bar(progress: Progress | None) -> type:
    """What the client takes for a progress bar: it draws nothing and reports the bytes."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **{**named, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if progress:
                progress(int(self.n), int(self.total) if self.total else None)

        def update_transfer(self, n: float) -> None:
            """Compressed bytes of the client's second protocol; not counted."""

        def set_transfer_postfix_str(self, *_: Any, **__: Any) -> None:
            """Their speed; not shown."""

    return Bar
