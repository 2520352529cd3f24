"""A raw file names the sources that its bytes may come from."""

from __future__ import annotations

import pytest

from support.world import refused
from xstilts.config.raw_file import HubFile, RawFile

COMMIT = "0" * 40


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "needs at least one source: mirror, hub, dataset, url or package"),
        ({"mirror": "m", "member": "x"}, "member: names a file in the archive behind hub: or url:"),
        (
            {"mirror": "m", "url": "https://x.org", "order": ["url"]},
            "order: must name each source once",
        ),
        (
            {"hub": {"repo": "a/b", "revision": "v1", "file": "f"}},
            "is neither a commit",
        ),
        ({"url": "ftp://x.org/a"}, "url: 'ftp://x.org/a' must begin with https:// or http://"),
    ],
    ids=["source", "member", "order", "revision", "url"],
)
def test_a_file_that_nothing_can_give_is_refused(keys, problem):
    """Before anything is fetched."""
    (line,) = refused(RawFile, {"path": "x"} | keys)
    assert problem in line


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../a", "must stay inside its folder"),
        ("/etc/passwd", "must stay inside its folder"),
        ("a/../../b", "must stay inside its folder"),
        ("a//b", "must stay inside its folder"),
        ("a\nb\t0", "the character '\\n' is not allowed"),
        ("a\0b", "the character '\\x00' is not allowed"),
        ("a/.b.lock", "names that begin with a dot"),
        ("a" * 300, "a name has at most 200 bytes"),
        ("lock.tsv", "is a record of the downloads themselves"),
        ("sources.tsv", "is a record of the downloads themselves"),
    ],
)
def test_a_path_that_no_raw_file_may_have_is_refused(path, problem):
    """It would leave the folder, hang, or write records of other files."""
    (line,) = refused(RawFile, {"path": path, "url": "https://x.org"})
    assert problem in line


def test_a_path_is_checked_again_with_a_language_in_it():
    """A code may hold what the template does not."""
    file = RawFile(path="{code}.txt", url="https://x.org")
    with pytest.raises(ValueError, match="must stay inside its folder"):
        file.of("sw", "../../sw")


def test_sources_are_tried_in_one_order():
    """The mirror first, then the Hub, then addresses; a card may order them otherwise."""
    hub = HubFile(repo="a/b", revision=COMMIT, file="f")
    file = RawFile(path="x", url="https://x.org", mirror="m", hub=hub)
    assert file.sources == ["mirror", "hub", "url"]
    assert file.model_copy(update={"order": ["url", "hub", "mirror"]}).sources[0] == "url"


def test_a_file_is_filled_in_with_language_and_code():
    """``{folder}`` and ``{name}`` are the parts of a code with slashes."""
    file = RawFile(path="{language}/{name}", url="https://x.org/{folder}/{code}")
    other = RawFile(path="{code}", url="https://x.org/{revision}/{name}")
    assert other.of("de", "a/ger@r2.9") == RawFile(path="a/ger", url="https://x.org/r2.9/ger")
    assert file.of("de", "a/b/ger") == RawFile(path="de/ger", url="https://x.org/a/b/a/b/ger")


@pytest.mark.parametrize(
    "text", ["{lang}", "{language!r}", "{code:>9}", "{0}", "{}", "{", "}", "{code.__class__}"]
)
def test_braces_that_would_not_be_filled_in_are_refused(text):
    """They would be part of a file's name, or a traceback in the job."""
    for keys in (
        {"path": text, "mirror": "m"},
        {"path": "x", "hub": {"repo": "a/b", "revision": COMMIT, "file": text}},
    ):
        (line,) = refused(RawFile, keys)
        assert line.startswith(f"card.yaml: {text!r}: ")
        assert line.endswith("braces are for {language}, {code}, {folder}, {name}, {revision}")
