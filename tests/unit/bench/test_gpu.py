"""The benchmark for GPUs, as far as it can be seen without one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from support.world import ROOT
from xstilts.models.batch import one_sequence_instances, pack
from xstilts.models.network import registry

PROGRAM = ROOT / "bench/gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("bench_gpu", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_gpu"] = module  # where dataclasses look up their types
    spec.loader.exec_module(module)
    return module


def test_operations_are_counted_as_torch_counts_them(gpu, tmp_path):
    """Of the encoder's forward and backward pass, over real tokens; padding is none of ours."""
    shape = gpu.SHAPES["tiny"]
    (tmp_path / "config.json").write_text(json.dumps(gpu.config(shape, dropout=0.1)))
    gpu.weights(tmp_path)
    encoder = registry.blank(tmp_path, 20).train()
    sizes = np.array([5, 9, 30])
    sequences = [np.zeros(n, dtype=np.int32) for n in sizes]
    batch = pack(one_sequence_instances(sequences, sizes, [None] * 3), range(3), step_seed=1)
    with FlopCounterMode(display=False) as counter:
        encoder(batch).sum().backward()
    assert counter.get_total_flops() == shape.flops(sizes)


def test_pairs_have_mnlis_lengths_and_every_word_occurs(gpu):
    """47 tokens on average, and 107 in the longest of 32, as counted on the real pairs."""
    shape = gpu.Shape(1, 1, 1, 1, vocabulary=9000, rows=8000, examples=8192)
    words = [f"{row['text']} {row['text_pair']}".split() for row in gpu.pairs(shape)]
    sizes = np.array([len(w) + 4 for w in words])
    assert sizes.mean() == pytest.approx(47.4, abs=1)
    assert sizes.reshape(-1, 32).max(1).mean() == pytest.approx(107, abs=4)
    assert {word for w in words for word in w} == {f"w{i}" for i in range(4, 8000)}


def test_a_chip_is_found_by_the_longest_name_that_fits(gpu, monkeypatch):
    """As torch names chips; bf16 is computed in."""
    names = {
        "NVIDIA H100 80GB HBM3": "h100",
        "NVIDIA H100 PCIe": "h100-pcie",
        "NVIDIA A100-SXM4-80GB": "a100",
        "NVIDIA A100-SXM4-40GB": "a100-40gb",
        "NVIDIA A10": "a10",
        "NVIDIA A10G": None,
        "NVIDIA GH200 480GB": None,
        "NVIDIA unheard of": None,
    }
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    for name, device in names.items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        assert (gpu.chip_of_this() or {"device": None})["device"] == device


def test_the_program_runs_on_a_cpu(tmp_path):
    """A side's figures are kept, and are there beside those of the next run."""
    tiny = ["--shape", "tiny", "--device", "cpu", "--steps", "1", "--warm", "1"]
    for some in (["ours-fp32"], ["replayed", "ceilings"]):
        command = [sys.executable, PROGRAM, *tiny, "--folder", tmp_path, "--sides", *some]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    sides = json.loads((tmp_path / "tiny.json").read_text())["sides"]
    assert sides["ours-fp32"]["seconds_a_step"] > 0
    assert 1000 < sides["ours-fp32"]["real_tokens_a_step"] < 2000
    assert sides["replayed"]["launched_seconds"] > 0
    assert sides["ceilings"]["adamw_seconds"] > 0
    assert "no graph without a GPU" in done.stdout
    assert "ours-fp32" in done.stdout
