"""Lineage: what an artefact is (its spec), how it proves it (its stamp), what happened (its run).

A *spec* is plain JSON that decides an artefact: stage, resolved parameters, seed, the specs of its
inputs, the code that makes it and the environment lock. Its sha256, the *spec digest*, is the
artefact's identity. A *stamp* lies beside the artefact: spec digest, digests of the inputs that
were really read, and the sha256 of the artefact's own files. It holds no times, so that making the
same thing twice gives the same stamp, and it is written last, by rename: a stamp that exists is
true. What differs from run to run (times, host, versions) goes into ``run.json``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import resource
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = Any
STAMP_VERSION = 1
LIBRARY = Path(__file__).parent


# --- digests -------------------------------------------------------------------------------------


def canonical(value: Json) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN, Unicode as it is.

    >>> canonical({"b": 1.0, "a": ["ü"]})
    '{"a":["ü"],"b":1.0}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Json) -> str:
    """The sha256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- code ----------------------------------------------------------------------------------------


@cache
def _module_file(module: str) -> Path | None:
    """The file of a module of this library, or None if it is not ours."""
    parts = module.split(".")
    if parts[0] != LIBRARY.name:
        return None
    base = LIBRARY.joinpath(*parts[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _named(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """The modules that an import names; ``package`` is what a relative one starts from."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    else:
        above = package.split(".")[: 1 - statement.level or None] if statement.level else []
        module = ".".join([*above, *filter(None, [statement.module])])
        yield module
        yield from (f"{module}.{alias.name}" for alias in statement.names)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _that_run(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Without docstrings, of attributes as well, and ``if TYPE_CHECKING`` blocks."""
    for statement in statements:
        if isinstance(statement, ast.If) and _is_type_checking(statement.test):
            yield from _that_run(statement.orelse)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _dump(part: Any, text: list[str], imports: list[ast.Import | ast.ImportFrom]) -> None:
    """Append what `ast.dump` says of what runs of a tree, and its imports.

    In one pass: every dry run and every job does this for most of the library, and filtering,
    dumping and looking for imports one after the other takes twice as long.
    """
    if isinstance(part, ast.AST):
        kind = type(part)
        if isinstance(part, ast.Import | ast.ImportFrom):
            imports.append(part)
        before = f"{kind.__name__}("
        for name in part._fields:
            value = getattr(part, name, None)
            if value is None and getattr(kind, name, ...) is None:
                continue  # an optional part that is not there
            text.append(f"{before}{name}=")
            before = ", "
            _dump(value, text, imports)
        text.append(")" if before == ", " else f"{before})")
    elif isinstance(part, list):
        before = "["
        for item in _that_run(part) if part and isinstance(part[0], ast.stmt) else part:
            text.append(before)
            before = ", "
            _dump(item, text, imports)
        text.append("]" if before == ", " else "[]")
    else:
        text.append(repr(part))


@cache
def _what_runs(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """The digest of what runs of a module's source, and the modules that it names.

    Kept by the source itself, so that a module is parsed once however many stages run it.
    """
    text: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _dump(ast.parse(source), text, imports)
    named = (module for statement in imports for module in _named(statement, package))
    return hashlib.sha256("".join(text).encode()).hexdigest(), tuple(dict.fromkeys(named))


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """Digest of every module of this library that these modules import, directly or not.

    The digest is of the syntax tree without comments, docstrings, positions and type-checking
    blocks, so that only a change of what runs changes it. Imports inside functions count.
    """
    found: dict[str, str] = {}
    todo = list(modules)
    while todo:
        module = todo.pop()
        path = _module_file(module)
        if path is None or module in found:
            continue
        parent = module.rpartition(".")[0]
        package = module if path.name == "__init__.py" else parent
        found[module], named = _what_runs(path.read_bytes(), package)
        todo.extend(named)
        todo.append(parent)  # a package's __init__ runs as well
    return dict(sorted(found.items()))


def check_code(modules: Iterable[str], promised: str) -> None:
    """Refuse to run when the library on disk is not the one that a spec names by its digest.

    Called after the modules have been imported, so that what was checked is what runs.
    """
    if digest(code_of(modules)) != promised:
        raise LineageError(
            "the library was edited after this run had started, so this job would not compute "
            "what its stamp says; start snakemake again to compute with the new code"
        )


# --- files ---------------------------------------------------------------------------------------


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success, sync it and move it to ``path``.

    Nothing half-written is ever seen under the final name, and a failure leaves nothing behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")  # two writers never share it
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # some writers make private files
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Json) -> None:
    """Write a JSON file atomically, for people: indented, sorted, the same bytes every time."""
    write_text(
        path,
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )


def read_json(path: Path) -> Json:
    """Read a JSON file; an unreadable one is a `LineageError` that names it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LineageError(f"{path}: cannot be read as JSON ({error})") from error


# --- stamps --------------------------------------------------------------------------------------


def write_stamp(
    path: Path,
    *,
    spec: str,
    inputs: Mapping[str, str],
    files: Iterable[Path],
    facts: Mapping[str, Json] | None = None,
) -> None:
    """Write the stamp of an artefact whose files lie in the stamp's own folder.

    ``inputs`` gives the sha256 of each input's stamp by role; ``facts`` are deterministic outcomes
    worth knowing without opening the artefact (rows, steps, final loss).
    """
    described = {
        str(file.relative_to(path.parent)): {
            "sha256": file_sha256(file),
            "bytes": file.stat().st_size,
        }
        for file in files
    }
    write_json(
        path,
        {
            "stamp": STAMP_VERSION,
            "spec": spec,
            "inputs": dict(inputs),
            "files": described,
            "facts": dict(facts or {}),
        },
    )


def verify(stamp_path: Path) -> Json:
    """Read a stamp and check every file it lists; return the stamp.

    Raises `LineageError` that names the file whose bytes are not the stamped ones.
    """
    stamp = read_json(stamp_path)
    if not isinstance(stamp, dict) or not isinstance(stamp.get("files"), dict):
        raise LineageError(f"{stamp_path}: is no stamp; delete it to have it made again")
    for name, recorded in stamp["files"].items():
        path = stamp_path.parent / name
        if not path.is_file():
            raise LineageError(f"{path}: missing, though {stamp_path.name} lists it")
        if path.stat().st_size != recorded["bytes"] or _known_sha256(path) != recorded["sha256"]:
            raise LineageError(
                f"{path}: its bytes are not the ones that {stamp_path} records; "
                f"delete {stamp_path} to have it made again"
            )
    return stamp


_LARGE = 32 * 2**20


def _known_sha256(path: Path) -> str:
    """A file's sha256; for a large one, remembered as long as its size and times are the same.

    Every job of a grid verifies its encoder. Reading gigabytes each time would cost more than some
    of the jobs; a file that was written to has another time and is read again.
    """
    status = path.stat()
    if status.st_size < _LARGE:
        return file_sha256(path)
    seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    note = path.with_name(f".{path.name}.seen")
    try:
        remembered = json.loads(note.read_bytes())
        if remembered["seen"] == seen:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = file_sha256(path)
    with suppress(OSError):  # a folder that only others may write to
        write_json(note, {"seen": seen, "sha256": found})
    return found


# --- runs ----------------------------------------------------------------------------------------


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in sorted(_IMPORTANT)}


class Run:
    """What happened while an artefact was made; written beside it as ``run.json``."""

    def __init__(self) -> None:
        """Start the clock."""
        self._started, self._clock = datetime.now(UTC), time.monotonic()

    def write(self, path: Path, **facts: Json) -> None:
        """Write times, host, process, peak memory and package versions, with ``facts``."""
        write_json(
            path,
            {
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self._clock, 3),
                "host": platform.node(),
                "machine": platform.machine(),
                "system": platform.platform(),
                "python": platform.python_version(),
                "pid": os.getpid(),
                "slurm_job": os.environ.get("SLURM_JOB_ID"),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "packages": _versions(),
                **facts,
            },
        )


_IMPORTANT = frozenset(
    {
        "accelerate",
        "babel",
        "Django",
        "numpy",
        "pandas",
        "pyarrow",
        "safetensors",
        "snakemake",
        "tokenizers",
        "torch",
        "transformers",
    }
)
