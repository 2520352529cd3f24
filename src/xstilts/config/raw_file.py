"""A raw file: where it is kept, and the sources that its bytes may come from."""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from xstilts.config.yaml_models import Model, Name

if TYPE_CHECKING:
    from collections.abc import Iterator

MOVING = ("main", "refs/convert/parquet")
SourceName = Literal["mirror", "hub", "dataset", "url"]


def pinned(revision: str) -> bool:
    """Whether a revision on the Hub is a commit, which cannot move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


class HubFile(Model):
    """A file in a Hugging Face repository at a pinned revision.

    A revision that moves is allowed only where no commit is known: the commit that it stands for at
    the first download is recorded in the lock, and it is that commit that later downloads ask for.
    """

    repo: Name
    kind: Literal["dataset", "model"] = "dataset"
    revision: Name = Field(description=f"a commit; where none is known, {' or '.join(MOVING)}")
    file: Name = Field(description="may hold one * where the name's end (a shard count) is unknown")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not pinned(self.revision) and self.revision not in MOVING:
            raise ValueError(
                f"revision: {self.revision!r} is neither a commit (40 hex digits) "
                f"nor one of {', '.join(MOVING)}"
            )
        return self

    @property
    def moving(self) -> bool:
        """Whether the revision may stand for another commit tomorrow."""
        return self.revision in MOVING


class HubDataset(Model):
    """Rows of a data set on the Hub, which the library `datasets` reads in whatever form they are.

    The raw file holds them as JSON lines, with the names of class labels in place of their numbers.
    """

    repo: Name
    revision: Name = Field(description="a commit")
    config: Name | None = Field(None, description="configuration; needed where there are several")
    split: Name = Field(description="as the Hub calls it, such as validation")
    data_files: Name | None = Field(
        None, description="pattern of the files to read, where the data set has no configuration"
    )
    columns: list[Name] | None = Field(None, description="columns to keep; default: all")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not pinned(self.revision) and "{" not in self.revision:
            raise ValueError(f"revision: {self.revision!r} is not a commit (40 hex digits)")
        return self


class PackageFile(Model):
    """A file that an installed package builds, found by its entry point (`xstilts.sources`)."""

    source: Name = Field(description="name of the entry point; embedded is our own benchmark")
    name: Name = Field(description="task that the package builds")


class RawFile(Model):
    """One raw file and the sources it may come from, tried in the order mirror, hub, dataset, url.

    In every text ``{language}`` stands for our language code and ``{code}`` for the task's own;
    of a code with slashes, ``{folder}`` is what precedes the last one and ``{name}`` what follows.
    What follows an ``@`` in a code is no part of it but ``{revision}``: of a language's repository.
    """

    path: Name = Field(description="where it is kept under resources/raw; its key in the lock")
    mirror: Name | None = Field(None, description="path in the study's mirror folder (.gz as well)")
    hub: HubFile | None = None
    dataset: HubDataset | None = None
    url: Name | None = None
    member: Name | None = Field(
        None, description="the file's name in the archive that hub or url gives"
    )
    order: list[SourceName] | None = Field(None, description="another order of the sources")
    max_bytes: int = Field(
        4 * 2**30, gt=0, description="what a source may give at most, as it comes and uncompressed"
    )
    package: PackageFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _fillable(cls, data: Any) -> Any:
        for text in _texts(data):
            _check_braces(text)
        return data

    @field_validator("path", "mirror")
    @classmethod
    def _inside(cls, path: str | None) -> str | None:
        if path is not None:
            _check_path(path)
        return path

    @field_validator("path")
    @classmethod
    def _not_a_record(cls, path: str) -> str:
        if path in RECORDS:
            raise ValueError(f"{path!r} is a record of the downloads themselves")
        return path

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError(f"{url!r} must begin with https:// or http://")
        return url

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not (self._given() or self.package):
            raise ValueError("needs at least one source: mirror, hub, dataset, url or package")
        if self.member and not (self.url or self.hub):
            raise ValueError(
                "member: names a file in the archive behind hub: or url:, both missing"
            )
        if self.order is not None and sorted(self.order) != sorted(self._given()):
            raise ValueError(f"order: must name each source once: {', '.join(self._given())}")
        return self

    @property
    def sources(self) -> list[SourceName]:
        """The sources that the file has, in the order in which they are tried."""
        return self.order or self._given()

    @property
    def dataset_repository(self) -> str | None:
        """The data set of the Hub that the file comes from, if it does."""
        if self.hub and self.hub.kind == "dataset":
            return self.hub.repo
        return self.dataset.repo if self.dataset else None

    def _given(self) -> list[SourceName]:
        names: tuple[SourceName, ...] = ("mirror", "hub", "dataset", "url")
        return [name for name in names if getattr(self, name)]

    def of(self, language: str, code: str) -> RawFile:
        """This file with a language and the task's code of it filled in.

        Raises `ValueError` where that gives a path that no file may have.
        """
        if braces := re.search("[{}]", language + code):
            raise ValueError(f"the code {code!r:.80} must not hold {braces.group()!r}")
        code, _, revision = code.partition("@")
        folder, _, name = code.rpartition("/")
        values = dict(zip(PLACES, (language, code, folder, name, revision), strict=True))
        try:
            return RawFile.model_validate(_fill(self.model_dump(exclude_unset=True), values))
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"of the code {code!r:.80}: {problem}") from None


RECORDS = ("lock.tsv", "sources.tsv")
"""Names under ``resources/raw`` that no raw file may have: `xstilts.data.checksums` writes them."""


def _check_path(path: str) -> None:
    """Raise `ValueError` for a path that leaves its folder or that no file can have."""
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r:.80} must stay inside its folder: relative and without '..'")
    if wrong := re.search(r"[\x00-\x1f\x7f\\]", path):
        raise ValueError(f"{path!r:.80}: the character {wrong.group()!r} is not allowed")
    if any(part.startswith(".") for part in parts):
        raise ValueError(f"{path!r:.80}: names that begin with a dot are those of locks and parts")
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise ValueError(f"{path!r:.80}: a name has at most {LONGEST_NAME} bytes")


LONGEST_NAME = 200
"""Bytes: file systems allow 255, and locks and parts have longer names than their files."""
PLACES = ("language", "code", "folder", "name", "revision")
"""The names in braces that `RawFile.of` fills in."""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _check_braces(text: str) -> None:
    allowed = ", ".join(f"{{{place}}}" for place in PLACES)
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; braces are for {allowed}") from None
    for _, place, form, conversion in parts:
        if place is not None and (place not in PLACES or form or conversion):
            written = (
                f"{{{place}{'!' if conversion else ''}{conversion or ''}{':' * bool(form)}{form}}}"
            )
            raise ValueError(f"{text!r}: nothing is known of {written}; braces are for {allowed}")


def _fill(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, values) for item in value]
    return value.format(**values) if isinstance(value, str) else value
