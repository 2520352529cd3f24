"""Shipped studies with scores by a formula, and the claims that judge them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from support.places import ROOT
from xstilts.analysis.claims.dev_scores import DevScores
from xstilts.analysis.claims.evaluate import judge
from xstilts.analysis.claims.evidence import KEY, Evidence
from xstilts.config.yaml_models import read_yaml
from xstilts.grid.opening import open_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.analysis.claims.result import ClaimResult
    from xstilts.config.claims import Claim
    from xstilts.grid.artefacts import Grid

    Gain = Callable[[str, str, str], float]

WIDE = ["ar", "de", "en", "fi", "ja", "ru", "sw", "te", "zh"]
"""A small choice of languages of many families; each target has some of them."""
LOW_AND_REST = [
    *("jv", "ml", "mr", "my", "sw", "te", "yo"),
    *("de", "en", "et", "eu", "hu", "id", "ja", "ko", "tl", "tr"),
]
"""Languages of Joshi class 0 to 2, and others, both of at least three families."""
CHANGES = {
    "phang2020": {"languages": WIDE, "seeds": [1, 2, 3, 4]},
    "best": {
        "study": "phang2020",
        "conditions": ["none", "mnli", "squad", "ccg"],
        "languages": WIDE,
        "seeds": [1, 2, 3, 4],
    },
    "one_seed": {"study": "phang2020", "languages": WIDE, "seeds": [1]},
    "without_ccg": {
        "study": "phang2020",
        "conditions": [
            *("none", "anli_plus", "mnli", "qqp", "squad", "squad2", "hellaswag", "cosmosqa"),
            *("commonsenseqa", "multi"),
        ],
        "multi": {},
        "seeds": [1],
    },
    "low_only": {
        "study": "lowres",
        "conditions": ["none", "mnli"],
        "targets": ["panx"],
        "recipes": {},
        "multi": {},
    },
    "xtreme_r": {
        "languages": ["ar", "de", "fi", "ja", "ko", "sw", "te"],
        "targets": ["tatoeba_r"],
        "seeds": [1, 2, 3, 4],
    },
    "lowres": {
        "conditions": ["none", "mnli", "squad"],
        "targets": ["panx", "sib200"],
        "languages": LOW_AND_REST,
        "seeds": [1, 2, 3, 4],
        "recipes": {},
        "multi": {},
    },
}
"""Shipped studies, cut to a size that a test can judge in no time; ``study``: the file."""


@cache
def grid_of(study: str, whole: bool = False) -> Grid:
    """The grid of a shipped study, cut unless ``whole``."""
    changes = {} if whole else CHANGES[study]
    path = ROOT / "config" / f"{changes.get('study', study)}.yaml"
    config = read_yaml(path) | changes
    return open_grid(config, str(path), ROOT / "config", ROOT / "envs" / "lock.txt")


def no_gain(condition: str, target: str, language: str) -> float:
    """The condition changes nothing."""
    return 0.0


def table_of(
    grid: Grid,
    gain: Gain = no_gain,
    *,
    noise: float = 0.2,
    base: Callable[[str, str], float] = lambda target, language: 60.0,
    conditions: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (),
) -> pd.DataFrame:
    """A score for the cells of a grid, or for some conditions, targets and seeds of it.

    ``gain``: of a condition, target and language over ``none``, in points. ``noise``: the standard
    deviation between trainings; that of single scores is half of it.
    """
    draw = np.random.default_rng(7)
    keys = [
        key
        for key in grid.resolved.score_keys()
        if (not conditions or key.condition in conditions)
        and (not targets or key.target in targets)
        and (not seeds or key.seed in seeds)
    ]
    table = pd.DataFrame([[getattr(key, name) for name in KEY] for key in keys], columns=KEY)
    untrained = [k.condition == "none" and grid.resolved.recipe_of(k.target) is None for k in keys]
    places = [(k.condition, k.seed, k.target) for k in keys]
    runs = {place: draw.normal(0, noise) for place in dict.fromkeys(places)}
    luck = np.array([runs[place] for place in places]) + draw.normal(0, noise / 2, len(keys))
    luck[untrained] = 0.0
    means = [
        base(k.target, k.language)
        + (gain(k.condition, k.target, k.language) if k.condition != "none" else 0.0)
        for k in keys
    ]
    spec = [
        f"{k.condition} {k.target}" + ("" if same else f" {k.seed}")
        for k, same in zip(keys, untrained, strict=True)
    ]
    return table.assign(
        task_type=[grid.cards.task(k.target).task_type for k in keys],
        metric="accuracy",
        score=np.array(means) + luck,
        n=2000,
        warnings="",
        spec=spec,
    )


def dev_of(grid: Grid, table: pd.DataFrame) -> DevScores:
    """Development scores that are as high as the mean test score of the same training."""
    keys = ["encoder", "condition", "seed", "target"]
    untrained = frozenset(t for t in grid.resolved.targets if grid.resolved.recipe_of(t) is None)
    own = table[~table["target"].isin(untrained)]
    first = own.groupby(keys, as_index=False, sort=False).first()
    means = own.groupby(keys, as_index=False, sort=False)["score"].mean()
    rows = first.assign(score=means["score"], language="en", n=500)
    there = set(rows[keys].itertuples(index=False, name=None))
    missing = (key for key in grid.reads.evaluations() if key.target not in untrained)
    return DevScores(rows, untrained, tuple(key for key in missing if tuple(key) not in there))


def verdict_on(
    claim_id: str, grid: Grid, table: pd.DataFrame, dev: DevScores | None = None
) -> ClaimResult:
    """The result of one of the grid's claims, in the languages that a cut grid has.

    ``dev``: by default that of `dev_of`.
    """
    evidence = Evidence(grid, table, ["study.yaml"])
    evidence.dev = dev_of(grid, table) if dev is None else dev
    (claim,) = (claim for claim in evidence.claims.claims if claim.id == claim_id)
    (result,) = judge(_in_all_languages(claim), evidence, grid.study.encoders)
    return result


def _in_all_languages(claim: Claim) -> Claim:
    """The claim about whatever languages a grid has, in place of XTREME's own."""
    if claim.kind not in ("gain", "best_condition") or claim.measure.languages != "xtreme":
        return claim
    measure = claim.measure.model_copy(update={"languages": "all"})
    return claim.model_copy(update={claim.kind: measure})
