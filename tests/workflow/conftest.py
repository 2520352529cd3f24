"""Fixtures of the workflow tests."""

from project import finished, project

__all__ = ["finished", "project"]
