"""Write envs/lock.txt: the closure, at exact versions, of what the running environment has.

    python envs/relock.py        # in an environment where `pip install` has resolved the names below

The lock is installed with ``--no-deps``, so every package of the closure is in it, and only those.
Packages of torch's CUDA builds go to lock-cuda.txt, which only a torch that asks for them needs.
"""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

WANTED = """
babel datasets django huggingface_hub jinja2 numpy pandas pyarrow pydantic pyyaml requests rich
safetensors scipy snakemake tenacity tokenizers torch transformers
hypothesis mypy pip pytest ruff setuptools snakefmt
""".split()


def closure(names: list[str]) -> dict[str, str]:
    """Name -> version of these distributions and all that they require here."""
    found: dict[str, str] = {}
    todo = [Requirement(name) for name in names]
    while todo:
        requirement = todo.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        if (name, *sorted(extras)) in found:
            continue
        found[(name, *sorted(extras))] = ""
        dist = distribution(name)
        found[name] = dist.version.split("+")[0]
        for text in dist.requires or []:
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras):
                todo.append(needed)
    return {name: version for name, version in found.items() if isinstance(name, str)}


if __name__ == "__main__":
    lines = [f"{name}=={version}\n" for name, version in sorted(closure(WANTED).items())]
    header = "# Every package of the environment. Made by envs/relock.py; installed with --no-deps.\n"
    Path(__file__).with_name("lock.txt").write_text(header + "".join(lines))
    sys.stdout.write(f"{len(lines)} packages\n")
