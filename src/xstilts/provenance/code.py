"""The digest of the code that decides a result, so that an edit of that code makes it stale.

The code of a result is every module of this library that its entry modules import, directly or not,
except the modules in `OPERATIONAL`, which decide no result.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.provenance.digests import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIBRARY = Path(__file__).parent.parent
"""The folder of this library."""

OPERATIONAL = (
    "xstilts.provenance",  # describes files, does not make them
    "xstilts.runtime",  # who works, and where
    # how raw files are brought: a sha256 pins their bytes, and the stamp of the examples holds it
    "xstilts.data.sources",
    "xstilts.data.hub",
    "xstilts.data.hub_datasets",
    "xstilts.data.http",
    "xstilts.data.archives",
    "xstilts.data.checksums",
    "xstilts.data.content",
    "xstilts.models.delta_compression",  # a checkpoint holds a checksum of every tensor
    "xstilts.models.token_cache",  # an entry holds a checksum, and a damaged one is written again
    "xstilts.models.encoder_check",  # refuses an encoder, or leaves it as it is
    "xstilts.training.log",  # a training that logs nothing ends with the same bytes
    "xstilts.training.saved_state",  # a resumed training ends with the same bytes
    "xstilts.training.train",  # the files around the loop: the loop alone ends with the same bytes
)
"""Modules (and packages with all their modules) that decide no result, so that an edit leaves all
results valid. tests/unit/provenance/test_code.py has a test for each that shows it."""


def is_operational(module: str) -> bool:
    """Whether a module or a package that holds it is in `OPERATIONAL`."""
    return any(module == name or module.startswith(f"{name}.") for name in OPERATIONAL)


@cache
def _package_folder(library: Path, package: str) -> Path | None:
    """The folder of a top-level package, which is not imported; None if it has no folder."""
    if package == library.name:
        return library
    spec = importlib.util.find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


@cache
def _module_file(library: Path, module: str) -> Path | None:
    """The file of a module of ``library``'s package, or of another; None if it has none.

    An import may name what is no module: ``from module import function``.
    """
    package, *names = module.split(".")
    folder = _package_folder(library, package)
    if folder is None:
        return None
    base = folder.joinpath(*names) if names else folder / "__init__"
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imported(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """The modules that an import may name; relative imports start from ``package``."""
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


def _executed(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements without docstrings (of attributes as well) and ``if TYPE_CHECKING`` blocks."""
    for statement in statements:
        if isinstance(statement, ast.If) and _is_type_checking(statement.test):
            yield from _executed(statement.orelse)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _dump(node: Any, text: list[str], imports: list[ast.Import | ast.ImportFrom]) -> None:
    """Append what `ast.dump` gives for the executed part of a tree, and its imports.

    One pass does all: every dry run and every job reads most of the library, and to filter, to dump
    and to look for imports one after the other takes twice as long.
    """
    if isinstance(node, ast.AST):
        kind = type(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        before = f"{kind.__name__}("
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None and getattr(kind, name, ...) is None:
                continue  # `ast.dump` leaves an absent optional field out
            text.append(f"{before}{name}=")
            before = ", "
            _dump(value, text, imports)
        text.append(")" if before == ", " else f"{before})")
    elif isinstance(node, list):
        before = "["
        for item in _executed(node) if node and isinstance(node[0], ast.stmt) else node:
            text.append(before)
            before = ", "
            _dump(item, text, imports)
        text.append("]" if before == ", " else "[]")
    else:
        text.append(repr(node))


@cache
def _digest_and_imports(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """The digest of the executed code of a module's source, and the modules that it may import.

    The cache is keyed by the source, so that a module is parsed once for all artefacts.
    """
    text: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _dump(ast.parse(source), text, imports)
    modules = (module for statement in imports for module in _imported(statement, package))
    return hashlib.sha256("".join(text).encode()).hexdigest(), tuple(dict.fromkeys(modules))


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """The digest of every module that decides a result made by these modules.

    These are the modules themselves, what they import, directly or not, and the ``__init__`` of
    their packages: of this library, and of the packages of the given modules (plugins). Modules in
    `OPERATIONAL` are left out; those of other packages are pinned by the lock file, whose digest is
    in every spec. Imports inside functions count. A digest is of the syntax tree without comments,
    docstrings, positions and type-checking blocks, so that only a change of the executed code
    changes it.
    """
    digests: dict[str, str] = {}
    pending = list(modules)
    packages = {LIBRARY.name, *(module.partition(".")[0] for module in pending)}
    while pending:
        module = pending.pop()
        if module in digests or module.partition(".")[0] not in packages or is_operational(module):
            continue
        path = _module_file(LIBRARY, module)
        if path is None:
            continue
        parent = module.rpartition(".")[0]
        package = module if path.name == "__init__.py" else parent
        digests[module], imported = _digest_and_imports(path.read_bytes(), package)
        pending.extend(imported)
        pending.append(parent)
    return dict(sorted(digests.items()))


def check_code(modules: Iterable[str], expected: str) -> None:
    """Raise `LineageError` unless the code on disk has the digest that a spec names.

    Call it after the modules have been imported, so that the checked code is the code that runs.
    """
    if digest(code_of(modules)) != expected:
        raise LineageError(
            "the library was edited after this run had started, so this job would not compute "
            "what its stamp says; start snakemake again to compute with the new code"
        )
