"""The checks of a GPU run without one, and find what is wrong."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from xstilts.metrics.nearest_neighbours import Neighbours
from xstilts.models import dropout
from xstilts.tasks import nearest_neighbours

CHECKS = ["masks", "attention", "loss", "repeated", "resumed", "memory", "waiting", "search"]


@pytest.fixture(scope="module")
def program(bench):
    return bench("gpu_check")


@pytest.fixture(scope="module")
def place(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    program.gpu.prepare(folder, program.SHAPE)
    return program.Place(torch.device("cpu"), folder)


def test_all_checks_have_a_test(program):
    assert list(program.CHECKS) == CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_a_cpu_passes(program, place, name):
    found = program.checked(program.CHECKS[name], place)
    assert found["ok"], found


def test_another_mask_is_found(program, place, monkeypatch):
    """As if a device's integers did not wrap; only what computes in one operation is changed."""
    hashed = dropout.hashed

    def broken(tokens, columns, *, in_one):
        return hashed(tokens, columns, in_one=in_one) + int(in_one)

    monkeypatch.setattr(dropout, "hashed", broken)
    found = program.checked(program.masks, place)
    assert found["error"] == "other hashes than the CPU's"


def test_a_wrong_neighbour_is_found(program, place, monkeypatch):
    nearest = nearest_neighbours.nearest

    def broken(queries, candidates, k):
        found = nearest(queries, candidates, k)
        found.row[-1, -1] += 1
        return Neighbours(found.similarity, found.row)

    monkeypatch.setattr(nearest_neighbours, "nearest", broken)
    assert program.checked(program.search, place)["error"] == "other neighbours with k = 1"


def test_the_program_writes_one_file_and_says_whether_all_is_right(
    program, place, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    wanted = ["--folder", str(place.folder), "--checks", "masks", "search"]
    out = ["--out", str(tmp_path / "c.json")]
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--device", "cpu", *out, *wanted])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["machine"]["torch"] == torch.__version__
    assert [name for name, each in found["checks"].items() if each["ok"]] == ["masks", "search"]
    assert "right" in capsys.readouterr().out
