"""The command as a whole: its help, its exit status, its errors."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

import pytest

from support.places import ROOT
from xstilts.cli.main import SUBCOMMANDS, main

COMMANDS = ("validate", "plan", "status", "export", "score", "invalidate", "schema")


def test_it_is_run_as_a_module_too():
    """Where the command is not on the path; the help lists the subcommands."""
    command = [sys.executable, "-m", "xstilts.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(f"\n    {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_subcommand_explains_itself(command, capsys):
    """Without any study or card."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: xstilts {command}" in capsys.readouterr().out


@pytest.mark.parametrize("module", SUBCOMMANDS, ids=lambda module: module.__name__)
def test_the_help_of_a_subcommand_ends_in_an_example_that_it_accepts(module):
    """The example is a call of the command itself, with arguments that its parser knows."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add(commands := parser.add_subparsers())
    for name, subparser in commands.choices.items():
        example = shlex.split(subparser.epilog.removeprefix("Example: ").partition(" > ")[0])
        assert example[:2] == ["xstilts", name]
        assert callable(parser.parse_args(example[1:]).run)


@pytest.mark.parametrize(
    ("words", "completed"),
    [(["pla"], "plan"), (["plan", "--gp"], "--gpus"), (["plan", "READ"], "README.md")],
)
def test_bash_completes_commands_options_and_files(words, completed, capsys):
    """With the script that --print-completion prints."""
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    line = ["xstilts", *words]
    ask = (
        f"COMP_WORDS=({' '.join(line)}); COMP_CWORD={len(words)}\n"
        f'_shtab_xstilts xstilts {line[-1]} {line[-2]}; echo "${{COMPREPLY[@]}}"\n'
    )
    bash = subprocess.run(
        ["bash"],
        input=capsys.readouterr().out + ask,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert bash.stdout.strip() == completed


def test_help_imports_nothing_heavy():
    """Numbers and tables are for the subcommands that need them."""
    code = (
        "import sys, xstilts.cli.main\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'numpy', 'pydantic', 'rich'}\n"
        "print(*heavy & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["validate", "gone.yaml"], 1),
        (["plan", "gone.yaml"], 1),
        (["status", "gone.yaml"], 1),
        (["score", "gone", "gone"], 1),
        (["export", "gone/stamp.json", "out"], 2),
        (["invalidate", "gone.jsonl", "en"], 2),
        (["plan", "--config", "seeds"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_error_is_one_line_and_a_status(command, status, tmp_path, monkeypatch, capsys):
    """1 where something cannot be done, 2 where the call is wrong; nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    assert main(command) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xstilts: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["forget"], ["validate", "--no-such-option"]])
def test_a_command_that_does_not_exist_is_a_wrong_call(command, capsys):
    """As argparse answers it."""
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: xstilts" in capsys.readouterr().err
