"""Snakemake is quick with large grids, and plans what it would have planned."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from snakemake import sourcecache
from snakemake.common import get_function_params, get_input_function_aux_params

from xstilts.workflow import dag

SNAKEFILE = """
from xstilts.dag import make_haste, of_wildcards

{haste}

rule all:
    input:
        "b1",
        "b2",

rule b:
    input:
        of_wildcards(lambda w: f"a{{w.n}}"),
    output:
        "b{{n}}",
    params:
        n=of_wildcards(lambda w, input: len(input) + int(w.n)),
    script:
        "b.py"

rule a:
    output:
        "a{{n}}",
    script:
        "b.py"
"""
HASTE = "make_haste(workflow.output_settings)"


def planned(folder, haste: str, *arguments: str) -> str:
    """What a dry run prints from the DAG on."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(haste=haste))
    (folder / "b.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("Building DAG of jobs...")[2]


def words(text: str) -> list[list[str]]:
    """Lines and their words, sorted, without times: Snakemake's order is that of its sets."""
    lines = (line for line in text.splitlines() if not line.startswith("["))
    return sorted(sorted(line.replace(",", " ").split()) for line in lines)


def test_a_quiet_dry_run_is_its_numbers(tmp_path):
    """Without it Snakemake prints every job; when it no longer does, this is not needed."""
    quiet = planned(tmp_path, HASTE, "-q", "all")
    assert "rule a:" in planned(tmp_path, "", "-q", "all")
    assert "rule" not in quiet
    numbers = [line for line in words(quiet) if line and line[0].isdigit()]
    assert numbers == [["1", "all"], ["2", "a"], ["2", "b"], ["5", "total"]]


def test_a_dry_run_is_otherwise_the_same(tmp_path):
    """Job by job, with inputs, outputs and reasons."""
    slow, quick = (words(planned(tmp_path, haste)) for haste in ("", HASTE))
    assert slow == quick
    assert sum("rule" in line for line in slow) == 5


@pytest.fixture
def parsed_once(monkeypatch):
    """Snakemake's parser of paths, made quick for one test."""
    monkeypatch.setattr(sourcecache, "parse_uri", sourcecache.parse_uri)
    dag.parse_each_uri_once()
    return sourcecache.parse_uri


def test_a_script_is_parsed_once(parsed_once):
    """By whatever Snakemake asks for it; the answer is the same."""
    before = parsed_once.cache_info().misses
    places = {sourcecache.LocalSourceFile("/x/b.py").get_cache_path() for _ in range(3)}
    assert parsed_once.cache_info().misses == before + 1
    assert places == {"file/x/b.py"}


def test_it_is_made_quick_once(parsed_once):
    dag.parse_each_uri_once()
    assert sourcecache.parse_uri is parsed_once


def test_a_snakemake_that_has_another_parser_is_left_alone(monkeypatch):
    monkeypatch.delattr(sourcecache, "parse_uri")
    dag.parse_each_uri_once()
    assert not hasattr(sourcecache, "parse_uri")


def test_a_function_has_its_signature_at_hand():
    """Snakemake finds the same parameters, and Python works nothing out."""

    def inputs(w, input, attempt=1):
        return w

    plain = dict(get_function_params(inputs))
    assert dag.of_wildcards(inputs) is inputs
    assert get_function_params(inputs) == plain
    assert inspect.signature(inputs) is inspect.signature(inputs)
    assert get_input_function_aux_params(inputs, {"input": 1, "output": 2}) == {"input": 1}
