"""Fixtures of the workflow tests."""

from support.project import finished, project

__all__ = ["finished", "project"]
