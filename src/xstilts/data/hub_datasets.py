"""Rows of data sets on the Hugging Face Hub, through the library `datasets`, always of one commit.

`datasets` knows every form that the Hub has (parquet, csv, json and more), keeps what it reads in
its cache, and obeys ``HF_HOME``, ``HF_DATASETS_CACHE``, ``HF_HUB_OFFLINE`` and
``HF_DATASETS_OFFLINE``. It runs no code of a data set: sets with a loading script are refused.
"""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.raw_file import HubFile
from xstilts.data import hub
from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets import Dataset, IterableDataset

    from xstilts.config.raw_file import HubDataset

Row = dict[str, Any]
"""Values by column: texts, numbers, true or false, null, and lists and objects of these."""


def name(source: HubDataset) -> str:
    """What records call the source: ``repo@commit config/split``."""
    return f"{source.repo}@{source.revision}/{source.config or 'default'}/{source.split}"


def rows(source: HubDataset) -> Iterator[Row]:
    """Yield all rows, with the names of class labels in place of their numbers.

    A hidden label (-1) becomes null, a date its ISO 8601 text. Raises `SourceUnavailable` where the
    data set cannot be had or read, or where a column holds no text (an image, a sound, bytes).
    """
    dataset = _load(source, streaming=False)
    if stray := _other_revision(dataset, source):
        raise SourceUnavailable(
            f"{name(source)}: the Hub was not reached, and the cache of datasets holds the "
            f"revision {stray}; go online, or unset HF_HUB_OFFLINE and HF_DATASETS_OFFLINE"
        )
    yield from _plain_rows(dataset, source)


def first_rows(source: HubDataset, count: int) -> list[Row]:
    """The first rows, as `rows` yields them, without a download of all (streaming)."""
    return list(_plain_rows(_load(source, streaming=True).take(count), source))


def split_names(repo: str, revision: str) -> dict[str, list[str]]:
    """The splits of every configuration of a data set; raises `SourceUnavailable`."""
    import datasets

    with _Explained(f"{repo}@{revision}"):
        configurations = datasets.get_dataset_config_names(repo, revision=revision)
        return {
            config: datasets.get_dataset_split_names(repo, config, revision=revision)
            for config in configurations
        }


def commit_of(repo: str, revision: str) -> str:
    """The commit that a branch or a commit of a data set stands for.

    Raises `SourceUnavailable`.
    """
    return hub.pin(HubFile(repo=repo, revision=revision, file="*")).commit


def licence_of(repo: str, commit: str) -> str | None:
    """The licence that the README of a data set states; None where it states none."""
    from huggingface_hub import DatasetCard

    try:
        readme = hub.download(hub.PinnedFile(repo, "dataset", commit, "README.md"), None)
    except hub.NotInRepository:
        return None
    card = DatasetCard(readme.read_text("utf-8"), ignore_metadata_errors=True)
    stated = getattr(card.data, "license", None)
    return ", ".join(stated) if isinstance(stated, list) else stated and str(stated)


def _load(source: HubDataset, *, streaming: bool) -> Dataset | IterableDataset:
    import datasets

    files = {source.split: [source.data_files]} if source.data_files else None
    datasets.disable_progress_bars()
    with _Explained(name(source)):
        loaded = datasets.load_dataset(
            source.repo,
            source.config,
            revision=source.revision,
            split=source.split,
            data_files=files,
            streaming=streaming,
        )
        return loaded if source.columns is None else loaded.select_columns(source.columns)


class _Explained:
    """Turns what `datasets` and its parsers raise into a `SourceUnavailable` of one line."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, SourceUnavailable):
            return
        if isinstance(error, OSError) and error.errno is not None:  # of the operating system
            return
        words = " ".join(str(error).split())
        raise SourceUnavailable(f"{self._what}: {type(error).__name__}: {words:.300}") from error


def _other_revision(dataset: Dataset, source: HubDataset) -> str | None:
    """The commit that the rows are of, if it is not the pinned one.

    Where the Hub cannot be reached, `datasets` takes the latest revision in its cache.
    """
    # .../<repo>/<config>/<version>/<commit>/<split>.arrow
    folders = {Path(file["filename"]).parent.name for file in dataset.cache_files}
    return next(iter(folders - {source.revision}), None)


def _plain_rows(dataset: Dataset | IterableDataset, source: HubDataset) -> Iterator[Row]:
    with _Explained(name(source)):
        features = dataset.features or {}
        for row in dataset:
            yield {column: _plain(row[column], features.get(column), column) for column in row}


def _plain(value: Any, feature: Any, column: str) -> Any:
    """A value as JSON has it."""
    from datasets import ClassLabel

    if isinstance(feature, ClassLabel) and isinstance(value, int):
        return feature.int2str(value) if value >= 0 else None
    inner = getattr(feature, "feature", None)
    if isinstance(value, list):
        return [_plain(each, inner, column) for each in value]
    if isinstance(value, dict):
        fields = feature if isinstance(feature, dict) else {}
        return {key: _plain(each, fields.get(key), column) for key, each in value.items()}
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, str | int | float | None):
        raise SourceUnavailable(
            f"the column {column!r} holds {type(value).__name__}, which is no text; name the "
            "columns to keep under `columns`"
        )
    return value
