"""Errors are for the reader: what is wrong, where, and what is allowed."""

import pytest

from xstilts import errors
from xstilts.errors import MalformedFile, XstiltsError, unknown


def test_every_error_is_an_xstilts_error():
    """So that a command can turn all of them, and nothing else, into one line."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 10
    assert all(issubclass(kind, XstiltsError) for kind in kinds)


def test_the_tree_in_the_docstring_names_every_error():
    """It is the page that people read."""
    for kind in vars(errors).values():
        if isinstance(kind, type):
            assert kind.__name__ in errors.__doc__


def test_a_malformed_file_is_named_with_its_line():
    """As compilers write it, so that editors can jump there."""
    assert str(MalformedFile("a.tsv", 7, "two columns")) == "a.tsv:7: two columns"


def test_a_fault_without_a_line_has_none():
    """A JSON value has no line of its own."""
    assert str(MalformedFile("a.json", None, "no key 'data'")) == "a.json: no key 'data'"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squda", "unknown task 'squda'; did you mean 'squad'? Allowed: mnli, squad"),
        ("zzz", "unknown task 'zzz'. Allowed: mnli, squad"),
        (3, "unknown task 3. Allowed: mnli, squad"),
    ],
)
def test_an_unknown_name_comes_with_what_is_allowed(name, message):
    """And with the name that was probably meant, where there is one."""
    assert unknown("task", name, ["squad", "mnli"]) == message
