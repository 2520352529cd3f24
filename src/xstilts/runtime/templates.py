"""Jinja templates of a package, as all pages and cards of this project are written from them."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(folder: str, *, html: bool) -> Environment:
    """The templates in a folder of the package, such as ``audit``.

    An undefined name is an error. ``html``: values are escaped.
    """
    return Environment(
        loader=PackageLoader("xstilts", folder),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
