"""The code that decides a result, by a digest of what runs of it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
from xstilts.provenance.digests import digest

LIBRARY = Path(__file__).parent.parent


@cache
def _package_folder(package: str) -> Path | None:
    """The folder of a top-level package, which is not imported; None for any that has no folder."""
    if package == LIBRARY.name:
        return LIBRARY
    found = importlib.util.find_spec(package)
    locations = found.submodule_search_locations if found else None
    return Path(locations[0]) if locations else None


@cache
def _module_file(module: str) -> Path | None:
    """The file of a module's source, or None if it has none (a name that an import asks for)."""
    package, *parts = module.split(".")
    folder = _package_folder(package)
    if folder is None:
        return None
    base = folder.joinpath(*parts) if parts else folder / "__init__"
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
    """Digest of every module that these modules import, directly or not, and that the lock leaves
    open: those of this library and of the packages that the given modules belong to (a plugin's).
    The modules of all other packages are pinned by the lock file, whose digest is in every spec.

    The digest is of the syntax tree without comments, docstrings, positions and type-checking
    blocks, so that only a change of what runs changes it. Imports inside functions count.
    """
    found: dict[str, str] = {}
    todo = list(modules)
    packages = {LIBRARY.name, *(module.partition(".")[0] for module in todo)}
    while todo:
        module = todo.pop()
        if module in found or module.partition(".")[0] not in packages:
            continue
        path = _module_file(module)
        if path is None:
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
