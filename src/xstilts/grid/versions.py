"""The same study under other versions of the code or of the environment.

Every run, and every import of an archive, leaves a snapshot of what decides its numbers. A grid of
the study as it is now with the code and the environment of such a snapshot has the digests that its
scores had then: a score of these digests differs from what is asked for in nothing but the version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.grid.artefacts import Grid
from xstilts.provenance.digests import canonical
from xstilts.provenance.files import read_json_object

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.keys import EvaluationKey

NAME = 12
"""Digits of a snapshot's digest by which tables and messages name a version."""


def other_versions(grid: Grid) -> dict[str, Grid]:
    """The grid under every other version that a snapshot of the study records, by its name.

    Of snapshots of one version, the first by name stands for all. A snapshot that cannot be read is
    left out: its scores are then stale, as those of any version that nobody knows.
    """
    found: dict[str, Grid] = {}
    seen = {_version(grid.environment, _code_of(grid))}
    for path in sorted(grid.paths.snapshots.glob("*.json")):
        content = read_json_object(path)
        version = _version(content.get("environment"), content.get("code"))
        if version not in seen and (other := _under(grid, content)) is not None:
            seen.add(version)
            found[path.stem[:NAME]] = other
    return found


def under_version(grid: Grid, snapshot: Path) -> Grid:
    """The grid with the code and the environment of a snapshot.

    Raises `LineageError` for a file that is no snapshot.
    """
    other = _under(grid, read_json_object(snapshot))
    if other is None:
        raise LineageError(f"{snapshot}: cannot be read as a snapshot of a study")
    return other


def not_as_now(then: Grid, environment: str) -> list[EvaluationKey]:
    """The evaluations of a snapshot's grid that the present code would not compute as it did.

    ``environment``: the sha256 of the present lock file.
    """
    now = Grid(then.resolved, environment, then.sources)
    return [
        key
        for key in then.reads.evaluations()
        if then.evaluation(key).digest != now.evaluation(key).digest
    ]


def _under(grid: Grid, content: dict[str, Any]) -> Grid | None:
    environment = content.get("environment")
    try:
        code = {tuple(entries): str(digest) for entries, digest in content["code"]}
    except (KeyError, TypeError, ValueError):
        return None
    if not isinstance(environment, str):
        return None
    return Grid(grid.resolved, environment, grid.sources, code)


def _code_of(grid: Grid) -> list[list[Any]]:
    return [[list(entries), code] for entries, code in sorted(grid.all_code().items())]


def _version(environment: object, code: object) -> str:
    return canonical([environment, code])
