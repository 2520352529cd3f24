"""Tagging: `token_lines`, `conllu` and `ccg_auto`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import ccg_auto, conllu, conllu_text, token_lines
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile

WORDS = st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=6)
TAGS = st.sampled_from(["O", "B-PER", "I-PER"])
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=5), min_size=1, max_size=4
)


def one(tmp_path, text):
    path = tmp_path / "file.txt"
    path.write_text(text, encoding="utf-8")
    return {"tokens": path}


@given(SENTENCES, st.sampled_from(["\t", " "]), st.integers(1, 3), st.booleans())
def test_sentences_come_back_as_written(tmp_path_factory, sentences, separator, gap, prefixed):
    """For tab and space, one blank line or several, `xx:` before tokens or not."""
    mark = "sw:" if prefixed else ""
    text = ("\n" * gap).join(
        "".join(f"{mark}{word}{separator}{tag}\n" for word, tag in sentence)
        for sentence in sentences
    )
    path = tmp_path_factory.mktemp("tags") / "a"
    path.write_text(text, encoding="utf-8")
    rows = token_lines.read({"t": path}, "sw", separator=separator, prefixed=prefixed)
    got = [list(zip(row["tokens"], row["tags"], strict=True)) for row in rows]
    assert got == sentences


def test_columns_and_comments_of_the_parallel_meaning_bank(tmp_path):
    """A comment may hold tabs, and `#` alone is a token."""
    text = "### x\n# tok\tcat\na\tl\tn\n#\tl\tn/n\n\n"
    rows = token_lines.read(one(tmp_path, text), "en", columns=3, tag=2, comments=["###", "# "])
    assert [(row["tokens"], row["tags"]) for row in rows] == [(["a", "#"], ["n", "n/n"])]


def test_parts_are_joined_in_the_order_of_their_names(tmp_path):
    """Ids go on counting."""
    for name in "ab":
        (tmp_path / name).write_text(f"{name}\tO\n")
    rows = token_lines.read({"b": tmp_path / "b", "a": tmp_path / "a"}, "en")
    assert [(row["id"], row["tokens"]) for row in rows] == [("0", ["a"]), ("1", ["b"])]


def test_tags_that_the_recipe_does_not_know_are_mapped(tmp_path):
    """MasakhaNER's dates are nothing to a model trained on PAN-X."""
    rows = token_lines.read(one(tmp_path, "jana\tB-DATE\n"), "sw", tags={"B-DATE": "O"})
    assert [row["tags"] for row in rows] == [["O"]]


@pytest.mark.parametrize(
    ("line", "options", "problem"),
    [
        ("b", {}, r"file\.txt:2: expected 2 cells, found 1 in 'b'"),
        ("\tO", {}, r"file\.txt:2: expected a token"),
        ("b\t", {}, r"file\.txt:2: expected a tag"),
        ("b\tO", {"prefixed": True}, r"file\.txt:1: expected 'xx:' before the token"),
    ],
)
def test_a_line_that_is_no_token_and_tag_is_named(tmp_path, line, options, problem):
    """One line lost would shift all tags after it."""
    with pytest.raises(MalformedFile, match=problem):
        list(token_lines.read(one(tmp_path, f"a\tO\n{line}\n"), "en", **options))


def test_lines_without_a_token_are_left_out_when_asked(tmp_path):
    """MasakhaNER 2's isiXhosa train set has two."""
    rows = token_lines.read(one(tmp_path, "a\tO\n\tO\n"), "xh", skip_empty_tokens=True)
    assert list(rows) == [
        Remark("token left out: it is empty"),
        {"id": "0", "tokens": ["a"], "tags": ["O"]},
    ]


def test_runs_of_spaces_separate_and_surround_cells_when_asked(tmp_path):
    """A file of a shared task, for instance."""
    files = one(tmp_path, "a   B-PER \nb \t O\n")
    (row,) = token_lines.read(files, "sl", any_space=True)
    assert (row["tokens"], row["tags"]) == (["a", "b"], ["B-PER", "O"])
    with pytest.raises(MalformedFile, match=r"file\.txt:1: expected 2 cells, .*any_space: true"):
        list(token_lines.read(files, "sl", separator=" "))


def test_another_encoding_is_read_when_asked(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes("año O\n".encode("latin-1"))
    (row,) = token_lines.read({"t": path}, "es", separator=" ", encoding="latin-1")
    assert row["tokens"] == ["año"]
    with pytest.raises(MalformedFile, match=r"file\.txt:1: not UTF-8 at byte 1.*`encoding`"):
        list(token_lines.read({"t": path}, "es", separator=" "))


# --- CoNLL-U -------------------------------------------------------------------------------------


def word(number, form, upos, head):
    return f"{number}\t{form}\t_\t{upos}\t_\t_\t{head}\t_\t_\t_\n"


def span(first, last, form):
    return f"{first}-{last}\t{form}" + "\t_" * 8 + "\n"


AL_LADO = (
    "# text = va al lado\n"
    + word(1, "va", "VERB", 0)
    + span(2, 3, "al")
    + word(2, "a", "ADP", 4)
    + word(3, "el", "DET", 4)
    + word(4, "lado", "NOUN", 1)
    + "4.1\tx" + "\t_" * 8 + "\n\n"
)  # fmt: skip


def test_a_multiword_token_becomes_one_token(tmp_path):
    """Both words hang from the noun: as near to the root, so the precedence decides for ADP."""
    (row,) = conllu.read(one(tmp_path, AL_LADO), "es")
    assert row == {"id": "0", "tokens": ["va", "al", "lado"], "tags": ["VERB", "ADP", "NOUN"]}


def test_the_word_nearest_to_the_root_gives_the_tag(tmp_path):
    """Before any precedence: a low-ranked head wins over a high-ranked dependent."""
    text = span(1, 2, "vámonos") + word(1, "vamos", "PART", 0) + word(2, "nos", "VERB", 1)
    (row,) = conllu.read(one(tmp_path, text), "sw")
    assert (row["tokens"], row["tags"]) == (["vámonos"], ["PART"])


def test_syntactic_words_are_kept_when_asked(tmp_path):
    """Universal Dependencies' own way; empty nodes are never words."""
    (row,) = conllu.read(one(tmp_path, AL_LADO), "es", fused=False)
    assert row["tokens"] == ["va", "a", "el", "lado"]


def test_spaces_and_non_joiners_inside_forms_are_deleted(tmp_path):
    """As XTREME's preprocessing does."""
    (row,) = conllu.read(
        one(tmp_path, word(1, "10 000", "NUM", 0) + word(2, "می\u200cرود", "VERB", 1)), "fa"
    )
    assert row["tokens"] == ["10000", "میرود"]


def test_sentences_without_their_text_are_dropped(tmp_path):
    """Some treebanks withhold it; ids still count them."""
    withheld = word(1, "_", "NOUN", 0) + word(2, ".", "PUNCT", 1) + "\n"
    rows = list(conllu.read(one(tmp_path, withheld + AL_LADO), "es"))
    assert rows[0] == Remark("sentence left out: the treebank withholds its words")
    assert rows[1]["id"] == "1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\tva\tVERB\n", r"file\.txt:1: expected 10 columns, found 3"),
        (
            word("x", "va", "VERB", 0),
            r"file\.txt:1: expected the numbers of a word and its head, found 'x'",
        ),
        (word(1, "va", "VERB", "y"), r"file\.txt:1: .*'y'"),
        (
            word(1, "a", "X", 0) + word(3, "b", "X", 1),
            r"file\.txt:2: expected word 2, found word 3",
        ),
        (span(3, 2, "al"), r"file\.txt:1: expected the numbers of a word"),
        (word("٣", "va", "VERB", 0), r"file\.txt:1: expected the numbers of a word"),
        (
            span(1, 9, "a b c") + word(1, "a", "X", 0) + word(2, "b", "X", 1),
            r"file\.txt:1: the multiword token 1-9 ends after the last word, 2",
        ),
        (
            span(1, 999999999, "a") + word(1, "a", "X", 0),
            r"file\.txt:1: the multiword token 1-999999999 ends after the last word, 1",
        ),
        (span(1, 99999999999, "a"), r"file\.txt:1: expected the numbers of a word"),
        (
            word(1, "a", "X", 0) + span(1, 2, "ab") + word(2, "b", "X", 1),
            r"file\.txt:2: expected a multiword token that begins with word 2 .* found 1-2",
        ),
        (
            span(1, 2, "ab") + word(1, "a", "X", 0) + span(2, 3, "bc") + word(2, "b", "X", 1),
            r"file\.txt:3: expected a multiword token that .* lies after word 2, found 2-3",
        ),
    ],
)
def test_damaged_conllu_is_named_with_its_line(tmp_path, text, problem):
    """Never a bare ValueError."""
    with pytest.raises(MalformedFile, match=problem):
        list(conllu.read(one(tmp_path, text), "en"))


def test_a_cycle_of_heads_does_not_hang(tmp_path):
    """Invalid trees exist."""
    text = span(1, 2, "ab") + word(1, "a", "NOUN", 2) + word(2, "b", "VERB", 1)
    (row,) = conllu.read(one(tmp_path, text), "en")
    assert row["tokens"] == ["ab"]


def test_the_nearest_word_of_a_long_range_is_found_in_time(tmp_path):
    """Each word hangs on the next one: to walk from each to the root would take minutes."""
    last = 20_000
    text = span(1, last, "all") + "".join(word(i, "w", "NOUN", i + 1) for i in range(1, last))
    (row,) = conllu.read(one(tmp_path, text + word(last, "w", "VERB", 0)), "xx")
    assert (row["tokens"], row["tags"]) == (["all"], ["VERB"])


# --- CCGbank -------------------------------------------------------------------------------------

DERIVATION = (
    "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n"
    "(<T S[dcl] 0 2> (<L NP NNP NNP Vinken NP>) (<T S[dcl]\\NP 0 2> "
    "(<L S[dcl]\\NP VBZ VBZ reads S[dcl]\\NP>) (<L RRB RRB RRB -RRB- RRB>) ) )\n"
)


def test_leaves_of_a_derivation_are_words_with_categories(tmp_path):
    """Made by hand: CCGbank itself may not be passed on."""
    (row,) = ccg_auto.read(one(tmp_path, DERIVATION), "en")
    assert row == {
        "id": "wsj_0001.1",
        "tokens": ["Vinken", "reads", ")"],
        "tags": ["NP", "S[dcl]\\NP", "RRB"],
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n",
            "",
            r"file\.txt:1: expected an 'ID=' line",
        ),
        ("NP NNP NNP", "NP NNP", r"file\.txt:2: expected leaves of the form .* 2 of them among 3"),
    ],
)
def test_a_damaged_derivation_is_named(tmp_path, old, new, problem):
    """A leaf that cannot be read is not passed over."""
    with pytest.raises(MalformedFile, match=problem):
        list(ccg_auto.read(one(tmp_path, DERIVATION.replace(old, new)), "en"))


def test_sentences_of_a_treebank_are_text_too(tmp_path):
    """The comments hold them; a treebank whose text is withheld has underscores."""
    path = tmp_path / "x.conllu"
    path.write_text("# sent_id = 1\n# text = Habari ya mji.\n1\tx\n\n# text = _ _ _\n\n")
    assert list(conllu_text.read({"x": path}, "sw")) == [
        {"id": "0", "text": "Habari ya mji."},
        Remark("sentence left out: the treebank withholds its words"),
    ]
