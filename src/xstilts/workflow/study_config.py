"""The study that the user gave Snakemake: config files, ``--config``, or a module's ``config:``."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from xstilts.config.study_file import LoadedStudy, load_study


def needs_default(workflow: Any, config: dict[str, Any]) -> bool:
    """Whether the user named no study, so that the project's own is run.

    ``--config`` alone changes the project's study.
    """
    if workflow.overwrite_configfiles:
        return False
    return not (config if _in_module(workflow) else workflow.configfiles)


def study_config(workflow: Any, config: dict[str, Any]) -> LoadedStudy:
    """The keys of the study, read by the loader that `xstilts validate` uses.

    Snakemake has read the files before, but leniently: it takes the last of two equal keys.
    """
    if _in_module(workflow):
        return LoadedStudy(deepcopy(dict(config)), "config of the module")
    # the files of --configfile stand alone
    given = workflow.overwrite_configfiles or workflow.configfiles
    files = list(dict.fromkeys(map(Path, given)))
    return load_study(files, workflow.config_settings.config)


def _in_module(workflow: Any) -> bool:
    """Whether another workflow has loaded this one by ``module``.

    ``modifier.is_module`` does not tell: it is true of the outermost workflow as well.
    """
    return workflow.modifier.parent_modifier is not None
