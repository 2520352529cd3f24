"""The package works where only what pyproject.toml declares is installed, without any extra.

An environment is made in which the built wheel is installed and the packages that it requires are
linked from the environment of the tests: a package that is imported and not declared is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.places import ROOT

IMPORT_ALL = """
import importlib, pkgutil, xstilts
for module in pkgutil.walk_packages(xstilts.__path__, "xstilts."):
    importlib.import_module(module.name)
"""


def required(package: Distribution) -> dict[str, Distribution]:
    """The distributions that a package requires without extras, directly or not, by their names."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, ...]] = set()
    waiting = [(text, "") for text in package.requires or []]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        found[name] = distribution(name)
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(needed, wanted) for needed in found[name].requires or []]
    return found


def link(package: Distribution, site: Path) -> None:
    """Link the folders and modules of an installed distribution into another environment."""
    for top in {Path(file).parts[0] for file in package.files or []} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(str(package.locate_file(top)))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with xstilts and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("install")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    source = folder / "source"
    source.mkdir()
    for part in ("pyproject.toml", "README.md", "LICENSE", "Snakefile"):
        shutil.copy2(ROOT / part, source)
    for part in ("config", "envs", "profiles", "src", "workflow"):
        no_builds = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, source / part, ignore=no_builds)
    subprocess.run([*wheel, "--wheel-dir", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env" / "lib").glob("python3*/site-packages")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
    ]
    subprocess.run([*install, str(built)], check=True)
    (metadata,) = site.glob("xstilts-*.dist-info")
    for package in required(PathDistribution(metadata)).values():
        link(package, site)
    return folder / "env" / "bin" / "python"


def run(
    python: Path, *command: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the interpreter with these arguments in a folder, by default its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(python), *command],
        env=environment,
        cwd=folder or python.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_training_imports(python):
    done = run(python, "-c", "import xstilts.training.train")
    assert done.returncode == 0, done.stderr


def test_every_module_imports(python):
    """Each package that a module imports is declared."""
    done = run(python, "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr


def test_the_embedded_benchmark_asks_for_its_extra(python):
    """Babel is not installed; the error says how to install it."""
    script = "from xstilts.provenance import plugins; plugins.load(plugins.SOURCES, 'embedded')"
    done = run(python, "-c", script)
    assert done.stderr.splitlines()[-1] == (
        "xstilts.errors.MissingPlugin: xstilts.sources: 'embedded' cannot be used: "
        'the embedded tasks need the package babel: pip install "xstilts[demo]"'
    )


def test_an_undeclared_package_is_not_there(python):
    """The environment is as bare as this file says it is."""
    assert "No module named 'babel'" in run(python, "-c", "import babel").stderr
    assert "No module named 'pytest'" in run(python, "-c", "import pytest").stderr


def test_an_installed_command_finds_the_cards_of_its_package(python, tmp_path):
    """In a folder without any."""
    done = run(python, "-m", "xstilts.cli.main", "cards", "--type", "mlm", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wikipedia" in done.stdout


def test_a_new_project_is_valid_and_can_be_planned(python, tmp_path):
    """With what `xstilts init` writes and nothing else beside the installed package."""
    command = ["-m", "xstilts.cli.main"]
    made = run(python, *command, "init", "new", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "new"
    checked = run(python, *command, "validate", folder=project)
    assert checked.stdout.startswith("config/config.yaml: ok, "), checked.stderr
    planned = run(python, "-m", "snakemake", "-n", "--quiet", "rules", folder=project)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert re.search(r"^evaluate +12$", planned.stdout + planned.stderr, re.MULTILINE)
