"""``xstilts init``; tests/unit/test_install.py plans the project that it writes."""

from __future__ import annotations

from xstilts.cli.main import main


def test_a_folder_with_files_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert capsys.readouterr().err == f"xstilts: {tmp_path}: is not empty; name a new folder\n"


def test_its_study_is_the_default_of_every_command(tmp_path, monkeypatch, capsys):
    assert main(["init", str(tmp_path / "new")]) == 0
    monkeypatch.chdir(tmp_path / "new")
    assert main(["validate"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("config/config.yaml: ok, ")
