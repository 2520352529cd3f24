"""Fixtures of the unit tests."""

from world import world

__all__ = ["world"]
