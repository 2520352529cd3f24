"""Claims about what scores were computed from: the phases of training and their languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.report.numbers import count
from xstilts.config.claims import Lineage
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.analysis.claims.result import ClaimResult
    from xstilts.config.claims import Claim
    from xstilts.grid.keys import TrainingKey

ENGLISH = "en"


def judge_lineage(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """Whether every score comes from the encoder, an English intermediate stage, an English recipe.

    The grid says what each checkpoint is trained from; the stamps say that it was. A checkpoint
    that was deleted can no longer be looked at.
    """
    measure = claim.measure
    assert isinstance(measure, Lineage)
    conditions, targets = evidence.conditions(measure.conditions), evidence.targets(measure.targets)
    if absent := evidence.absent(conditions, targets):
        return evidence.without(result, claim, absent)
    if missing := evidence.missing(result.encoder, conditions, targets):
        return evidence.unfinished(result, missing)
    keys = [
        key
        for key in evidence.grid.reads.evaluations()
        if key.encoder == result.encoder and key.condition in conditions and key.target in targets
    ]
    faults = [fault for key in keys for fault in _faults(key, measure, evidence)]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        return result.judged("contradicted", f"{'; '.join(faults[:3])}{more}.")
    trainings = dict.fromkeys(t for key in keys for t in _chain(key, evidence))
    gone = [key for key in trainings if evidence.states.training(key) != "done"]
    if gone:
        return result.judged(
            "inconclusive",
            f"{len(gone)} of {count(len(trainings), 'checkpoint')} are no longer on disk, so that "
            "nothing shows what they were trained from.",
        )
    return result.judged(
        "supported",
        f"The stamps of {count(len(trainings), 'checkpoint')} and {count(len(keys), 'evaluation')} "
        "show the phases; each changed the weights.",
    )


def _chain(key: EvaluationKey, evidence: Evidence) -> list[TrainingKey]:
    """The trainings behind an evaluation, the first of them first."""
    reads, found = evidence.grid.reads, []
    training = reads.evaluated_training(key)
    while training is not None:
        found.append(training)
        training = reads.training_before(training)
    return found[::-1]


def _faults(key: EvaluationKey, measure: Lineage, evidence: Evidence) -> Iterator[str]:
    """What differs from the three phases, in the plan or on disk."""
    chain = _chain(key, evidence)
    stages = [training.stage for training in chain]
    if stages[:1] != [INTERMEDIATE]:
        yield f"{key}: has no intermediate stage"
    if bool(stages[1:]) == (key.target in measure.without_recipe):
        yield f"{key}: is {'' if stages[1:] else 'not '}fine-tuned before it is scored"
    for training in chain:
        yield from _faults_of_training(training, evidence)


def _faults_of_training(key: TrainingKey, evidence: Evidence) -> Iterator[str]:
    grid, states = evidence.grid, evidence.states
    examples = grid.reads.examples_of_training(key.condition, key.stage)
    if foreign := sorted({example.language for example in examples} - {ENGLISH}):
        yield f"{key}: is trained in {', '.join(foreign)}"
    if states.training(key) == "done":
        own = set(states.stamps.files(grid.training(key).stamp).values())
        if not own.isdisjoint(states.stamps.files(grid.start_of(key).stamp).values()):
            yield f"{key}: has the weights that it started from"
