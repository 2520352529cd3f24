"""Write envs/lock.txt: every package that pyproject.toml needs, at the version that is installed.

    python envs/relock.py     # in an environment in which pip has installed all of it

The lock is installed with ``--no-deps``, so it holds every package of the closure, and only those.
environment.yaml gives the same lock to conda. Packages of torch's CUDA builds are in lock-cuda.txt,
which only a torch that asks for them needs.
"""

import re
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def wanted() -> list[str]:
    """What pyproject.toml declares: dependencies, those of every extra, and the group ``dev``."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    extras = declared["project"]["optional-dependencies"].values()
    return [
        *declared["project"]["dependencies"],
        *(requirement for extra in extras for requirement in extra),
        *declared["dependency-groups"]["dev"],
    ]


def closure(names: list[str]) -> dict[str, str]:
    """Name -> version of these distributions and all that they require here."""
    seen: set[tuple[str, ...]] = set()
    found: dict[str, str] = {}
    todo = [Requirement(name) for name in names]
    while todo:
        requirement = todo.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        if (name, *sorted(extras)) in seen:
            continue
        seen.add((name, *sorted(extras)))
        dist = distribution(name)
        found[name] = dist.version.split("+")[0]
        for text in dist.requires or []:
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras):
                todo.append(needed)
    return found


CONDA = """\
# The same lock for those who live in conda (snakemake --sdm conda). Made by envs/relock.py.
name: xstilts
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
      - --no-deps
"""

if __name__ == "__main__":
    here = Path(__file__).parent
    lines = [f"{name}=={version}\n" for name, version in sorted(closure(wanted()).items())]
    header = "# Every package of the environment. Made by envs/relock.py; installed --no-deps.\n"
    (here / "lock.txt").write_text(header + "".join(lines))
    pins = "".join(f"      - {line}" for line in lines)
    (here / "environment.yaml").write_text(CONDA + pins)
    sys.stdout.write(f"{len(lines)} packages\n")
