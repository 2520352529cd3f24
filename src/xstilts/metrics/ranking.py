"""Mean average precision at 20: LAReQA (Roy et al. 2020) and Mewsli-X (Ruder et al. 2021).

Sources: XTREME's ``third_party/utils_lareqa.py`` and ``utils_mewslix.py``. LAReQA: one pool of the
questions and candidates of 11 languages, up to 11 right sentences a question, one score. Mewsli-X:
each mention has one right entity, so MAP is the mean reciprocal rank; the score is the mean over
the mention languages (``averages.language_mean``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.nearest_neighbours import Search, Vectors, nearest, normalise
from xstilts.metrics.summation import mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

CUTOFF = 20


def average_precision(
    ranked: Sequence[str], relevant: Collection[str], cutoff: int = CUTOFF
) -> float:
    """The sum of precisions at hits in the first ``cutoff``, over the possible hits: 0.0 to 1.0.

    A name that is ranked twice counts at its first place.

    >>> average_precision(["a", "x", "b"], {"a", "b"})
    0.8333333333333333
    """
    if not relevant:
        raise ValueError("no relevant candidate; give at least one")
    missing, total, hits = set(relevant), 0.0, 0
    possible = min(len(missing), cutoff)
    for rank, name in enumerate(ranked[:cutoff], start=1):
        if name in missing:
            missing.remove(name)
            hits += 1
            total += hits / rank
    return total / possible


def mean_average_precision(
    relevant: Mapping[str, Collection[str]],
    ranked: Mapping[str, Sequence[str]],
    cutoff: int = CUTOFF,
) -> float:
    """MAP at ``cutoff`` in percent over the queries of ``relevant``; one without ranking counts 0.

    >>> mean_average_precision({"q": ["Q1"]}, {"q": ["Q9", "Q1"]})
    50.0
    """
    if not relevant:
        raise ValueError("no queries to score; give at least one")
    scores = [
        average_precision(ranked.get(query, ()), names, cutoff) for query, names in relevant.items()
    ]
    return mean(scores) * 100


def rank(
    queries: Vectors | Sequence[Vectors],
    candidates: Vectors | Sequence[Vectors],
    names: Sequence[str],
    cutoff: int = CUTOFF,
    search: Search = nearest,
) -> list[list[str]]:
    """The names of the best candidates of each query by cosine; ties: the earlier candidate first.

    The official LAReQA script has no rule for equal scores. ``search`` finds the neighbours.
    """
    if len(names) != len(candidates):
        raise ValueError(f"{len(names)} names but {len(candidates)} candidate vectors")
    neighbours = search(normalise(queries), normalise(candidates), cutoff)
    return [[names[row] for row in rows] for rows in neighbours.row]
