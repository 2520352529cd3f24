"""The table of languages."""

from __future__ import annotations

import math

import pytest

from support.world import ENCODER, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.languages import Language, read_languages, table_of
from xstilts.errors import StudyError
from xstilts.tasks.registry import SCHEMAS

PROJECT = Catalogue(ROOT / "config", SCHEMAS)
LANGUAGES = PROJECT.languages()


def language(cc100_gib=None, **seen):
    return Language("xx", "Name", None, None, None, cc100_gib, seen)


def test_resources_of_languages_are_read(world):
    """An empty field is unknown, which is not the same as none."""
    languages = world.cards.languages()
    assert languages["sw"].low_resource is True
    assert languages["de"].low_resource is False
    assert languages["mis"].low_resource is None
    assert languages["yo"].seen_by("xlmr") is False
    assert languages["no"].cc100_gib is None


def test_a_damaged_table_is_named(world):
    """The table is edited by hand."""
    path = world.config / "languages.tsv"
    path.write_text(path.read_text().replace("\t5\t66.6", "\tfive\t66.6"))
    with pytest.raises(StudyError, match=r"languages\.tsv: cannot be read: .*'five'"):
        world.cards.languages()


def test_a_table_that_is_written_is_read_as_it_was(tmp_path):
    """The project's own, with every column that decides something."""
    path = tmp_path / "languages.tsv"
    path.write_text(table_of(LANGUAGES.values()), encoding="utf-8")
    assert read_languages(path) == LANGUAGES


@pytest.mark.parametrize("code", ["<b>sw</b>", "../sw", "swahili_language", ""])
def test_a_code_that_bcp_47_does_not_allow_is_named(world, code):
    """It would become the name of a file and a heading of the report."""
    path = world.config / "languages.tsv"
    path.write_text(path.read_text().replace("\nsw\t", f"\n{code}\t"))
    with pytest.raises(StudyError, match=r"languages\.tsv: .* is no language code of BCP 47"):
        world.cards.languages()


class TestSeen:
    def test_each_family_of_encoders_has_its_own_column(self):
        """Yoruba is in mBERT's Wikipedias and not in XLM-R's web text."""
        yoruba = LANGUAGES["yo"]
        assert (yoruba.seen_by("mbert"), yoruba.seen_by("xlmr")) == (True, False)

    def test_a_variety_that_a_list_does_not_tell_is_unknown(self):
        """XLM-R's text is Arabic of any kind; Glot500 names Mesopotamian Arabic."""
        variety = LANGUAGES["acm"]
        assert (variety.seen_by("xlmr"), variety.seen_by("glot500")) == (None, True)

    def test_a_family_without_a_column_knows_nothing(self):
        """Nor does an encoder whose card names none."""
        assert LANGUAGES["en"].seen_by("other") is None
        assert LANGUAGES["en"].seen_by(None) is None

    @pytest.mark.parametrize("family", ["glot500", "afroxlmr", "afroxlmr_76l"])
    def test_encoders_that_go_on_from_xlmr_have_seen_all_of_its_languages(self, family):
        """Further training adds languages."""
        seen = {code for code, row in LANGUAGES.items() if row.seen_by("xlmr")}
        assert seen <= {code for code, row in LANGUAGES.items() if row.seen_by(family)}

    @pytest.mark.parametrize(
        ("family", "languages"), [("xlmr", 100), ("mbert", 104), ("labse", 110), ("afroxlmr", 109)]
    )
    def test_no_family_has_seen_more_languages_than_its_list_has(self, family, languages):
        """The table has most languages of each list."""
        seen = sum(row.seen_by(family) is True for row in LANGUAGES.values())
        assert 0.85 * languages <= seen <= languages

    @pytest.mark.parametrize("name", PROJECT.encoders)
    def test_the_card_of_each_encoder_names_a_column(self, name):
        """Unseen depends on the encoder."""
        assert PROJECT.encoder(name).pretraining in PROJECT.pretraining_families()

    def test_a_family_that_the_table_lacks_is_refused(self, world):
        """Else every language would be unknown for a misspelled name."""
        world.write("encoders", ENCODER | {"pretraining": "xlm"})
        assert world.problem() == (
            "study.yaml: encoders: card 'tiny': pretraining: unknown family 'xlm'; did you mean "
            "'xlmr'? Allowed: xlmr; add the column to languages.tsv"
        )

    def test_it_is_no_part_of_an_encoder_s_identity(self, world):
        """A checkpoint stays valid when its encoder's card learns which languages it has seen."""
        before = world.grid().encoder("tiny").digest
        world.write("encoders", ENCODER | {"pretraining": "xlmr"})
        assert EncoderCard(**world.cards.encoder("tiny").model_dump()).pretraining == "xlmr"
        assert world.grid().encoder("tiny").digest == before

    def test_a_word_that_is_neither_yes_nor_no_is_an_error(self, world):
        """It would silently be unknown."""
        path = world.config / "languages.tsv"
        path.write_text(path.read_text().replace("66.6\tyes", "66.6\tmaybe"))
        with pytest.raises(StudyError, match=r"languages\.tsv: cannot be read: .*'maybe'"):
            world.cards.languages()


class TestResourceLevel:
    def test_it_is_the_logarithm_of_the_size_in_cc100(self):
        """In GiB, plus 0.01."""
        assert language(99.99, xlmr=True).resource_level == pytest.approx(2.0)
        assert LANGUAGES["sw"].resource_level == pytest.approx(math.log10(1.61))

    def test_a_language_that_cc100_lacks_has_the_lowest(self):
        """No text at all."""
        assert language(None, xlmr=False).resource_level == pytest.approx(-2.0)

    @pytest.mark.parametrize("seen", [{}, {"xlmr": True}])
    def test_an_unknown_size_is_unknown(self, seen):
        """Never guessed."""
        assert language(None, **seen).resource_level is None
