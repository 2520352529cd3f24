"""The frame of every script: its log, its state, its errors."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.errors import XstiltsError
from xstilts.grid.snapshot import thaw
from xstilts.runtime.job_state import record_job_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.grid.artefacts import Grid

from xstilts.workflow.study import FROZEN


@contextmanager
def job(snakemake: Any) -> Iterator[Grid]:
    """Run a script's body: its output goes to the job's log, an expected error is one line."""
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    with record_job_state(log), log.open("w", encoding="utf-8", buffering=1) as stream:
        out, sys.stdout = sys.stdout, stream
        try:
            yield thaw(Path(snakemake.config[FROZEN]))
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
            sys.stdout = out
