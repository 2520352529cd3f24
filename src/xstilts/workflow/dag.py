"""Keeping Snakemake 9.27 quick where a grid has thousands of jobs (docs/performance.md).

Each function names the cost that it takes away. None of them changes what is planned, and where a
later Snakemake differs they do nothing.
"""

from __future__ import annotations

import atexit
import gc
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., Any])


def make_haste(output_settings: Any) -> None:
    """Prepare the process that builds the DAG; called before any job exists."""
    look_for_garbage_seldom(output_settings)
    count_where_quiet(output_settings)
    parse_each_uri_once()


def look_for_garbage_seldom(settings: Any) -> None:
    """A large DAG is a million objects that stay: looking through them again and again for garbage
    took a fifth of planning 90,000 cells. What was imported so far is not looked at again, nor is
    anything when a dry run ends."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    if settings.dryrun:
        atexit.register(gc.freeze)


def count_where_quiet(settings: Any) -> None:
    """Let ``snakemake -n -q all`` end with the number of jobs of each rule.

    Snakemake takes ``all`` for nothing in a dry run: it works out the resources of every job and
    prints them all, 2 MB for 90,000 cells. What it does for a bare ``-q``, which also hides the
    numbers, is to end after them.
    """
    from snakemake.settings.enums import Quietness

    if settings.dryrun and Quietness.ALL in (settings.quiet or ()):
        settings.quiet = {Quietness.RULES, Quietness.PROGRESS}


def parse_each_uri_once() -> None:
    """To see that a job's script is there Snakemake parses its path as a URI three times, and
    smart_open makes a class for each: a tenth of planning. The few paths that there are come from
    a cache instead."""
    from snakemake import sourcecache

    parse = getattr(sourcecache, "parse_uri", None)
    if parse is not None and not hasattr(parse, "cache_info"):
        sourcecache.parse_uri = cache(parse)


def of_wildcards(function: F) -> F:
    """A function for inputs or params that is called for thousands of jobs.

    Snakemake asks for its signature three times a call, and Python works it out each time from
    the code unless the function has it at hand.
    """
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function
