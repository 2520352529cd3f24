"""What is known: names, dates, measures and interface strings of each language, read from Babel and
Django.

Babel carries the Unicode CLDR, Django carries gettext catalogues; both are read as data. Names are
split by a fixed hash into a training and a test half, and what belongs to one place stays together:
Kenya, the Kenyan Shilling and the languages at home in Kenya are in the same half. So no name that
a test asks about was seen in training, except the closed classes: months, weekdays and units.
"""

from __future__ import annotations

import datetime
import importlib.util
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from xstilts.errors import MissingPlugin
from xstilts.seeds import order_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INSTALL = 'pip install "xstilts[demo]"'

try:
    from babel import Locale, localedata
    from babel.core import get_global
    from babel.dates import format_skeleton
    from babel.lists import format_list
    from babel.messages.mofile import read_mo
    from babel.numbers import format_percent
    from babel.units import format_unit
except ImportError as error:
    raise ImportError(f"the embedded tasks need the package babel: {INSTALL}") from error

HALVES = ("train", "test")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LANGUAGES: tuple[str, ...] = _words(
    "af am ar az bg bn de el en es et eu fa fi fr gu ha he hi hu id ig it ja jv ka kk ko lt "
    "ml mr ms my nl pa pcm pl pt qu ro ru sw ta te th tr uk ur vi yo zh zu"
)
"""The languages of the CLDR tasks: of those that XTREME-R's tasks and MasakhaNER have and that have
a resource class in config/languages.tsv, those for which `missing` finds nothing missing.

Written out so that another version of Babel cannot change the benchmark silently; a test compares.
"""

LEFT_OUT: tuple[str, ...] = _words("bm ee gn ht lg ny rw sn tl tn wo xh")
"""Languages with a resource class that Babel knows, but not well enough: see `missing`."""

UI_LANGUAGES: tuple[str, ...] = _words(
    "af ar az bg bn de el es et eu fa fi fr he hi hu id ig it ja ka kk ko lt ml mr ms nl pa "
    "pl pt ro ru sw ta te th tr uk ur vi zh"
)
"""The languages other than English with at least `UI_FEWEST` usable Django interface strings."""

UI_FEWEST = 60

_BABEL_NAME = MappingProxyType({"tl": "fil"})
_DJANGO_NAME = MappingProxyType({"zh": "zh_Hans"})

REGIONS = ("africa", "america", "asia", "europe", "oceania")

_REGION_OF_ZONE = MappingProxyType(
    {
        "Africa": "africa",
        "America": "america",
        "Asia": "asia",
        "Europe": "europe",
        "Pacific": "oceania",
    }
)

_REGION_BY_M49 = MappingProxyType(
    {
        "AU": "oceania",
        "BM": "america",
        "CC": "oceania",
        "CL": "america",
        "CV": "africa",
        "CX": "oceania",
        "EC": "america",
        "ES": "europe",
        "FK": "america",
        "FO": "europe",
        "GS": "america",
        "IO": "africa",
        "IS": "europe",
        "KM": "africa",
        "MG": "africa",
        "MU": "africa",
        "MV": "asia",
        "PT": "europe",
        "RE": "africa",
        "RU": "europe",
        "SC": "africa",
        "SH": "africa",
        "SJ": "europe",
        "TF": "africa",
        "US": "america",
        "YT": "africa",
    }
)
"""Territories whose time zones name an ocean or more than one region: the region of the UN M49
standard (https://unstats.un.org/unsd/methodology/m49/)."""

UNITS = _words(
    "length-kilometer length-meter length-centimeter length-mile mass-kilogram mass-gram "
    "volume-liter duration-year duration-month duration-week duration-day duration-hour "
    "duration-minute duration-second temperature-celsius speed-kilometer-per-hour "
    "area-hectare area-square-kilometer area-square-meter power-watt electric-volt "
    "digital-megabyte digital-gigabyte"
)
"""Everyday CLDR units; a language uses those that it has a long pattern of its own for."""

_ZERO = MappingProxyType({"arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀"})
"""The zero of each numbering system that is the default of a listed language; Babel itself writes
ASCII digits."""

_LONGEST_NAME = 28
_FEWEST = MappingProxyType(
    {"territory": 150, "currency": 60, "language": 40, "month": 12, "weekday": 7, "unit": 5}
)
_INVISIBLE = dict.fromkeys(map(ord, "\u200e\u200f\u2066\u2067\u2068\u2069\u061c"))


@dataclass(frozen=True)
class Vocabulary:
    """The names of one language in one half. All mappings go from a CLDR key to a name."""

    language: str
    names: Mapping[str, Mapping[str, str]]
    """By kind: territory, currency, language, unit, month, weekday."""
    regions: Mapping[str, tuple[str, ...]]
    """Territory keys of each region, sorted."""
    other: tuple[str, ...]
    """Words and phrases of no kind: quarters, eras, times of day, time zones."""


def clean(text: str) -> str:
    """`text` without direction marks, and with every kind of space as one plain space."""
    return " ".join(text.translate(_INVISIBLE).split())


@cache
def locale(language: str) -> Locale:
    """Babel's data of a language. Not `localedata.load(merge_inherited=False)`: that call spoils
    Babel's cache."""
    return Locale.parse(babel_name(language))


def babel_name(language: str) -> str:
    """The name under which Babel keeps a language."""
    return _BABEL_NAME.get(language, language)


@cache
def region_of() -> Mapping[str, str]:
    """The region of each territory, from the names of its time zones, else from M49. Antarctica has
    none."""
    found: dict[str, str] = {}
    for territory, zones in sorted(get_global("territory_zones").items()):
        areas = {zone.split("/")[0] for zone in zones}
        region = _REGION_BY_M49.get(territory)
        if region is None and len(areas) == 1:
            region = _REGION_OF_ZONE.get(areas.pop())
        if region is not None:
            found[territory] = region
    return found


def half_of(kind: str, key: str) -> str:
    """The half a territory, currency or language belongs to.

    A currency goes with the territory that the first two letters of its code name (ISO 4217), a
    language with the territory where CLDR expects it (likely subtags): names alike stay on one
    side.
    """
    home = key[:2]
    if kind == "language":
        likely = get_global("likely_subtags").get(key, f"{key}_Zzzz_ZZ")
        home = str(likely).split("_")[-1]
    return HALVES[int(order_key("half", home), 16) % 2]


@cache
def currency_of() -> Mapping[str, str]:
    """The currency that is legal tender in each territory today, where there is one and no more."""
    found: dict[str, str] = {}
    for territory, records in sorted(get_global("territory_currencies").items()):
        current = [code for code, _, end, tender in records if tender and end is None]
        if len(current) == 1:
            found[territory] = current[0]
    return found


@cache
def language_of() -> Mapping[str, str]:
    """The most spoken official language of each territory."""
    found: dict[str, str] = {}
    for territory, spoken in sorted(get_global("territory_languages").items()):
        official = [
            (-float(facts["population_percent"]), code.split("_")[0])
            for code, facts in spoken.items()
            if facts["official_status"] in ("official", "de_facto_official")
        ]
        if official:
            found[territory] = min(official)[1]
    return found


def _known_keys() -> dict[str, set[str]]:
    """The keys worth asking about: territories with a region, current currencies, languages spoken
    somewhere."""
    spoken = get_global("territory_languages").values()
    return {
        "territory": set(region_of()),
        "currency": {
            code
            for records in get_global("territory_currencies").values()
            for code, _, end, tender in records
            if tender and end is None
        },
        "language": {code for codes in spoken for code in codes if len(code) == 2},
    }


@cache
def own_names(language: str) -> Mapping[str, Mapping[str, str]]:
    """All names of a language that CLDR gives in that language, by kind, sorted by key."""
    data = locale(language)
    given: dict[str, Mapping[str, str]] = {
        "territory": data.territories,
        "currency": data.currencies,
        "language": data.languages,
    }
    names = {
        kind: {key: clean(given[kind][key]) for key in sorted(keys) if key in given[kind]}
        for kind, keys in _known_keys().items()
    }
    names["unit"] = {
        unit: clean(_long_pattern(language, unit).replace("{0}", "")) for unit in units(language)
    }
    names["month"] = _translated(data.months["format"]["wide"], r"M\d\d")
    names["weekday"] = _translated(data.days["format"]["wide"], r"(Sun|Mon|Tue|Wed|Thu|Fri|Sat)")
    return names


def _translated(names: Mapping[int, str], root: str) -> dict[str, str]:
    """Names other than those that CLDR's root gives to a language without its own."""
    return {
        f"{key:02d}": clean(name)
        for key, name in sorted(names.items())
        if not re.fullmatch(root, name)
    }


def _long_pattern(language: str, unit: str) -> str:
    """CLDR's pattern for many of a unit, "{0} kilometres", or nothing.

    Babel has no public name for it. Its dictionary resolves references when read, and remembers.
    """
    data = localedata.LocaleDataDict(localedata.load(str(locale(language))))
    return str(data["unit_patterns"].get(unit, {}).get("long", {}).get("other", ""))


@cache
def units(language: str) -> tuple[str, ...]:
    """The units that a language has a long pattern for. CLDR's root has short ones only, so none is
    inherited."""
    return tuple(unit for unit in UNITS if "{0}" in _long_pattern(language, unit))


def missing(language: str) -> list[str]:
    """What a language lacks to be in the benchmark: one clause for each kind with too few names of
    its own.

    A kind counts as not its own where fewer than half of its names differ from the English ones.
    Territories and languages are exempt: proper names may be the same in a language that uses the
    Latin alphabet.
    """
    parent = get_global("parent_exceptions").get(language)
    if parent is not None:
        return [f"what it has of its own: it inherits from {parent}"]
    names, english = own_names(language), own_names("en")
    lacking = [
        f"{len(names[kind])} of {fewest} {kind} names"
        for kind, fewest in _FEWEST.items()
        if len(names[kind]) < fewest
    ]
    for kind in ("currency", "month", "weekday", "unit"):
        own = sum(name != english[kind].get(key) for key, name in names[kind].items())
        if language != "en" and own * 2 < len(names[kind]):
            lacking.append(f"only {own} of {len(names[kind])} {kind} names differ from English")
    return lacking


@cache
def vocabulary(language: str, half: str) -> Vocabulary:
    """The usable names of one half: short, without brackets and digits, and each the name of one
    thing only."""
    names = own_names(language)
    open_kinds = ("territory", "currency", "language")
    uses = Counter(name.casefold() for kind in open_kinds for name in names[kind].values())
    usable = {
        kind: {
            key: name
            for key, name in names[kind].items()
            if half_of(kind, key) == half and uses[name.casefold()] == 1 and _is_plain(name)
        }
        for kind in open_kinds
    }
    closed = {kind: names[kind] for kind in ("unit", "month", "weekday")}
    regions = {
        region: tuple(key for key in usable["territory"] if region_of()[key] == region)
        for region in REGIONS
    }
    return Vocabulary(language, {**usable, **closed}, regions, _other_words(language, half))


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and not re.search(r"[()\[\]（）\d,،、]", name)


def _other_words(language: str, half: str) -> tuple[str, ...]:
    """Phrases of no kind. Those that contain a territory of the other half ("Peru Time") are left
    out."""
    data = locale(language)
    phrases = [*data.quarters["format"]["wide"].values(), *data.eras["wide"].values()]
    phrases += [data.day_periods["format"]["abbreviated"][key] for key in ("am", "pm")]
    for zone in sorted(data.meta_zones):
        long = data.meta_zones[zone].get("long", {})
        phrases.append(long.get("generic") or long.get("standard") or "")
    foreign = [
        name
        for key, name in own_names(language)["territory"].items()
        if half_of("territory", key) != half
    ]
    phrases = [clean(phrase) for phrase in phrases]
    return tuple(
        sorted(
            {
                phrase
                for phrase in phrases
                if phrase and len(phrase) <= 40 and not any(name in phrase for name in foreign)
            }
        )
    )


def native_digits(language: str, text: str) -> str:
    """`text` with ASCII digits replaced by those of the language's default numbering system."""
    data = locale(language)
    system = data.default_numbering_system
    if system not in _ZERO:
        return text
    return text.translate({ord("0") + n: chr(ord(_ZERO[system]) + n) for n in range(10)})


def quantity(language: str, unit: str, amount: int) -> str:
    """A measured unit, "35 kilometres"."""
    return native_digits(
        language, clean(format_unit(amount, unit, "long", locale=locale(language)))
    )


def percentage(language: str, amount: int) -> str:
    """A percentage, "35 %"."""
    return native_digits(language, clean(format_percent(amount / 100, locale=locale(language))))


def date(language: str, month: int, day: int) -> str:
    """A day of the year, "12 March"."""
    moment = datetime.date(2024, month, day)
    text = format_skeleton("MMMMd", moment, locale=locale(language))
    return native_digits(language, clean(text))


def joined(language: str, items: Sequence[str]) -> str:
    """`items` as a list in the language, "Kenya, Peru and Fiji"."""
    return clean(format_list(items, locale=locale(language)))


def separators(language: str, count: int) -> list[str]:
    """What the language writes before, between and after `count` listed items: `count` + 1
    literals."""
    marks = [chr(0xE000 + index) for index in range(count)]
    return re.split("[\ue000-\uf8ff]", joined(language, marks))


def split_words(text: str) -> list[str]:
    """Whitespace words, with punctuation at their ends as words of its own."""
    words: list[str] = []
    for word in text.split():
        start, end = 0, len(word)
        while start < end and unicodedata.category(word[start])[0] == "P":
            start += 1
        while end > start and unicodedata.category(word[end - 1])[0] == "P":
            end -= 1
        words += [*word[:start], *([word[start:end]] if start < end else []), *word[end:]]
    return words


def _catalogues(language: str) -> Iterable[Path]:
    """Django's catalogues of a language: compiled ones, which hold no unreviewed entries."""
    spec = importlib.util.find_spec("django")
    if spec is None or spec.origin is None:
        raise MissingPlugin(f"the task ui_strings needs the package django: {INSTALL}")
    name = _DJANGO_NAME.get(language, language)
    root = Path(spec.origin).parent
    return sorted(
        [
            *root.glob(f"conf/locale/{name}/LC_MESSAGES/*.mo"),
            *root.glob(f"contrib/*/locale/{name}/LC_MESSAGES/*.mo"),
        ],
        key=lambda path: path.relative_to(root).as_posix(),
    )


@cache
def interface_strings(language: str) -> Mapping[str, str]:
    """English interface strings of 2 to 12 words with their translations; both sides free of
    repetition."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for path in _catalogues(language):
        with path.open("rb") as stream:
            messages = list(read_mo(stream))
        for message in messages:
            english, translation = message.id, message.string
            if message.context or not isinstance(english, str) or not isinstance(translation, str):
                continue
            english, translation = clean(english), clean(translation)
            if not 2 <= len(english.split()) <= 12 or re.search(
                r"[%{}<>&\n]", english + translation
            ):
                continue
            if not translation or translation == english or english in found or translation in seen:
                continue
            found[english] = translation
            seen.add(translation)
    return dict(sorted(found.items()))
