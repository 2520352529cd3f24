"""How many bytes a checkpoint of XLM-R Large takes, beside every weight in float32.

    python bench/checkpoint_size.py [ROWS ...]

The encoder is random weights of XLM-R Large's shape (normal, spread 0.05); a training is a normal
drift of several spreads. ROWS are the rows of the embedding matrix that occur in the training data.
Also prints how fast tensors are packed and unpacked, by one thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from xstilts.models import delta_compression

HIDDEN, INNER, LAYERS, VOCABULARY, POSITIONS = 1024, 4096, 24, 250_002, 514
SPREAD = 0.05


def tensors() -> list[tuple[int, ...]]:
    """Shapes of the body: everything but the word embeddings."""
    layer: list[tuple[int, ...]] = [*[(HIDDEN, HIDDEN)] * 4, (INNER, HIDDEN), (HIDDEN, INNER)]
    layer += [(HIDDEN,)] * 9 + [(INNER,)]
    return [(POSITIONS, HIDDEN), (1, HIDDEN), (HIDDEN,), (HIDDEN,), *layer * LAYERS]


def main() -> None:
    """Print one line for every drift and number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=int, nargs="*", default=[25_000, 60_000])
    rows: list[int] = parser.parse_args().rows
    body = tensors()
    whole = 4 * (sum(int(np.prod(shape)) for shape in body) + VOCABULARY * HIDDEN)
    random = np.random.default_rng(0)
    for drift in (1e-4, 1e-3, 5e-3, 1.0):
        total = dict.fromkeys(rows, 0)
        seconds, read, numbers = 0.0, 0.0, 0
        for shape in [*body, *((count, HIDDEN) for count in rows)]:
            base = random.standard_normal(shape, dtype=np.float32) * np.float32(SPREAD)
            value = base + random.standard_normal(shape, dtype=np.float32) * np.float32(drift)
            began = time.perf_counter()
            packed = delta_compression.pack(value, base)
            seconds += time.perf_counter() - began
            began = time.perf_counter()
            again = delta_compression.unpack(packed, shape, base)
            read += time.perf_counter() - began
            assert again.tobytes() == value.tobytes()
            numbers += value.nbytes
            for count in rows:
                if shape[0] not in rows or shape[0] == count:
                    total[count] += packed.nbytes
        speed = f"packed at {numbers / seconds / 1e6:.0f} MB/s, read at {numbers / read / 1e6:.0f}"
        for count in rows:
            share = 100 * total[count] / whole
            print(
                f"drift {drift:g}, {count:,} rows: {total[count] / 1e9:.3f} GB of "
                f"{whole / 1e9:.3f} GB, {share:.1f} %; {speed}",
                flush=True,
            )


if __name__ == "__main__":
    main()
