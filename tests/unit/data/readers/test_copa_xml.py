"""COPA's XML: `xstilts.data.readers.copa_xml`."""

from __future__ import annotations

import pytest

from xstilts.data.readers.copa_xml import read
from xstilts.errors import MalformedFile

ITEM = """<item id="7" asks-for="effect" most-plausible-alternative="2">
  <p>It rained &amp; poured.</p><a1>Dry.</a1><a2>Wet.</a2></item>"""
HEAD = '<?xml version="1.0"?>\n<!DOCTYPE copa-corpus SYSTEM "copa.dtd">\n'


def copa(tmp_path, body, head=HEAD):
    path = tmp_path / "copa.xml"
    path.write_text(f"{head}<copa-corpus>\n{body}\n</copa-corpus>")
    return {"items": path}


def test_an_item_becomes_a_prompt_and_two_choices(tmp_path):
    """The DTD that nobody ships is not missed."""
    (row,) = read(copa(tmp_path, ITEM), "en")
    assert row == {
        "id": "7",
        "prompt": "It rained & poured. What was the effect?",
        "choices": ["Dry.", "Wet."],
        "label": 1,
    }


def test_external_entities_are_never_resolved(tmp_path):
    """A file that declares one is refused before anything is opened."""
    (tmp_path / "secret").write_text("secret")
    head = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>\n'
    with pytest.raises(MalformedFile, match=r"copa\.xml:1: declares an entity"):
        list(read(copa(tmp_path, ITEM.replace("Dry.", "&e;"), head), "en"))


def test_entities_that_multiply_are_refused(tmp_path):
    """Entities that expand to a billion laughs are refused."""
    head = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n'
    with pytest.raises(MalformedFile, match="declares an entity"):
        list(read(copa(tmp_path, ITEM, head), "en"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("<a2>Wet.</a2>", "", r"copa\.xml:4: item '7' has no a2"),
        ('"2"', '"3"', "unknown alternative '3'. Allowed: 1, 2"),
        ('"effect"', '"reason"', "unknown asks-for 'reason'"),
        ("</item>", "", r"copa\.xml:6: not XML: mismatched tag"),
    ],
)
def test_a_damaged_item_is_named_with_its_line(tmp_path, old, new, problem):
    """Never half an item."""
    with pytest.raises(MalformedFile, match=problem):
        list(read(copa(tmp_path, ITEM.replace(old, new)), "en"))
