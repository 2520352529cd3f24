"""The device of a job and its precision, both of which the job's results record."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from xstilts.config.study import Compute


@dataclass(frozen=True)
class Device:
    """One device; ``precision`` is resolved: fp32 or bf16."""

    kind: str
    precision: str
    cpu_threads: int

    @staticmethod
    def choose(compute: Compute) -> Device:
        """A GPU if there is one; bf16 where ``auto`` finds hardware that computes in it."""
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        precision = compute.precision
        if precision == "auto":
            able = torch.cuda.is_bf16_supported() if kind == "cuda" else _cpu_computes_bf16()
            precision = "bf16" if able else "fp32"
        return Device(kind, precision, compute.threads)

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.kind)

    @property
    def dtype(self) -> Any:
        """The type that large products are computed in, as torch names it."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 autocast over float32 weights, or nothing."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16)

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Compute with exactly the study's number of threads, whatever the machine offers."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.cpu_threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def describe(self) -> dict[str, Any]:
        """Its kind, name and precision, for the record of the run."""
        name = (
            torch.cuda.get_device_name()
            if self.kind == "cuda"
            else torch.backends.cpu.get_cpu_capability()
        )
        return {"device": self.kind, "device_name": name, "precision": self.precision}


def uploaded(values: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy an array of the host to a device.

    To a GPU it is copied from pinned memory, behind the work that the GPU has queued. From ordinary
    memory the host would wait until that work is done.
    """
    tensor = torch.as_tensor(values)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class AsyncScalars:
    """Numbers that a device has yet to compute, on their way to the host.

    Reading them waits for the work that was queued before this object was made, not for later work.
    """

    def __init__(self, values: torch.Tensor) -> None:
        """Queue the copy to the host; does not wait."""
        # a non-blocking copy to the host goes to pinned memory
        self._host = values.detach().to("cpu", non_blocking=True)
        self._copied = torch.cuda.Event() if values.is_cuda else None  # type: ignore[no-untyped-call]
        if self._copied is not None:
            self._copied.record()

    def tolist(self) -> list[float]:
        """The numbers; waits until they are computed."""
        if self._copied is not None:
            self._copied.synchronize()
        numbers: list[float] = self._host.tolist()
        return numbers


def _cpu_computes_bf16() -> bool:
    return bool(torch.cpu._is_amx_tile_supported())
