"""What an artefact is, and how it proves it."""

from __future__ import annotations

import ast
import hashlib
import json
from textwrap import dedent
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.errors import LineageError
from xstilts.provenance import code as code_module
from xstilts.provenance import run_record
from xstilts.provenance.code import _module_file, _package_folder, code_of
from xstilts.provenance.digests import canonical, digest
from xstilts.provenance.files import _UMASK, read_json, write_atomically, write_json
from xstilts.provenance.stamp import verify, write_stamp

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
finite = scalars.filter(lambda v: v not in (float("inf"), float("-inf")))
values = st.recursive(
    finite,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class TestCanonical:
    @given(values)
    def test_a_value_survives(self, value):
        """The canonical text is JSON of the same value."""
        assert json.loads(canonical(value)) == value

    @given(st.dictionaries(st.text(), finite, min_size=2), st.randoms())
    def test_the_order_of_keys_does_not_matter(self, value, random):
        """Two mappings that say the same are the same."""
        items = list(value.items())
        random.shuffle(items)
        assert digest(dict(items)) == digest(value)

    def test_whose_value_it_is_matters(self):
        """Swapping the values of learning rate and epochs is another study."""
        assert digest({"epochs": 2, "rate": 3}) != digest({"epochs": 3, "rate": 2})

    def test_the_order_of_a_list_matters(self):
        """Lists are sequences."""
        assert digest([1, 2]) != digest([2, 1])

    def test_the_text_is_fixed_for_good(self):
        """Identities of years ago stay valid: sorted, no spaces, Unicode as it is."""
        assert canonical({"ß": [1.0, None, True], "a": 1e-05}) == '{"a":1e-05,"ß":[1.0,null,true]}'
        assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_json_cannot_say_is_refused(self, value):
        """A NaN has no identity."""
        with pytest.raises(ValueError, match="JSON compliant"):
            digest({"x": value})


MODULES = {
    "__init__": '"""A library."""\n',
    "train": """
        from lib import helpers
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from lib.unused import Thing

        def run(x):
            return helpers.twice(x)
        """,
    "helpers": """
        def twice(x):
            import lib.deep
            return lib.deep.once(x) * 2
        """,
    "deep": "def once(x):\n    return x\n",
    "unused": "Thing = int\n",
    "report": "TITLE = 'A report'\n",
    "pack.__init__": "SIZE = 1\n",
    "pack.inner": "from . import sibling\nfrom .. import deep\n",
    "pack.sibling": "X = 1\n",
}

SYNTAX = """
import os.path as p, sys
from . import train as t
@p.decorated(1, *[], key=None, **{})
class A(B, metaclass=C):
    x: int = 1
    y: "str"
    async def f(self, a, /, b=1.5, *c: int, d, e=-2j, **g) -> None:
        global h
        async with self as (k, *l), b: await (yield)
        async for i in [j async for j in a if j if not b]: pass
        else: del a[1:2, ...], b.c
def f():
    try:
        match x:
            case [1, *_] | {"a": b, **c} if b: return lambda: (yield from d)
            case A(1, y=None) as z: raise E from None
            case -1 | True | "s" | _: nonlocal w
    except* (E, F) as e: assert a < b <= c is not d not in e, f"{a!r:>{w}}{'ü'}"
    finally: (a := b"\\0") @ c if d and e or not g else {1, *h}
    while True:
        if a: continue
        elif b: break
        else: a, b.c = *d, e
        a //= ~b ** c; print({**a, 'b': "\\n"}, sep='')
"""


class TestCodeOf:
    @pytest.fixture
    def library(self, tmp_path, monkeypatch):
        """A library of a few modules; call it to rewrite one, and get the code of ``entry``."""
        folder = tmp_path / "lib"
        monkeypatch.setattr(code_module, "LIBRARY", folder)
        _module_file.cache_clear()
        _package_folder.cache_clear()

        def write(module, text):
            path = folder.joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

        for module, text in MODULES.items():
            write(module, text)

        def code(entry="lib.train", **changed):
            for module, text in changed.items():
                write(module.replace("_in_", "."), text)
            return code_of([entry])

        yield code
        _module_file.cache_clear()
        _package_folder.cache_clear()

    def test_it_covers_what_is_imported_however_deep(self, library):
        """Imports inside functions and the packages' own modules count; what is unused does not."""
        assert list(library()) == ["lib", "lib.deep", "lib.helpers", "lib.train"]

    def test_a_package_runs_its_init(self, library):
        """Importing a module of a package runs the package."""
        assert "lib.pack" in library("lib.pack.sibling")

    def test_relative_imports_count(self, library):
        """From the own package and from the one above."""
        assert {"lib.pack.sibling", "lib.deep"} <= set(library("lib.pack.inner"))

    def test_other_packages_are_left_to_the_environment(self, library):
        """The lock pins them, and its digest is part of every spec."""
        imports_others = "import json, numpy.linalg\nfrom torch import nn\n"
        assert list(library("lib.deep", deep=imports_others)) == ["lib", "lib.deep"]

    def test_a_plugin_is_followed_through_its_own_package(self, library, tmp_path, monkeypatch):
        """Its code decides what it makes; what it imports of other packages does not count."""
        monkeypatch.syspath_prepend(tmp_path)
        folder = tmp_path / "plugin_of_somebody"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "rows.py").write_text("import json\nfrom plugin_of_somebody import words\n")
        (folder / "words.py").write_text("import lib.deep\n")
        assert list(library("plugin_of_somebody.rows")) == [
            *("lib", "lib.deep", "plugin_of_somebody"),
            *("plugin_of_somebody.rows", "plugin_of_somebody.words"),
        ]

    def test_a_library_module_does_not_follow_a_plugin(self, library, tmp_path, monkeypatch):
        """Only an entry opens its package."""
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "other_plugin").mkdir()
        (tmp_path / "other_plugin" / "__init__.py").write_text("")
        assert "other_plugin" not in library("lib.deep", deep="import other_plugin\n")

    @pytest.mark.parametrize(
        "text",
        [
            "# a comment\ndef once(x):  # another\n    return x\n",
            'def once(x):\n    """Say more."""\n    return x\n',
            "def once(x):\n\n    return (x)\n",
            '"""A module."""\n\ndef once(x): return x\n',
            'def once(x):\n    return x\n\n"""What follows nothing."""\n',
            "from typing import TYPE_CHECKING\n",
        ],
        ids=["comment", "docstring", "formatting", "module docstring", "loose text", "real change"],
    )
    def test_only_what_runs_counts(self, library, text, request):
        """Comments, docstrings and formatting change nothing; code does."""
        before = library()
        changed = library(deep=text) != before
        assert changed == ("real change" in request.node.name)

    def test_code_is_digested_as_python_dumps_it(self, library):
        """Whatever it is made of, so that digests of years ago stay valid."""
        dumped = ast.dump(ast.parse(SYNTAX)).encode()
        assert library("lib.deep", deep=SYNTAX)["lib.deep"] == hashlib.sha256(dumped).hexdigest()

    def test_a_type_only_import_does_not_count(self, library):
        """What a type checker alone reads cannot change a result."""
        before = library()
        after = MODULES["train"].replace("lib.unused", "lib.report")
        assert library(train=after) == before
        written_out = after.replace("if TYPE_", "import typing\n        if typing.TYPE_")
        assert "lib.report" not in library(train=written_out)

    def test_the_other_branch_of_a_type_check_runs(self, library):
        """``else`` of ``if TYPE_CHECKING`` is what really happens."""
        text = "if TYPE_CHECKING:\n    X = 1\nelse:\n    import lib.report\n    X = {}\n"
        one = library("lib.deep", deep=text.format(1))
        assert "lib.report" in one
        assert library("lib.deep", deep=text.format(2)) != one

    @pytest.mark.parametrize("module", ["__init__", "train", "helpers", "deep"])
    def test_a_changed_line_changes_its_module_only(self, library, module):
        """So that an auditor can tell where two results part."""
        before = library()
        after = library(**{module: dedent(MODULES[module]) + "\nY = 2\n"})
        name = "lib" if module == "__init__" else f"lib.{module}"
        assert {key for key in before if before[key] != after[key]} == {name}

    def test_an_unrelated_change_changes_nothing(self, library):
        """The report is not part of a training."""
        before = library()
        assert library(report="TITLE = 'Another'\n", unused="Thing = str\n") == before


def fail_halfway(path):
    """A writer that dies in mid-file."""
    with write_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


class TestWriteAtomically:
    def test_a_failure_leaves_nothing(self, tmp_path):
        """Neither the file nor a half-written copy of it."""
        with pytest.raises(RuntimeError):
            fail_halfway(tmp_path / "a" / "x.txt")
        assert list((tmp_path / "a").iterdir()) == []

    def test_a_failure_keeps_what_was_there(self, tmp_path):
        """The old file is whole until the new one is."""
        (tmp_path / "x.txt").write_text("old")
        with pytest.raises(RuntimeError):
            fail_halfway(tmp_path / "x.txt")
        assert (tmp_path / "x.txt").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]

    def test_nothing_is_seen_under_the_name_before_the_end(self, tmp_path):
        """A file that exists is whole."""
        with write_atomically(tmp_path / "x.txt") as temporary:
            temporary.write_text("all of it")
            assert not (tmp_path / "x.txt").exists()
            assert temporary.parent == tmp_path  # a rename across file systems is not atomic
        assert (tmp_path / "x.txt").read_text() == "all of it"

    def test_two_writers_do_not_mix(self, tmp_path):
        """Threads of one process write the same file at once; one of them wins whole."""
        together, path = Barrier(2), tmp_path / "x.txt"

        def write(letter):
            with write_atomically(path) as temporary, temporary.open("w") as stream:
                for _ in range(50):
                    stream.write(letter)
                    stream.flush()
                together.wait(timeout=10)

        threads = [Thread(target=write, args=(letter,)) for letter in "ab"]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert path.read_text() in ("a" * 50, "b" * 50)
        assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]

    def test_a_private_temporary_file_becomes_an_ordinary_one(self, tmp_path):
        """Colleagues can read results."""
        with write_atomically(tmp_path / "x.txt") as temporary:
            temporary.touch(mode=0o600)
        assert (tmp_path / "x.txt").stat().st_mode & 0o777 == 0o666 & ~_UMASK

    @given(values)
    def test_json_files_have_one_spelling(self, value):
        """The same value gives the same bytes, and reads back."""
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            one, other = Path(folder, "1.json"), Path(folder, "2.json")
            write_json(one, {"v": value})
            write_json(other, {"v": read_json(one)["v"]})
            assert one.read_bytes() == other.read_bytes()

    def test_an_unreadable_json_file_is_named(self, tmp_path):
        """Cut off in mid-write by someone else's tool."""
        (tmp_path / "x.json").write_text('{"a": ')
        with pytest.raises(LineageError, match=r"x\.json: cannot be read as JSON"):
            read_json(tmp_path / "x.json")


class TestStamps:
    @pytest.fixture
    def stamped(self, tmp_path):
        """An artefact of two files and its stamp."""
        (tmp_path / "weights").write_bytes(b"0123456789")
        (tmp_path / "config").write_bytes(b"{}")
        files = [tmp_path / "weights", tmp_path / "config"]
        stamp = tmp_path / "stamp.json"
        write_stamp(stamp, spec="abc", inputs={"encoder": "def"}, files=files, facts={"steps": 3})
        return stamp

    def test_a_whole_artefact_is_verified(self, stamped):
        """The stamp says what it is, what it was made of, and its bytes."""
        stamp = verify(stamped)
        assert (stamp["spec"], stamp["inputs"], stamp["facts"]) == (
            "abc",
            {"encoder": "def"},
            {"steps": 3},
        )
        assert stamp["files"]["weights"] == {
            "bytes": 10,
            "sha256": "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882",
        }

    def test_the_same_artefact_has_the_same_stamp(self, stamped):
        """It holds no time and no host."""
        before = stamped.read_bytes()
        files = [stamped.parent / "config", stamped.parent / "weights"]
        write_stamp(stamped, spec="abc", inputs={"encoder": "def"}, files=files, facts={"steps": 3})
        assert stamped.read_bytes() == before

    @pytest.mark.parametrize("content", [b"012345678", b"0123456788", b""])
    def test_other_bytes_are_found_and_named(self, stamped, content):
        """Truncated, changed or emptied; the message says what to do."""
        (stamped.parent / "weights").write_bytes(content)
        with pytest.raises(LineageError) as refused:
            verify(stamped)
        message = str(refused.value)
        assert message.startswith(f"{stamped.parent / 'weights'}: its bytes are not the ones")
        assert message.endswith(f"delete {stamped} and run snakemake again")

    def test_a_missing_file_is_named(self, stamped):
        """The stamp alone proves nothing."""
        (stamped.parent / "weights").unlink()
        with pytest.raises(LineageError, match=r"weights: missing, though stamp\.json lists it"):
            verify(stamped)

    @pytest.mark.parametrize("text", ["[]", "{}", '{"files": []}', "null"])
    def test_a_stamp_that_is_none_is_named(self, stamped, text):
        """Valid JSON is not yet a stamp."""
        stamped.write_text(text)
        with pytest.raises(LineageError, match=r"stamp\.json: not a valid stamp"):
            verify(stamped)

    def test_what_happened_is_kept_apart(self, tmp_path):
        """Times, host and versions are in run.json, where they change no identity."""
        run_record.Run().write(tmp_path / "run.json", device="cpu")
        run = read_json(tmp_path / "run.json")
        assert {"started", "seconds", "host", "peak_memory_mb", "packages"} <= set(run)
        assert run["device"] == "cpu"
        assert "torch" in run["packages"]
