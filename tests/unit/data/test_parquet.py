"""Parquet files that are read, and those that would decode to far more than their bytes."""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data import parquet
from xstilts.data.readers.text import parquet_rows
from xstilts.errors import MalformedFile


def stored(path, columns, **how):
    pq.write_table(pa.table(columns), path, **how)
    return path


ANSWER = pa.struct({"start": pa.int32(), "text": pa.string()})
SCHEMA = pa.schema(
    {"id": pa.int64(), "text": pa.string(), "tokens": pa.list_(pa.string()), "answer": ANSWER}
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.integers(-(2**63), 2**63 - 1),
                "text": st.one_of(st.none(), st.text()),
                "tokens": st.lists(st.text(), max_size=4),
                "answer": st.fixed_dictionaries({"start": st.integers(0, 9), "text": st.text()}),
            }
        ),
        max_size=40,
    ),
    st.sampled_from(["none", "snappy", "zstd", "gzip"]),
    st.booleans(),
    st.sampled_from(["1.0", "2.0"]),
    st.sampled_from([64, 2**20]),
)
def test_a_file_is_read_as_pyarrow_reads_it(
    tmp_path_factory, rows, compression, dictionary, pages, page_size
):
    """Of any compression, encoding, version and size of pages."""
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    table = pa.Table.from_pylist(rows, SCHEMA)
    pq.write_table(
        table,
        path,
        compression=compression,
        use_dictionary=dictionary,
        data_page_version=pages,
        data_page_size=page_size,
        row_group_size=7,
    )
    assert parquet.read(path).equals(pq.read_table(path))
    assert parquet.read(path.read_bytes(), ["text"]).equals(table.select(["text"]))
    assert list(parquet.rows(path)) == rows


def test_a_table_without_rows_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(SCHEMA.empty_table(), path, compression="zstd")
    assert parquet.read(path).equals(SCHEMA.empty_table())


@pytest.fixture
def little(monkeypatch):
    """Little is plenty, so that a test needs no gigabytes."""
    monkeypatch.setattr(parquet, "PLENTY", 2**20)


BOMBS = {
    "one long text": {"a": ["x" * 2**24]},
    "a text that many rows refer to": {"a": ["x" * 2**16] * 10_000},
    "a text that one row repeats": {"a": [["x" * 2**16] * 10_000]},
    "many numbers": {"a": [0] * 10_000_000},
    "many nulls": {"a": pa.nulls(10_000_000, pa.string())},
}


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_small_file_that_decodes_to_much_is_refused(tmp_path, content):
    path = stored(tmp_path / "a.parquet", content, compression="zstd", write_statistics=False)
    assert path.stat().st_size < 40_000
    for read in (parquet.read, lambda path: list(parquet.rows(path))):
        with pytest.raises(parquet.OutOfProportion, match="out of proportion to"):
            read(path)
    with pytest.raises(MalformedFile, match=r"a\.parquet: not a parquet file \(it decodes to more"):
        list(parquet_rows(path))


@pytest.mark.usefixtures("little")
def test_a_large_file_may_decode_to_many_times_its_bytes(tmp_path):
    """Contexts of questions repeat, and texts compress well."""
    texts = [f"{number:>200}" for number in range(50_000)]
    path = stored(tmp_path / "a.parquet", {"a": texts}, compression="zstd", use_dictionary=False)
    assert 2**20 < sum(map(len, texts)) < parquet.MOST_TIMES * path.stat().st_size
    assert parquet.read(path)["a"].to_pylist() == texts


def test_a_column_that_is_absent_is_named(tmp_path):
    path = stored(tmp_path / "a.parquet", {"a": [1]})
    with pytest.raises(pa.ArrowInvalid, match="no column 'b'"):
        parquet.read(path, ["b"])


@given(st.data())
def test_damage_gives_an_error_of_arrow_or_another_table(tmp_path_factory, data):
    """And no other exception."""
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    content = bytearray(stored(path, {"a": ["x", "y"], "b": [[1], [2, 3]]}).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(pa.ArrowException, OSError):
        parquet.read(bytes(content)).to_pylist()
