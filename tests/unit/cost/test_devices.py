"""The table of devices."""

from __future__ import annotations

import pytest

from xstilts.cost.devices import read_devices, row_of

ROWS = [{"device": name, "name": name.upper()} for name in ("h200", "h100", "h100 pcie", "a10")]
ROWS.append({"device": "cpu", "name": ""})


@pytest.mark.parametrize(
    ("torch_name", "device"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100 pcie"),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A10G", None),
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", None),
        ("NVIDIA A100-SXM4-80GB", None),
        ("", None),
    ],
)
def test_a_name_counts_where_it_occurs_as_words(torch_name, device):
    row = row_of(torch_name, ROWS)
    assert (row and row["device"]) == device


def test_a_project_without_the_table_has_no_devices(tmp_path):
    assert read_devices(tmp_path) == {}
