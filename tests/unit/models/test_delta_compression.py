"""What is packed comes back bit for bit, in fewer bytes where it differs little from its start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from xstilts.errors import EncoderError
from xstilts.models.delta_compression import pack, unpack

BITS = npst.arrays(np.uint32, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))


def weights(spread: float, size: int = 200_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, size).astype(np.float32)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32))


@given(BITS, st.integers(0, 2**32 - 1))
def test_every_number_comes_back(bits, seed):
    """Infinities, denormals, both zeros and every NaN included, with and without a start."""
    values = bits.view(np.float32)
    base = np.random.default_rng(seed).integers(0, 2**32, bits.shape, np.uint32).view(np.float32)
    assert same_bits(unpack(pack(values), values.shape), values)
    assert same_bits(unpack(pack(values, base), values.shape, base), values)


@pytest.mark.parametrize(
    ("drift", "share"), [(0.0, 0.01), (1e-4, 0.62), (1e-3, 0.72), (5e-3, 0.80), (1.0, 0.87)]
)
def test_the_less_a_tensor_has_moved_the_smaller_it_is(drift, share):
    """Of weights as encoders have them, spread 0.05; the last has nothing of its start left."""
    base = weights(0.05)
    values = base + weights(drift, seed=1)
    packed = pack(values, base)
    assert same_bits(unpack(packed, values.shape, base), values)
    assert packed.nbytes <= share * values.nbytes


def test_noise_is_kept_as_it_is():
    """Random bits grow by the head alone."""
    noise = np.random.default_rng(0).integers(0, 2**32, 100_000, np.uint32).view(np.float32)
    assert pack(noise).nbytes == noise.nbytes + 32


def test_the_same_tensor_gives_the_same_bytes():
    """So that checkpoints of the same training have the same checksum."""
    base, values = weights(0.05), weights(0.06, seed=1)
    assert np.array_equal(pack(values, base), pack(values.copy(), base.copy()))


@pytest.mark.parametrize("cut", [0, 20, 40, -1])
def test_what_is_cut_off_is_refused(cut):
    """Never read as other numbers."""
    with pytest.raises(EncoderError, match="a packed tensor cannot be read"):
        unpack(pack(weights(0.05, 1000))[:cut], (1000,))
