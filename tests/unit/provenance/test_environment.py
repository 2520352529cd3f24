"""What a run record says of the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

from xstilts.provenance import environment


def test_every_package_has_its_version_and_most_a_digest_of_their_files():
    """Also those that no module of ours imports."""
    assert environment.packages()["numpy"] == version("numpy")
    assert len(environment.package_records()["numpy"]) == 64
    assert set(environment.package_records()) <= set(environment.packages())


def test_it_is_json_and_names_processor_and_commit():
    found = json.loads(json.dumps(environment.describe()))
    assert found["processor"]
    assert {"gpu_driver", "git_commit", "git_clean"} <= set(found)


def test_outside_of_a_repository_nothing_is_said_of_git(tmp_path):
    assert environment._git(tmp_path) == {"git_commit": None, "git_clean": None}


def test_a_changed_file_makes_a_repository_unclean(tmp_path):
    """The commit alone would name code that did not run."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    assert environment._git(tmp_path)["git_clean"] is True
    (tmp_path / "new").write_text("")
    assert environment._git(tmp_path)["git_clean"] is False


def test_torch_is_described_where_it_is_loaded_and_never_loaded_for_it():
    code = "import sys; from xstilts.provenance import environment as e; e.describe()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)
    code = "import torch, xstilts.provenance.environment as e; print('threads' in e.describe())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
