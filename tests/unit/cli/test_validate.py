"""``xstilts validate``."""

from __future__ import annotations

import pytest
import yaml

from support.places import ROOT
from xstilts.cli.main import main
from xstilts.cli.validate import size


@pytest.fixture
def write(world):
    """Write the world's study with other values for some keys."""

    def write_study(name="mine.yaml", **changes):
        path = world.folder / name
        path.write_text(yaml.safe_dump(world.study | changes))
        return str(path)

    return write_study


def test_a_valid_study_is_counted(world, write, capsys):
    """Scores, and the trainings that they take."""
    assert main(["validate", "--cards", str(world.config), write()]) == 0
    # 5 + 4 + 2 languages, 4 conditions, 2 seeds; 2 recipes in each and 3 first stages
    assert capsys.readouterr().out.endswith("mine.yaml: ok, 88 scores from 22 trainings\n")


def test_the_count_is_that_of_the_grid(world):
    """Of distinct training stages."""
    grid = world.grid(seeds={"default": [1], "none": [1, 2, 3], "multi": [4]})
    assert size(grid.resolved).endswith(f" {len(set(grid.reads.trainings()))} trainings")


def test_a_problem_is_one_line_on_stderr(world, write, capsys):
    """Status 1; the other studies are checked all the same."""
    path = write(seeds=[1, 1], encoders=[])
    assert main(["validate", "--cards", str(world.config), path, write("good.yaml"), path]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("good.yaml: ok, 88 scores from 22 trainings\n")
    assert err.splitlines() == 2 * [
        f"xstilts: {path}: encoders: must not be empty",
        f"xstilts: {path}: seeds: listed twice: 1",
    ]


def test_a_file_that_does_not_exist_is_named(world, capsys):
    """With the system's reason."""
    assert main(["validate", "--cards", str(world.config), "gone.yaml"]) == 1
    assert capsys.readouterr().err == (
        "xstilts: gone.yaml: cannot be read (No such file or directory)\n"
    )


def test_without_arguments_all_studies_of_config_are_checked(capsys, monkeypatch):
    """From the project's folder."""
    monkeypatch.chdir(ROOT)
    assert main(["validate"]) == 0
    assert "config/config.yaml: ok, " in capsys.readouterr().out


def test_keys_are_set_as_for_snakemake(world, write, capsys):
    """`--config` takes what `snakemake --config` takes."""
    command = ["validate", write(), "--cards", str(world.config), "--config", "seeds=[1,2,3]"]
    assert main([*command, "languages=[de]"]) == 0
    assert capsys.readouterr().out.endswith(
        "mine.yaml + --config: ok, 36 scores from 33 trainings\n"
    )


def test_several_files_are_one_study(world, write, capsys):
    """`--configfile` merges as `snakemake --configfile` merges."""
    more = world.folder / "more.yaml"
    more.write_text("seeds: [7]\n")
    command = ["validate", "--cards", str(world.config), "--configfile", write(), str(more)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.endswith(f"mine.yaml + {more}: ok, 44 scores from 11 trainings\n")


class TestOutsideTheProject:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        monkeypatch.chdir(folder)
        return folder

    def test_it_says_where_it_looked_for_cards(self, write, elsewhere, capsys):
        """And how to name them; not that no encoder is known."""
        assert main(["validate", write(), "--cards", "config"]) == 2
        assert capsys.readouterr().err == (
            f"xstilts: no cards in {elsewhere}/config: it has no tasks, encoders, languages.tsv; "
            "name a folder of cards with --cards, or leave the option out to use the cards of the "
            "package\n"
        )

    def test_it_reads_the_cards_of_the_package(self, write, capsys):
        """Where neither the folder nor the command names others."""
        known = {"encoders": ["xlm-r-base"], "conditions": ["none", "mnli"], "targets": ["xnli"]}
        assert main(["validate", write(**known)]) == 0
        assert "mine.yaml: ok, " in capsys.readouterr().out

    def test_a_study_with_cards_of_its_own_needs_no_others(self, world, write, capsys):
        """Its folder of cards is named in it."""
        assert main(["validate", write(cards=str(world.config))]) == 0
        assert capsys.readouterr().err == ""

    def test_a_folder_of_cards_without_a_study(self, world, capsys):
        """There is nothing to check by default."""
        assert main(["validate", "--cards", str(world.config)]) == 2
        assert capsys.readouterr().err == (
            f"xstilts: {world.config}: holds no study (*.yaml); name the files of studies\n"
        )


def test_a_claims_file_is_checked_too(world, capsys):
    """It is known by its list of claims."""
    path = world.config / "claims.yaml"
    claim = {"id": 1, "text": "So it is.", "source": "me", "not_testable": "because"}
    path.write_text(yaml.safe_dump({"claims": [claim]}))
    assert main(["validate", "--cards", str(world.config)]) == 0
    assert capsys.readouterr().out.endswith("claims.yaml: ok, 1 claims\n")


def test_a_misspelled_claim_is_one_line_on_stderr(world, capsys):
    """With the file and the claim."""
    path = world.config / "claims.yaml"
    claim = {"id": 1, "text": "So it is.", "sorce": "me", "source": "me", "not_testable": "because"}
    path.write_text(yaml.safe_dump({"claims": [claim]}))
    assert main(["validate", "--cards", str(world.config), str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"xstilts: {path}: claim 1: sorce: unknown key 'sorce'; did you mean")
