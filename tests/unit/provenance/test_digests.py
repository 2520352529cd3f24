"""A value has one canonical text, and with it one digest."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.values import finite, json_values
from xstilts.provenance.digests import canonical, crc32, digest, file_crc32


class TestCanonical:
    @given(json_values)
    def test_a_value_survives(self, value):
        """The canonical text is JSON of the same value."""
        assert json.loads(canonical(value)) == value

    @given(st.dictionaries(st.text(), finite, min_size=2), st.randoms())
    def test_the_order_of_keys_does_not_matter(self, value, random):
        """Two mappings that say the same are the same."""
        items = list(value.items())
        random.shuffle(items)
        assert digest(dict(items)) == digest(value)

    def test_whose_value_it_is_matters(self):
        """Swapping the values of learning rate and epochs is another study."""
        assert digest({"epochs": 2, "rate": 3}) != digest({"epochs": 3, "rate": 2})

    def test_the_order_of_a_list_matters(self):
        """Lists are sequences."""
        assert digest([1, 2]) != digest([2, 1])

    def test_the_text_is_fixed_for_good(self):
        """Identities of years ago stay valid: sorted, no spaces, Unicode as it is."""
        assert canonical({"ß": [1.0, None, True], "a": 1e-05}) == '{"a":1e-05,"ß":[1.0,null,true]}'
        assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_json_cannot_say_is_refused(self, value):
        """A NaN has no identity."""
        with pytest.raises(ValueError, match="JSON compliant"):
            digest({"x": value})


def test_a_crc_is_that_of_all_blocks_together():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert crc32([b"ab", b"", array]) == zlib.crc32(b"ab" + array.tobytes())
    assert crc32([]) == 0


def test_the_crc_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 3_000_000)  # more than one block
    assert file_crc32(tmp_path / "file") == zlib.crc32(b"abc" * 3_000_000)
