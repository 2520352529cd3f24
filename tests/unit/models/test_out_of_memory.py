"""Memory that runs out: which errors say so."""

from __future__ import annotations

import pytest
import torch

from support import tiny
from xstilts.models import out_of_memory


def no_gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_what_an_allocation_that_fails_raises_is_known():
    """On the CPU it is torch's bare RuntimeError; another RuntimeError is another matter."""
    for allocate in (tiny.too_much, no_gpu_memory):
        with pytest.raises(RuntimeError) as caught:
            allocate()
        assert out_of_memory.is_out_of_memory(caught.value)
    assert out_of_memory.is_out_of_memory(MemoryError())
    assert not out_of_memory.is_out_of_memory(RuntimeError("shapes do not match"))
