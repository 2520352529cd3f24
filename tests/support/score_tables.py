"""Tables of scores from numbers that a test states."""

import itertools

import numpy as np
import pandas as pd

from xstilts.config.languages import Language

FAMILIES = ["Indo-European", "Niger-Congo", "Turkic", "Uralic", "Austronesian", "Dravidian"]
CODES = [f"l{number:02}" for number in range(12)]
LANGUAGES = {
    code: Language(
        code,
        code.upper(),
        None,
        FAMILIES[number % 6],
        joshi_class=1 if number < 6 else 4,
        cc100_gib=0.1 * 2.0**number,
        seen={"xlmr": number >= 3},
    )
    for number, code in enumerate(CODES)
}
"""Twelve languages in six families, each of which has one low-resource language and one other."""
ENCODER = "tiny"


def table(
    score,
    conditions=("none", "mnli"),
    seeds=(1, 2, 3),
    targets=("xnli",),
    codes=CODES,
    items=1000,
):
    """A table; ``score(condition, seed, target, language)`` gives points."""
    rows = [
        (ENCODER, condition, seed, target, code, score(condition, seed, target, code))
        for condition, seed, target, code in itertools.product(conditions, seeds, targets, codes)
    ]
    columns = ["encoder", "condition", "seed", "target", "language", "score"]
    frame = pd.DataFrame(rows, columns=columns).astype({"score": "float64"})
    spec = frame["condition"] + frame["seed"].astype(str) + frame["target"]
    return frame.assign(
        task_type="classification", metric="accuracy", n=items, warnings="", spec=spec
    )


def noisy(gain=0.0, run_sd=1.0, language_sd=1.0, cell_sd=0.5, seed=0):
    """A score with noise of trainings, languages and both: every call gives the same number."""

    def draw(*what):
        key = [seed, *(sum(map(ord, str(part))) * (place + 1) for place, part in enumerate(what))]
        return np.random.default_rng(key).normal()

    def score(condition, training, target, code):
        mean = 60 + 5 * draw("base", target, code)
        mean += run_sd * draw("run", condition, training, target)
        mean += cell_sd * draw("cell", condition, training, target, code)
        if condition != "none":
            mean += gain + language_sd * draw("language", condition, target, code)
        return mean

    return score
