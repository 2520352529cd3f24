"""The audit of a study that Snakemake has run."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.workflow


def test_a_run_is_audited_at_its_end(project):
    """All is verified; what was altered afterwards fails the next audit, which names it."""
    project.snakemake("audit")
    found = json.loads((project.folder / "results/tiny/audit.json").read_text())
    assert (found["verdict"], found["findings"]) == ("verified", [])
    assert (project.folder / "results/tiny/audit.html").is_file()
    raw = next(iter(sorted(project.folder.glob("resources/raw/**/*.jsonl"))))
    raw.write_bytes(raw.read_bytes() + b"\n")  # no run reads it again
    done = project.snakemake("audit", check=False)
    assert done.returncode
    assert f"{raw.relative_to(project.folder)}: this raw file is not the one" in done.stdout


def test_scores_of_a_run_are_confirmed_by_computing_them_again(finished, tmp_path):
    """Bit by bit, although Snakemake had computed them in other processes."""
    target = tmp_path / "audit.json"
    finished.xstilts(
        "audit", "results/tiny", "--reexecute", "3", "--json", str(target), check=False
    )
    found = json.loads(target.read_text())["reexecution"]
    assert [score["outcome"] for score in found["scores"]] == ["identical"] * 3
    assert [score["other_machine"] for score in found["scores"]] == [[]] * 3
