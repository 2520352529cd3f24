"""Snakemake finds logger plugins by this module's name: ``snakemake --logger xstilts``."""

from xstilts.workflow.progress import LogHandler

__all__ = ["LogHandler"]
