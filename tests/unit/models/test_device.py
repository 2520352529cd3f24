"""The device of a job: which one, in which precision, with which of torch's settings."""

from __future__ import annotations

import os

import pytest
import torch

from support import tiny
from xstilts.errors import DeviceError
from xstilts.models import device
from xstilts.models.device import Device

VARIABLES = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "XSTILTS_DEVICE")


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch):
    """No variable of this machine decides a test; what a test sets is taken back."""
    for name in (*VARIABLES, "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "")  # so that the end of the test knows it
        monkeypatch.delenv(name)


@pytest.fixture
def a_gpu(monkeypatch):
    """Torch believes in a GPU that computes in bf16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)


def choose(**compute) -> Device:
    return Device.choose(tiny.compute(**compute))


class TestChoice:
    def test_a_gpu_is_used_where_torch_can_use_one(self, a_gpu):
        assert choose().kind == "cuda"

    def test_without_a_gpu_it_is_the_cpu(self):
        assert choose().kind == "cpu"

    @pytest.mark.parametrize("name", VARIABLES[:3])
    def test_an_allotted_gpu_that_torch_cannot_use_is_an_error(self, name, monkeypatch):
        """A day on the CPU of a GPU node is worse than an error; it says what to do."""
        monkeypatch.setenv(name, "0")
        with pytest.raises(DeviceError) as refused:
            choose()
        message = str(refused.value)
        assert message.startswith(f"a GPU was allotted to this job ({name}=0), but torch ")
        assert "a build without CUDA; install envs/lock-cuda.txt" in message
        assert message.endswith("set XSTILTS_DEVICE=cpu")

    def test_an_old_driver_is_named(self, monkeypatch):
        """In the words of torch."""

        def init():
            raise RuntimeError("The NVIDIA driver on your system is too old (found 11040).\nMore")

        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "init", init)
        with pytest.raises(DeviceError, match=r"too old \(found 11040\).; it needs .* CUDA 13\.0"):
            choose()

    @pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
    def test_a_job_that_was_given_no_gpu_computes_on_the_cpu(self, value, monkeypatch):
        """So schedulers write it; it counts before what Slurm's own variables say."""
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        monkeypatch.setenv("SLURM_JOB_GPUS", "0")
        assert choose().kind == "cpu"

    def test_the_cpu_can_be_chosen(self, a_gpu, monkeypatch):
        monkeypatch.setenv("XSTILTS_DEVICE", "cpu")
        assert choose().kind == "cpu"

    def test_another_choice_is_refused(self, monkeypatch):
        """A slip must not end on another device."""
        monkeypatch.setenv("XSTILTS_DEVICE", "CPU")
        with pytest.raises(DeviceError, match="XSTILTS_DEVICE=CPU: only cpu is allowed"):
            choose()


class TestPrecision:
    @pytest.mark.parametrize(("real", "precision"), [(True, "bf16"), (False, "fp32")])
    def test_auto_takes_no_emulated_bf16_on_a_gpu(self, real, precision, monkeypatch):
        """A V100 or T4 emulates it, slower than float32."""
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

        def supported(including_emulation=True):
            return real or including_emulation

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert choose(precision="auto").precision == precision

    @pytest.mark.parametrize(
        ("amx", "avx512", "precision"),
        [(True, False, "bf16"), (False, True, "bf16"), (False, False, "fp32")],
    )
    def test_auto_takes_bf16_on_a_cpu_with_instructions_for_it(
        self, amx, avx512, precision, monkeypatch
    ):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        assert choose(precision="auto").precision == precision

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_a_precision_that_the_study_names_is_used(self, precision):
        assert choose(precision=precision).precision == precision


def settings() -> dict[str, object]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "cudnn": torch.backends.cuda.cudnn_sdp_enabled(),
    }


class TestSettings:
    def test_a_gpu_computes_with_deterministic_algorithms_only(self, a_gpu):
        """Set before cuBLAS is used, and restored afterwards."""
        before = settings()
        chosen = choose(threads=2)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        with chosen.settings():
            expected = {"threads": 2, "deterministic": True, "fill": False, "cudnn": False}
            assert settings() == expected
        assert settings() == before

    def test_a_workspace_that_the_user_chose_stays(self, a_gpu, monkeypatch):
        """The other deterministic one takes less memory."""
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
        choose()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"

    def test_a_cpu_needs_no_more_than_the_number_of_threads(self):
        """Its algorithms are deterministic anyway."""
        before = settings()
        with choose(threads=2).settings():
            assert settings() == before | {"threads": 2}

    def test_settings_are_restored_after_an_error(self, a_gpu):
        before = settings()
        with pytest.raises(KeyError), choose().settings():
            raise KeyError
        assert settings() == before


def test_the_error_of_a_job_names_the_variable_that_torch_reads(monkeypatch):
    """Slurm sets several: the first of them that is set counts."""
    monkeypatch.setenv("SLURM_STEP_GPUS", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(DeviceError, match=r"\(CUDA_VISIBLE_DEVICES=0\)"):
        device.Device.choose(tiny.compute())
