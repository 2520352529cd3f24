"""How many randomly changed archives are refused, and whether any is unpacked to something else.

    python bench/fuzz_archive.py [--count N] [--seed N]

Bytes of the file or of the tar within it are changed, cut out, inserted, or blocks of 512 swapped.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa

from xstilts.archive import archive_file
from xstilts.errors import ArchiveError

BLOCK = 512
KINDS = ("change the file", "change the tar", "cut", "insert", "swap blocks")


def members(draw: random.Random) -> dict[str, Path | bytes]:
    """A few members of every size that matters: none, less than a block, several blocks."""
    return {
        "study.yaml": b"study: small\n",
        "results/grid.parquet": draw.randbytes(3000),
        "results/scores/xlmr/none/seed1/xnli.jsonl": b"{}\n" * 700,
        "results/overlaps.tsv": b"",
    }


def changed(packed: bytes, kind: str, draw: random.Random) -> bytes:
    """The archive after one change of this kind."""
    if kind == KINDS[0]:
        content = bytearray(packed)
    else:
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            content = bytearray(stream.read())
    place = draw.randrange(len(content))
    if kind in KINDS[:2]:
        for _ in range(draw.randint(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
    elif kind == "cut":
        del content[place : place + draw.choice([1, 7, BLOCK, 2 * BLOCK, 5000])]
    elif kind == "insert":
        content[place:place] = draw.randbytes(draw.choice([1, BLOCK, 2 * BLOCK]))
    else:
        one, two = (BLOCK * draw.randrange(len(content) // BLOCK) for _ in range(2))
        first, second = content[one : one + BLOCK], content[two : two + BLOCK]
        content[one : one + BLOCK], content[two : two + BLOCK] = second, first
    if kind == KINDS[0]:
        return bytes(content)
    compressed: bytes = pa.compress(bytes(content), "zstd", asbytes=True)
    return compressed


def main(count: int, seed: int) -> None:
    """Print how many changed archives were refused, and how many gave the same members."""
    draw = random.Random(seed)
    packed = members(draw)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        path, out = Path(name) / "changed", Path(name) / "out"
        archive_file.write(path, "small", "0" * 64, packed)
        whole = path.read_bytes()
        for _ in range(count):
            path.write_bytes(changed(whole, draw.choice(KINDS), draw))
            try:
                archive_file.unpack(path, out)
            except ArchiveError:
                outcomes["refused"] += 1
            else:
                found = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
                same = {name: file.read_bytes() for name, file in found.items()} == packed
                outcomes["the same members" if same else "OTHER MEMBERS"] += 1
            shutil.rmtree(out, ignore_errors=True)
    for outcome, number in outcomes.items():
        print(f"{number:>8,}  {outcome}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=20_000, help="archives to try (20,000)")
    parser.add_argument("--seed", type=int, default=7, help="of the changes (7)")
    options = parser.parse_args()
    main(options.count, options.seed)
