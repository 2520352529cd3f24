"""What happened while an artefact was made stands apart from its identity."""

from __future__ import annotations

from xstilts.provenance.files import read_json
from xstilts.provenance.run_record import RunRecord


def test_times_host_and_versions_are_in_run_json(tmp_path):
    RunRecord().write(tmp_path / "run.json", device="cpu")
    run = read_json(tmp_path / "run.json")
    assert {"started", "seconds", "host", "peak_memory_mb", "packages"} <= set(run)
    assert run["device"] == "cpu"
    assert "torch" in run["packages"]
