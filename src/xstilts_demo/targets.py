"""The five target tasks: English to train on, every language to test on, and no template words in
any of them.

Separators, list words, dates and measures are the language's own, so that nothing in a test is
English.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from xstilts_demo import cldr
from xstilts_demo.cldr import REGIONS, Vocabulary
from xstilts_demo.rows import Row, distinct, related

if TYPE_CHECKING:
    from xstilts_demo.draw import Draw

KINDS = ("territory", "currency", "language", "unit", "month", "weekday")
TAGS = ("LOC", "LANG", "CUR", "DATE", "UNIT")
ATTRIBUTES = ("language", "currency", "date", "unit")

Segment = list[tuple[str, str]]
"""Tokens with their tags."""


def region_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Which part of the world do two or three listed territories lie in?"""

    def make(made: int) -> Row:
        label = REGIONS[made % len(REGIONS)]
        keys = draw.some(words.regions[label], draw.one((2, 3, 3)))
        names = [words.names["territory"][key] for key in keys]
        return {"text": cldr.joined(words.language, names), "text_pair": None, "label": label}

    return draw.shuffled(distinct(make, count))


def kind_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Which of three choices belongs to the two things of the prompt: of their kind, or of their
    region?

    Four in five questions ask for the kind, where choices often come from one place (Finland,
    Finnish, Euro); the others show territories alone and ask for the region.
    """

    def make(made: int) -> Row | None:
        asked = _kind_question(words, draw) if made % 5 < 4 else _region_question(words, draw)
        prompt, right, wrong = asked
        if len({*prompt, right, *wrong}) < 5:
            return None
        label = made % 3
        choices = [*wrong[:label], right, *wrong[label:]]
        return {"prompt": cldr.joined(words.language, prompt), "choices": choices, "label": label}

    return draw.shuffled(distinct(make, count))


def _kind_question(words: Vocabulary, draw: Draw) -> tuple[list[str], str, list[str]]:
    kind, *others = draw.some(KINDS, 3)
    place = draw.one(sorted(words.names["territory"]))
    prompt = draw.some(list(words.names[kind].values()), 2)
    right, *wrong = [_name_near(words, draw, each, place) for each in (kind, *others)]
    return prompt, right, wrong


def _region_question(words: Vocabulary, draw: Draw) -> tuple[list[str], str, list[str]]:
    region, *others = draw.some(REGIONS, 3)
    names = words.names["territory"]
    first, second, right = [names[key] for key in draw.some(words.regions[region], 3)]
    return [first, second], right, [names[draw.one(words.regions[other])] for other in others]


def _name_near(words: Vocabulary, draw: Draw, kind: str, place: str) -> str:
    """A name of a kind; in three of four cases the one that belongs to `place`, if any."""
    own = related(words, kind, place) if draw.chance(0.75) else None
    return own or draw.one(list(words.names[kind].values()))


def tag_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """Find the names, dates and measures in a sequence of short lists that also hold what is none
    of them.

    Numbers stand alone, in dates, in measures and in percentages; "Japan" is a place but "Japan
    Time" is not; a place is often followed by its own language or currency.
    """

    def make(made: int) -> Row:
        place = draw.one(sorted(words.names["territory"]))
        kinds = draw.some(("LOC", "LANG", "CUR", "DATE", "UNIT", "DATE", "UNIT"), 4)
        segments = [_entity(words, draw, kind, place) for kind in kinds]
        segments += [_nothing(words, draw) for _ in range(2)]
        segments = draw.shuffled(segments)
        cut = draw.one((2, 3, 4))
        end = draw.one((".", ";", "?", ":", "!"))
        row = [*_listed(words, segments[:cut]), (end, "O"), *_listed(words, segments[cut:])]
        return {"tokens": [token for token, _ in row], "tags": [tag for _, tag in row]}

    return distinct(make, count)


def _entity(words: Vocabulary, draw: Draw, tag: str, place: str) -> Segment:
    kind = {"LOC": "territory", "LANG": "language", "CUR": "currency"}.get(tag)
    if kind is not None:
        text = _name_near(words, draw, kind, place)
    elif tag == "UNIT":
        text = _some_quantity(words, draw)
    elif draw.chance(0.6):
        text = _some_date(words, draw)
    else:
        text = draw.one(list(words.names[draw.one(("month", "weekday"))].values()))
    tokens = text.split()
    return [
        (token, f"I-{tag}" if position else f"B-{tag}") for position, token in enumerate(tokens)
    ]


def _nothing(words: Vocabulary, draw: Draw) -> Segment:
    amount = 2 + draw.below(97)
    number = cldr.native_digits(words.language, str(amount))
    text = draw.one(
        (number, number, cldr.percentage(words.language, amount), draw.one(words.other))
    )
    return [(token, "O") for token in text.split()]


def _listed(words: Vocabulary, segments: list[Segment]) -> Segment:
    """The segments as a list in the language. Where it lists by spaces alone, a comma keeps them
    apart."""
    separators = cldr.separators(words.language, len(segments))
    row: Segment = [(word, "O") for word in cldr.split_words(separators[0])]
    for position, segment in enumerate(segments, start=1):
        between = separators[position]
        if position < len(segments) and not between.strip():
            between = ","
        row += [*segment, *((word, "O") for word in cldr.split_words(between))]
    return row


def analogy_rows(words: Vocabulary, draw: Draw, count: int) -> list[Row]:
    """A place with a language, a currency, a date and a measure; the question is an example of the
    kind of thing wanted, and another thing of that kind is the answer.

    The records are invented: what is asked is reading, not knowledge.
    """
    names = words.names["territory"]

    def make(made: int) -> Row | None:
        wanted = ATTRIBUTES[made % len(ATTRIBUTES)]
        place = draw.one(sorted(names))
        record = {kind: _attribute(words, draw, kind, place) for kind in draw.shuffled(ATTRIBUTES)}
        example = _attribute(words, draw, wanted, None)
        context, start = _written(words, names[place], record, wanted)
        answer = record[wanted]
        if example in context or context.count(answer) != 1:
            return None
        return {
            "context": context,
            "question": f"{example}?",
            "answers": [{"text": answer, "start": start}],
        }

    return draw.shuffled(distinct(make, count))


def _attribute(words: Vocabulary, draw: Draw, kind: str, place: str | None) -> str:
    if kind == "date":
        return _some_date(words, draw)
    if kind == "unit":
        return _some_quantity(words, draw)
    own = related(words, kind, place) if place is not None and draw.chance(0.5) else None
    return own or draw.one(list(words.names[kind].values()))


def _written(words: Vocabulary, place: str, record: dict[str, str], wanted: str) -> tuple[str, int]:
    """The context, and where the wanted thing starts in it."""
    comma = cldr.separators(words.language, 3)[1]
    comma = f"{comma.strip() or ','} "
    context, start = f"{place}: ", 0
    for position, (kind, value) in enumerate(record.items()):
        context += comma if position else ""
        if kind == wanted:
            start = len(context)
        context += value
    return context, start


def _some_quantity(words: Vocabulary, draw: Draw) -> str:
    return cldr.quantity(words.language, draw.one(list(words.names["unit"])), 2 + draw.below(97))


def _some_date(words: Vocabulary, draw: Draw) -> str:
    return cldr.date(words.language, 1 + draw.below(12), 1 + draw.below(28))


def retrieval_rows(language: str, draw: Draw, pairs: int) -> list[Row]:
    """Find the translation of an English interface string among those of others.

    Strings are taken in runs of the alphabetical order, so that near duplicates ("Enter a valid
    date.", "Enter a valid time.") compete. A string has the same id in every language.
    """
    known = cldr.interface_strings(language)
    chosen = _in_runs(list(known), draw, min(pairs, len(known)))
    keys = {english: hashlib.sha256(english.encode()).hexdigest()[:10] for english in chosen}
    queries: list[Row] = [
        {"id": f"q-{key}", "side": "query", "text": english, "relevant": [f"c-{key}"]}
        for english, key in keys.items()
    ]
    candidates: list[Row] = [
        {"id": f"c-{key}", "side": "candidate", "text": known[english], "relevant": []}
        for english, key in sorted(keys.items(), key=lambda pair: pair[1])
    ]
    return [*queries, *candidates]


def _in_runs(items: list[str], draw: Draw, count: int, length: int = 4) -> list[str]:
    """`count` of `items`, in neighbouring groups of `length`."""
    groups = [items[start : start + length] for start in range(0, len(items), length)]
    return [item for group in draw.shuffled(groups) for item in group][:count]
