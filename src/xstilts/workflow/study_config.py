"""The study as Snakemake was given it: config files, ``--config``, or a module's ``config:``."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from xstilts.config.study_file import LoadedStudy, load_study


def study_config(workflow: Any, config: dict[str, Any]) -> LoadedStudy:
    """The keys of the study, read by the loader that `xstilts validate` uses.

    Snakemake has read the files before, but leniently: it takes the last of two equal keys.
    """
    if workflow.modifier.is_module:
        return LoadedStudy(deepcopy(dict(config)), "config of the module")
    given = [*workflow.configfiles, *workflow.overwrite_configfiles]
    files = list(dict.fromkeys(map(Path, given)))
    if workflow.overwrite_configfiles:  # they stand alone
        files = [Path(file) for file in workflow.overwrite_configfiles]
    return load_study(files, workflow.config_settings.config)
