"""Giving: a checkpoint that is here is added to a store, with what it was trained from."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.provenance import digests, files
from xstilts.provenance.stamp import verify
from xstilts.store.entry import Entry, checkpoint_key, described, input_key, now, training_name

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import Key
    from xstilts.store.shelf import Shelf


_ALSO = ("run.json", "log.jsonl")
"""What a training leaves beside its stamp and is worth keeping: what happened, and its curve."""


def give(grid: Grid, shelf: Shelf, key: Key) -> bool:
    """Add a checkpoint that is here to the store, and what it was trained from.

    False where the store has it already. Raises `LineageError` for a checkpoint that is not whole
    or not of the study's spec, `StoreError` where the store cannot be written.
    """
    stage, inputs = grid.training(*key), grid.training_inputs(*key)
    stamp = verify(stage.stamp)
    if stamp["spec"] != stage.digest:
        raise LineageError(f"{stage.stamp}: is of another spec than the study asks for")
    made_of = set(stamp["inputs"].values())
    for source in inputs:
        sha = digests.file_sha256(source.stamp) if source.stamp.is_file() else ""
        if sha not in made_of:
            raise LineageError(
                f"{stage.stamp}: was trained from another {source.stamp} than there is now"
            )
        if source.spec["stage"] != "training" and shelf.entry(input_key(sha)) is None:
            what = str(source.stamp.parent.relative_to(grid.resources))
            _put(shelf, input_key(sha), source.stamp, {"what": what})
    folder = stage.stamp.parent
    also = {name: folder / name for name in _ALSO if (folder / name).is_file()}
    about = {"what": training_name(key), "study": grid.study.study, **_of_run(folder / "run.json")}
    return _put(shelf, checkpoint_key(stage.digest, stamp["inputs"]), stage.stamp, about, also)


def _put(
    shelf: Shelf,
    key: str,
    stamp_path: Path,
    about: dict[str, Any],
    also: dict[str, Path] | None = None,
) -> bool:
    stamp = verify(stamp_path)
    sources = {name: stamp_path.parent / name for name in stamp["files"]}
    sources |= (also or {}) | {stamp_path.name: stamp_path}
    outcomes = stamp.get("outcomes", {})
    about |= {k: outcomes[k] for k in ("device", "precision", "rows", "steps") if k in outcomes}
    entry = Entry(
        key=key,
        spec=stamp["spec"],
        stamp=stamp_path.name,
        inputs=stamp["inputs"],
        files=described(sources),
        about=about | {"put": now(), "host": platform.node()},
    )
    return shelf.put(entry, sources)


def _of_run(path: Path) -> dict[str, Any]:
    try:
        run = files.read_json(path)
        return {"seconds": run["seconds"], "started": run["started"]}
    except (LineageError, KeyError, TypeError):
        return {}
