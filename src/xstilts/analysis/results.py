"""The results of a study as data frames, for notebooks: ``xstilts.load("results/my-study")``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from xstilts.errors import UsageError

TABLE, GAINS, CLAIMS = "grid.parquet", "gains.csv", "claims.tsv"


@dataclass(frozen=True)
class Results:
    """A folder of results that a run has finished. Each file is read when it is asked for."""

    folder: Path

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each score: `xstilts.analysis.table` lists its columns."""
        return pd.read_parquet(self._file(TABLE))

    @cached_property
    def gains(self) -> pd.DataFrame:
        """A row for each gain, as in ``gains.csv``."""
        return pd.read_csv(self._file(GAINS), keep_default_na=False, na_values=[""])

    @cached_property
    def claims(self) -> pd.DataFrame:
        """A row for each claim and its verdict, as in ``claims.tsv``."""
        return pd.read_csv(
            self._file(CLAIMS), sep="\t", dtype=str, keep_default_na=False, na_values=[]
        )

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UsageError(
                f"{path}: does not exist; run snakemake to finish the study, or `snakemake claims` "
                "for the verdicts"
            )
        return path


def load(folder: str | Path) -> Results:
    """The results of one study, for example ``load("results/embedded").scores``.

    Raises `UsageError` where there is no such folder.
    """
    found = Path(folder)
    if not found.is_dir():
        raise UsageError(f"{found}: there is no such folder; results are in results/<study>")
    return Results(found)
