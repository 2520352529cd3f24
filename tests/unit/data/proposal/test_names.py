"""Languages and splits in the names of files and configurations."""

from __future__ import annotations

import pytest

from support.world import ROOT
from xstilts.config.languages import read_languages
from xstilts.data.proposal.names import LanguageNames, split_of, with_place


@pytest.fixture(scope="module")
def names():
    return LanguageNames(read_languages(ROOT / "config/languages.tsv"))


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("sw", "sw"),
        ("swa", "sw"),
        ("swh_Latn", "sw"),
        ("Swahili", "sw"),
        ("eng_Latn", "en"),
        ("arb_Arab", "ar"),
        ("zho_Hant", "zho_Hant"),
        ("ayr_Latn", "aym"),
        ("prs_Arab", "prs"),
        ("pes_Arab", "fa"),
        ("plain_text", None),
        ("default", None),
        ("v1", None),
        ("qqq", None),
    ],
)
def test_a_language_is_known_however_it_is_written(names, written, code):
    assert names.code_of(written) == code


@pytest.mark.parametrize(
    ("path", "piece"),
    [
        ("train.en", "en"),
        ("swh_Latn/test", "swh_Latn"),
        ("data/test_yor", "yor"),
        ("validation", None),
        ("en-sw/test", None),
    ],
)
def test_a_path_says_one_language_or_none(names, path, piece):
    assert names.piece_of(path) == piece


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("sw/validation-00000-of-00001", "dev"),
        ("x_test", "test"),
        ("all", None),
    ],
)
def test_a_name_says_its_split(name, split):
    assert split_of(name) == split


def test_a_piece_is_replaced_wherever_it_stands_by_itself():
    assert with_place("ne/train.ne.one", "ne") == "{code}/train.{code}.one"
