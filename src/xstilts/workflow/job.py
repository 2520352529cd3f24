"""The frame of every script: its run, its log, its state, its errors, its mark."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import XstiltsError
from xstilts.provenance.files import write_json
from xstilts.runtime.job_state import record_job_state
from xstilts.workflow.run import RUNS, folder_of_run, read_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.grid.artefacts import Grid


@dataclass(frozen=True)
class Job:
    """A job of a run. ``redo_before``: artefacts older than this are computed again (-R)."""

    grid: Grid
    redo_before: float | None


@contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run a script's body; its prints go to the job's log, an expected error is one line.

    When the body ends well, the job's marks are written.
    """
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    with record_job_state(log), log.open("w", encoding="utf-8", buffering=1) as stream:
        stdout, sys.stdout = sys.stdout, stream
        try:
            paths = [*map(str, snakemake.output), *map(str, snakemake.input)]
            grid, forced, started = read_run(folder_of_run(paths))
            yield Job(grid, started if snakemake.rule.rpartition(".")[2] in forced else None)
            for path in map(str, snakemake.output):
                if RUNS in Path(path).parts:
                    write_json(Path(path), {"rule": snakemake.rule})
        except XstiltsError as error:
            print(f"error: {error}", file=stream)
            raise SystemExit(f"xstilts: {snakemake.rule}: {error}") from None
        except OSError as error:  # a full disk, a folder that may not be written
            traceback.print_exc(file=stream)
            raise SystemExit(f"xstilts: {snakemake.rule}: {error}") from None
        except Exception:
            traceback.print_exc(file=stream)
            raise
        finally:
            sys.stdout = stdout
