"""Damage for bytes and for JSON values, drawn from a seeded generator; and a watch over a call."""

from __future__ import annotations

import json
import os
import resource
import signal
from contextlib import contextmanager
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMES = int(os.environ.get("XSTILTS_FUZZ", "1"))
"""How many times as many inputs as in the short run."""
SECONDS = 2.0
"""CPU seconds that one input may take."""
MEBIBYTES = 600
"""What all inputs of one test may add to the memory that the process needs at most."""

_BYTES = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\t", b"\x1b[2J"),
    *(b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b"- ", b"&a ", b"*a", b"!!int ", b"<<: "),
    *(b"[" * 5000, b'{"a":' * 2000, b"9" * 5000, b"-1", b"1e999", b"NaN", b"\\ud800", b"{lang}"),
    *(b"../../", b"no", b"010", b"1:30", b"2020-13-45", b"=", b"~", b"#", b"%", b"|", b"a" * 3000),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 10**30, 2**63, -(2**63), 0.5, 1e308, -0.0, float("nan")),
    *(float("inf"), "", " ", "\x00", "\ud800", "a\nb", "../../x", "/etc/passwd", "{lang}", "no"),
    *("x" * 5000, "٣", "1e-5", "NaN", [], {}, [[]], [None], [1, "a"], {"": 0}, {"a": {"b": []}}),
)


def cases(name: str, count: int) -> Iterator[Random]:
    """A generator for each input of a kind; the same ones in every run of the same length."""
    for number in range(count * TIMES):
        yield Random(f"{name} {number}")


def damaged(data: bytes, random: Random) -> bytes:
    """The bytes with one to three faults."""
    for _ in range(random.randint(1, 3)):
        data = _damaged_once(data, random)
    return data


def _damaged_once(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    to = min(len(data), at + random.choice((1, 1, 2, 8, 64)))
    kind = random.randrange(7)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:to] + data[at:]
    if kind == 3 and at < len(data):
        return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
    if kind == 4:
        other = random.randrange(len(data) + 1)
        return data[:at] + data[other : other + 64] + data[at:]
    return data[:at] + random.choice(_BYTES) + data[at if kind == 5 else to :]


def changed(value: Any, random: Random) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, deleted, added or moved."""
    value = deepcopy(value)
    for _ in range(random.randint(1, 3)):
        place = random.choice([*_places(value), None])
        if place is None:  # the whole value
            return deepcopy(random.choice(_VALUES))
        container, key = place
        kind = random.randrange(6)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[random.choice(("", "x", "\x00", "constructor", str(key) * 2))] = container[
                key
            ]
        elif kind == 2 and isinstance(container, list):
            container.append(container[key])
        elif kind == 3:
            other, other_key = random.choice(list(_places(value)))
            container[key] = deepcopy(other[other_key])
        else:
            container[key] = deepcopy(random.choice(_VALUES))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with each of its keys."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        container = todo.pop()
        if isinstance(container, dict):
            found += [(container, key) for key in container]
            todo += container.values()
        elif isinstance(container, list):
            found += [(container, index) for index in range(len(container))]
            todo += container
    return found


def damaged_json(value: Any, random: Random) -> bytes:
    """A JSON file whose value is changed, whose bytes are damaged, or both."""
    kind = random.randrange(3)
    text = json.dumps(changed(value, random) if kind else value)
    data = text.encode("utf-8", "surrogatepass")
    return data if kind == 1 else damaged(data, random)


class TookTooLong(BaseException):
    """An input that takes more than `SECONDS`; no handler of exceptions catches it."""


@contextmanager
def watched() -> Iterator[None]:
    """Raise `TookTooLong` in a body that computes or waits for too long."""

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, stop), signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 60 * SECONDS)  # it waits; others may use the processor
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fail if the body needs `MEBIBYTES` more than the process needed before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < MEBIBYTES, f"{grown} MiB more than before"


def refused(call: Callable[[], Any], allowed: type[Exception]) -> bool:
    """Whether a call is refused by an allowed error, whose lines can be printed."""
    message = None
    try:
        with watched():
            call()
    except allowed as error:
        message = str(error)
    if message is None:
        return False
    assert message.strip()
    assert message.encode()  # half characters cannot be printed
    return True
