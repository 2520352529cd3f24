"""Where things lie: the repository, and the mirror of real benchmark files if there is one."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIRROR = Path(os.environ.get("XSTILTS_MIRROR", ROOT.parent / "shared/mirror"))
CLAIMS = ROOT / "config" / "claims.yaml"
STUDIES = sorted(path for path in (ROOT / "config").glob("*.yaml") if path != CLAIMS)
"""The studies that are shipped."""
