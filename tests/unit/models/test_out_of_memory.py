"""Memory that runs out: which errors say so."""

from __future__ import annotations

import pytest
import torch

from support import tiny
from xstilts.errors import TrainingError
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


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
    ids=str,
)
def test_libraries_say_it_in_words_of_their_own(error):
    assert out_of_memory.is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
    ],
    ids=str,
)
def test_other_errors_of_a_device_are_other_matters(error):
    assert not out_of_memory.is_out_of_memory(error)


class TestWithAllMemory:
    def test_work_that_does_not_fit_is_done_once_more(self):
        """The cache was emptied in between."""
        failures = [torch.OutOfMemoryError("CUDA out of memory")]

        def work():
            if failures:
                raise failures.pop()
            return "done"

        assert out_of_memory.with_all_memory("step 1", work) == "done"

    def test_work_that_never_fits_is_a_clear_error(self):
        with pytest.raises(TrainingError, match=r"^step 1: out of memory; .* use a larger one"):
            out_of_memory.with_all_memory("step 1", tiny.too_much)

    def test_another_error_is_raised_at_once(self):
        with pytest.raises(RuntimeError, match=r"^shapes$"):
            out_of_memory.with_all_memory("step 1", other_error)


def other_error():
    raise RuntimeError("shapes")
