"""The device of a job and its precision, both of which the job's results record."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from xstilts.errors import DeviceError

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
        """A GPU if there is one; bf16 where ``auto`` finds hardware that computes in it.

        The environment variable ``XSTILTS_DEVICE=cpu`` chooses the CPU whatever there is. Raises
        `DeviceError` where a GPU was allotted to this process and torch cannot use it.
        """
        kind = _kind()
        if kind == "cuda":
            # cuBLAS reads this when it is first used; without it its sums may come in any order
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        precision = compute.precision
        if precision == "auto":
            able = _gpu_computes_bf16() if kind == "cuda" else _cpu_computes_bf16()
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
    def settings(self) -> Iterator[None]:
        """Compute so that the same job gives the same bits; restore torch's settings afterwards.

        On exactly the study's number of CPU threads, because sums are cut by them. On a GPU with
        deterministic algorithms only: an operation that has none raises a `RuntimeError` with its
        name. cuDNN's attention is left out: it plans again for every shape of a batch (10 to 17 s
        of host time for XNLI in 15 languages, docs/performance.md).
        """
        threads, deterministic = torch.get_num_threads(), _deterministic_settings()
        cudnn = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self.cpu_threads)
        if self.kind == "cuda":
            torch.use_deterministic_algorithms(True)
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            torch.backends.cuda.enable_cudnn_sdp(False)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic[0])
            torch.utils.deterministic.fill_uninitialized_memory = deterministic[1]  # type: ignore[attr-defined]
            torch.backends.cuda.enable_cudnn_sdp(cudnn)

    def describe(self) -> dict[str, Any]:
        """Its kind, name and settings while a job computes, for the record of the run."""
        name = (
            torch.cuda.get_device_name()
            if self.kind == "cuda"
            else torch.backends.cpu.get_cpu_capability()
        )
        return {
            "device": self.kind,
            "device_name": name,
            "precision": self.precision,
            "threads": self.cpu_threads,
            "deterministic_algorithms": self.kind == "cuda",  # a CPU's are deterministic anyway
        }


def uploaded(values: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy an array of the host to a device.

    To a GPU it is copied from pinned memory, behind the work that the GPU has queued. From ordinary
    memory the host would wait until that work is done.
    """
    tensor = torch.as_tensor(values)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def is_cached(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies on a CPU: many small operations, which its caches hold, are fastest.

    A GPU waits for the host to start each operation: there few large ones are.
    """
    return tensor.device.type == "cpu"


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


# --- which device, which precision ---------------------------------------------------------------

CHOICE = "XSTILTS_DEVICE"
"""The environment variable that chooses the CPU where a GPU is visible or allotted."""
_ALLOTTED = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
"""Variables that name the GPUs of a process: set by its user, by Slurm and by other schedulers."""
_NO_GPU = ("", "-1", "NoDevFiles", "none", "void")


def _kind() -> str:
    wanted = os.environ.get(CHOICE, "")
    if wanted not in ("", "cpu"):
        raise DeviceError(f"{CHOICE}={wanted}: only cpu is allowed; unset it to use a GPU")
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    # CUDA_VISIBLE_DEVICES counts first: an empty one takes the GPUs away that Slurm has given
    named = [name for name in _ALLOTTED if name in os.environ][:1]
    for name in named:
        if os.environ[name] not in _NO_GPU:
            raise DeviceError(
                f"a GPU was allotted to this job ({name}={os.environ[name]}), but torch "
                f"{torch.__version__} cannot use it: {_reason()}. To compute on the CPU all the "
                f"same, set {CHOICE}=cpu"
            )
    return "cpu"


def _reason() -> str:
    if torch.version.cuda is None:
        return "it is a build without CUDA; install envs/lock-cuda.txt (docs/cluster.md)"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return f"{str(error).splitlines()[0]}; it needs a driver for CUDA {torch.version.cuda}"
    return f"it finds no GPU with a driver for CUDA {torch.version.cuda}"


def _gpu_computes_bf16() -> bool:
    """Whether the GPU has instructions for bf16 (Ampere and later); earlier ones emulate it."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _cpu_computes_bf16() -> bool:
    """Whether the CPU has instructions for products in bf16: AMX, or AVX-512's.

    A rule and no measurement, because precision decides results: on one machine it must not depend
    on what else runs. Both are faster in bf16: with AVX512-BF16, one thread multiplies matrices at
    220 GFLOP/s, and at 97 in float32 (measured on a recent CPU).
    """
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _deterministic_settings() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
