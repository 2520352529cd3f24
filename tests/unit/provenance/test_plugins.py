"""Functions of other packages are found by their entry points; a missing one names its package."""

from __future__ import annotations

import sys

import pytest

from xstilts.errors import MissingPlugin
from xstilts.provenance import plugins
from xstilts_demo.build import build
from xstilts_demo.e5s import from_wheels


def test_the_project_offers_its_embedded_benchmark_and_encoder():
    assert plugins.load(plugins.SOURCES, "embedded") is build
    assert plugins.load(plugins.ENCODERS, "e5s") is from_wheels


def test_the_module_that_defines_a_plugin_is_known_without_importing_it():
    assert plugins.module(plugins.SOURCES, "embedded") == "xstilts_demo.build"


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    plugins._entry.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    monkeypatch.setattr(plugins, "LIBRARY", tmp_path / "site-packages" / "xstilts")
    yield
    plugins._entry.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("find", [plugins.load, plugins.module])
def test_a_missing_plugin_of_this_project_names_its_extra(find):
    with pytest.raises(MissingPlugin) as refused:
        find(plugins.SOURCES, "embedded")
    assert str(refused.value) == (
        "xstilts.sources: no installed package offers 'embedded' (offered: nothing). "
        'Install it: pip install "xstilts[demo]"'
    )


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_plugin_of_others_names_the_entry_point():
    with pytest.raises(MissingPlugin, match=r"whose entry points 'xstilts\.sources' name 'corpus'"):
        plugins.load(plugins.SOURCES, "corpus")


def test_a_plugin_that_cannot_be_imported_is_named_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "xstilts_demo.build", None)
    with pytest.raises(MissingPlugin, match=r"'embedded' cannot be used: .*xstilts_demo\.build"):
        plugins.load(plugins.SOURCES, "embedded")


@pytest.mark.usefixtures("nothing_installed")
class TestCheckout:
    """A checkout that is on the path and not installed, as jobs in conda's environments see it."""

    @pytest.fixture
    def declare(self, tmp_path, monkeypatch):
        monkeypatch.setattr(plugins, "LIBRARY", tmp_path / "src" / "xstilts")

        def declare(project):
            (tmp_path / "pyproject.toml").write_text(
                f'[project]\nname = "{project}"\n'
                '[project.entry-points."xstilts.sources"]\nembedded = "xstilts_demo.build:build"\n'
            )

        return declare

    def test_its_own_declaration_counts(self, declare):
        declare("xstilts")
        assert plugins.load(plugins.SOURCES, "embedded") is build

    def test_another_project_around_it_does_not(self, declare):
        declare("study-of-somebody")
        with pytest.raises(MissingPlugin, match="offered: nothing"):
            plugins.load(plugins.SOURCES, "embedded")

    def test_a_group_that_it_does_not_declare_is_empty(self, declare):
        declare("xstilts")
        with pytest.raises(MissingPlugin, match="offered: nothing"):
            plugins.load(plugins.ENCODERS, "e5s")
