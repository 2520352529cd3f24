"""A store in a bucket of S3."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xstilts.errors import DamagedEntry, StoreError
from xstilts.provenance.digests import canonical
from xstilts.store.entry import CORRUPT, ENTRY, Entry, Kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Bucket:
    """A store in S3 or in what speaks its protocol (``AWS_ENDPOINT_URL`` names the server).

    A file's object is named by its sha256, so that two writers of one entry never mix their files:
    the ``entry.json`` that stays is true of the objects that it names.
    """

    def __init__(self, place: str) -> None:
        """Touch no network yet. Raises `StoreError` for an address without a bucket."""
        self.place = place.rstrip("/")
        self.bucket, _, prefix = place.removeprefix("s3://").rstrip("/").partition("/")
        if not self.bucket:
            raise StoreError(f"store: {place!r} names no bucket; write s3://bucket/prefix")
        self.prefix = f"{prefix}/" if prefix else ""

    @cached_property
    def _s3(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise StoreError(f"store {self.place}: needs the package boto3") from error
        retries: Any = {"max_attempts": 5, "mode": "standard"}
        return boto3.client("s3", config=Config(retries=retries, max_pool_connections=16))

    def _asked(self, operation: str, **how: Any) -> Any:
        """Call S3; its errors, and none of its classes, leave this module."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._s3, operation)(Bucket=self.bucket, **how)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                raise FileNotFoundError(how.get("Key")) from None
            raise StoreError(f"store {self.place}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(f"store {self.place}: {error}") from error

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._pages(Prefix=f"{self.prefix}{prefix}"):
            yield from page.get("Contents", ())

    def _pages(self, **what: str) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._asked("list_objects_v2", **what, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def keys(self, prefix: str) -> list[str]:
        """Keys of the entries under a prefix, sorted."""
        cut = len(self.prefix)
        names = (item["Key"][cut:] for item in self._listed(prefix))
        return sorted(
            name.removesuffix(f"/{ENTRY}")
            for name in names
            if name.endswith(f"/{ENTRY}") and not name.startswith(f"{CORRUPT}/")
        )

    def specs(self) -> set[str]:
        """What is common to the names of objects, a thousand a request."""
        pages = self._pages(Prefix=f"{self.prefix}checkpoints/", Delimiter="/")
        found = (common["Prefix"] for page in pages for common in page.get("CommonPrefixes", ()))
        return {prefix.rstrip("/").rpartition("/")[2] for prefix in found}

    def entry(self, key: str) -> Entry | None:
        """An entry, None where there is none."""
        try:
            answer = self._asked("get_object", Key=f"{self.prefix}{key}/{ENTRY}")
        except FileNotFoundError:
            return None
        return Entry.read(key, answer["Body"].read())

    def put(self, entry: Entry, sources: Mapping[str, Path]) -> bool:
        """Upload the files, then ``entry.json``."""
        if self.entry(entry.key):
            return False
        named = {
            name: Kept(kept.sha256, kept.size, f"{kept.sha256[:32]}.{name}")
            for name, kept in entry.files.items()
        }
        for name, source in sources.items():
            where = f"{self.prefix}{entry.key}/{named[name].object}"
            self._asked("upload_file", Filename=str(source), Key=where)
        says = canonical(entry.as_json() | {"files": {n: asdict(k) for n, k in named.items()}})
        self._asked("put_object", Key=f"{self.prefix}{entry.key}/{ENTRY}", Body=says.encode())
        return True

    def fetch(self, entry: Entry, name: str, to: Path) -> None:
        """Download one file."""
        where = f"{self.prefix}{entry.key}/{entry.files[name].object}"
        try:
            self._asked("download_file", Key=where, Filename=str(to))
        except FileNotFoundError:
            raise DamagedEntry(entry.key, f"{name} is missing") from None

    def set_aside(self, key: str) -> str:
        """Keep what ``entry.json`` said under ``corrupt/``; without it there is no entry."""
        aside = f"{CORRUPT}/{key.replace('/', '-')}-{uuid4().hex[:8]}.json"
        with suppress(FileNotFoundError):
            says = self._asked("get_object", Key=f"{self.prefix}{key}/{ENTRY}")["Body"].read()
            self._asked("put_object", Key=f"{self.prefix}{aside}", Body=says)
        self.remove(key)
        return f"{self.place}/{aside}"

    def remove(self, key: str) -> None:
        """Delete ``entry.json`` first, then the objects."""
        self._asked("delete_object", Key=f"{self.prefix}{key}/{ENTRY}")
        for item in [*self._listed(f"{key}/")]:
            self._asked("delete_object", Key=item["Key"])

    def last_used(self, key: str) -> float:
        """When the entry was put: a bucket does not know when it was taken."""
        try:
            answer = self._asked("head_object", Key=f"{self.prefix}{key}/{ENTRY}")
        except FileNotFoundError:
            return 0.0
        return float(answer["LastModified"].timestamp())

    def touch(self, key: str) -> None:
        """Nothing: see `last_used`."""

    def sweep(self, older_than: float) -> int:
        """Delete old objects of keys that have no ``entry.json``, or that it does not name."""
        freed, now = 0, time.time()
        by_key: dict[str, list[dict[str, Any]]] = {}
        for item in self._listed(""):
            key = item["Key"][len(self.prefix) :].rpartition("/")[0]
            by_key.setdefault(key, []).append(item)
        for key, items in by_key.items():
            entry = None if key == CORRUPT else self._entry_or_none(key)
            used = {ENTRY, *(k.object for k in entry.files.values())} if entry else set()
            for item in items:
                old = now - item["LastModified"].timestamp() >= older_than
                if old and item["Key"].rpartition("/")[2] not in used:
                    self._asked("delete_object", Key=item["Key"])
                    freed += item["Size"]
        return freed

    def _entry_or_none(self, key: str) -> Entry | None:
        with suppress(DamagedEntry):
            return self.entry(key)
        return None
