"""The table of devices: what each computes, and under which name torch knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xstilts.config.tables import read_table_if_present

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Row = dict[str, str]


def read_devices(costs: Path) -> dict[str, Row]:
    """The rows of ``devices.tsv`` by their names; none where a project has no such table."""
    return {row["device"]: row for row in read_table_if_present(costs / "devices.tsv")}


def row_of(torch_name: str, rows: Iterable[Row]) -> Row | None:
    """The row of a device that torch calls so; None for a device that the table does not have.

    The longest name counts that occurs as whole words: a GH200 is no H200, an A10G is no A10.

    >>> row_of("NVIDIA H100 PCIe", [{"name": "H100"}, {"name": "H100 PCIe"}])
    {'name': 'H100 PCIe'}
    >>> row_of("NVIDIA GH200 480GB", [{"name": "H200"}])

    A slice of a GPU (multi-instance GPU, MIG) computes a part of what the whole does: None.

    >>> row_of("NVIDIA A100-SXM4-80GB MIG 3g.40gb", [{"name": "A100"}])
    """
    if _occurs("MIG", torch_name):
        return None
    found = [row for row in rows if row.get("name") and _occurs(row["name"], torch_name)]
    return max(found, key=lambda row: len(row["name"]), default=None)


def _occurs(name: str, text: str) -> bool:
    whole = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
    return re.search(whole, text, re.IGNORECASE) is not None
