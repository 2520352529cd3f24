"""The three English intermediate tasks: plain sentences about true facts of the training half.

They share their names with the targets' training data and nothing else: other questions, in other
words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts_demo.cldr import Vocabulary, region_of
from xstilts_demo.rows import REGION_NAMES, Row, distinct, related

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xstilts_demo.draw import Draw

NLI_LABELS = ("entailment", "neutral", "contradiction")

STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "currency": (
        "The currency of {place} is the {value}.",
        "In {place}, people pay with the {value}.",
        "The {value} is the money of {place}.",
        "Prices in {place} are given in the {value}.",
    ),
    "language": (
        "The main language of {place} is {value}.",
        "In {place}, most people speak {value}.",
        "{value} is the leading language of {place}.",
        "Offices in {place} mostly work in {value}.",
    ),
    "region": (
        "{place} lies in {value}.",
        "{place} is a part of {value}.",
        "On a map, look for {place} in {value}.",
        "Whoever travels to {place} goes to {value}.",
    ),
}
"""Ways to say the same; each names the place and the value."""

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "currency": ("What do people pay with in {place}?", "Which money is used in {place}?"),
    "language": ("What is mostly spoken in {place}?", "Which language leads in {place}?"),
    "region": ("Where does {place} lie?", "Which part of the world does {place} belong to?"),
}

Fact = tuple[str, str, str]
"""Place, attribute, value."""


def known_facts(words: Vocabulary) -> dict[str, dict[str, str]]:
    """By territory name: its region, and its currency and main language where they belong to this
    half too."""
    known: dict[str, dict[str, str]] = {}
    for key, place in words.names["territory"].items():
        values = {kind: related(words, kind, key) for kind in ("currency", "language")}
        values["region"] = REGION_NAMES[region_of()[key]]
        known[place] = {kind: value for kind, value in values.items() if value is not None}
    return known


def nli_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Does the premise, a stated fact, entail or contradict another sentence, or say nothing about
    it?

    Half of the neutral sentences are about the stated place, so that its name does not give the
    answer away.
    """
    known = known_facts(words)

    def make(made: int) -> Row | None:
        label = NLI_LABELS[made % 3]
        place = draw.one(sorted(known))
        kind = draw.one(sorted(known[place]))
        stated = (place, kind, known[place][kind])
        claim = _claim(known, draw, stated, label)
        if claim is None:
            return None
        used = draw.one(STATEMENTS[kind])
        unused = [way for way in STATEMENTS[claim[1]] if way != used]
        return {
            "text": _say(used, stated),
            "text_pair": _say(draw.one(unused), claim),
            "label": label,
        }

    return draw.shuffled(distinct(make, count))


def _claim(
    known: Mapping[str, Mapping[str, str]], draw: Draw, stated: Fact, label: str
) -> Fact | None:
    """A fact that stands in the wanted relation to the stated one."""
    place, kind, value = stated
    if label == "entailment":
        return stated
    if label == "contradiction":
        rival = draw.one(_values(known, kind))
        return None if rival == value else (place, kind, rival)
    other = draw.one(sorted(known)) if draw.chance(0.5) else place
    kind = draw.one(sorted(STATEMENTS))
    if (other, kind) == stated[:2]:
        return None
    true = known[other].get(kind)
    return other, kind, true if true and draw.chance(0.5) else draw.one(_values(known, kind))


def qa_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Four stated facts of two places, and a question about one of them."""
    known = known_facts(words)

    def make(made: int) -> Row | None:
        kind = tuple(QUESTIONS)[made % len(QUESTIONS)]
        places = draw.some([place for place in sorted(known) if kind in known[place]], 2)
        stated = [(place, kind, known[place][kind]) for place in places]
        for place in places:
            others = [other for other in known[place] if other != kind]
            if others:
                other = draw.one(others)
                stated.append((place, other, known[place][other]))
        sentences = [
            (_say(draw.one(STATEMENTS[fact[1]]), fact), fact) for fact in draw.shuffled(stated)
        ]
        place, _, value = stated[0]
        context = " ".join(sentence for sentence, _ in sentences)
        if context.count(value) != 1:
            return None
        question = draw.one(QUESTIONS[kind]).format(place=place)
        return {
            "context": context,
            "question": question,
            "answers": [{"text": value, "start": context.index(value)}],
        }

    return draw.shuffled(distinct(make, count))


def choice_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Two facts of one kind; which of three sentences follows? The wrong ones swap the values, or
    change one."""
    known = known_facts(words)

    def make(made: int) -> Row | None:
        kind = tuple(QUESTIONS)[made % len(QUESTIONS)]
        first, second = draw.some([place for place in sorted(known) if kind in known[place]], 2)
        stated = [(place, kind, known[place][kind]) for place in (first, second)]
        stranger = draw.one(_values(known, kind))
        if len({known[first][kind], known[second][kind], stranger}) < 3:
            return None
        ways = draw.shuffled(STATEMENTS[kind])
        wrong = draw.shuffled([(first, kind, known[second][kind]), (first, kind, stranger)])
        label = (made // len(QUESTIONS)) % 3
        claims = [*wrong[:label], stated[0], *wrong[label:]]
        prompt = " ".join(_say(ways[0], fact) for fact in draw.shuffled(stated))
        return {
            "prompt": prompt,
            "choices": [_say(ways[1], claim) for claim in claims],
            "label": label,
        }

    return draw.shuffled(distinct(make, count))


def _values(known: Mapping[str, Mapping[str, str]], kind: str) -> list[str]:
    return sorted({facts[kind] for facts in known.values() if kind in facts})


def _say(way: str, fact: Fact) -> str:
    place, _, value = fact
    text = way.format(place=place, value=value)
    return text[0].upper() + text[1:]
