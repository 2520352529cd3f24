"""The provenance of a study as a Provenance Run Crate: ``ro-crate-metadata.json``.

Follows the profile https://w3id.org/ro/wfrun/provenance/0.5 (Leo et al. 2024, Recording provenance
of workflow runs with RO-Crate, PLoS ONE 19(9)) over RO-Crate 1.1: the Snakefile is the workflow,
each rule a tool and a step, each job an action with its inputs, its results and, where its run
record is there, its times and its peak memory. A job evaluates all languages of a target, so
90,000 scores are 1,800 actions. Data sets and encoders have their licence, citation and authors.
"""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from xstilts.archive.authors import Author, authors
from xstilts.archive.crate_jobs import Job, examples_id, jobs_of
from xstilts.archive.layout import STUDY
from xstilts.provenance.files import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from xstilts.archive.layout import Places
    from xstilts.grid.artefacts import Grid

WORKFLOW = "workflow/Snakefile"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
_RULES = {
    "fetch_encoder": "Fetch an encoder into a Hugging Face folder",
    "prepare_examples": "Read and check the examples of one task and split",
    "train": "Fine-tune an encoder on an intermediate task or a recipe",
    "evaluate": "Score a checkpoint on a target in all its languages",
    "check_contamination": "Search the training data for test items",
    "collect_scores": "Collect all scores into one table",
    "write_report": "Write the report",
}
"""The rules in the order of the flow; one without a job is left out."""
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".zip": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".html": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}
_LICENCE = (
    "The predictions hold gold answers of the data sets, so each of them is under the licence of "
    "its data set, which is given there; the workflow is under Apache-2.0."
)
_NO_TIME = "1970-01-01T00:00:00+00:00"
"""The date of a crate of whose jobs none has a run record: RO-Crate demands a date."""


def crate(grid: Grid, places: Places, members: Mapping[str, Path | bytes]) -> bytes:
    """The metadata file of the crate of a grid, over the members of its archive.

    Only members are named as files, so a crate never describes what is not there.
    """
    made = ROCrate(gen_preview=False, version="1.1")
    made.metadata.extra_contexts.append(_CONTEXT)
    jobs = list(jobs_of(grid, places, members))
    entities = [*_files(members), *_collections(grid, places, members), *_described(grid, members)]
    entities += [*_software(jobs), *_workflow(jobs, members), *_actions(jobs, members)]
    for properties in entities:
        made.add(ContextEntity(made, properties["@id"], properties))
    ended = [job.ended for job in jobs if job.ended]
    root = {
        "name": f"Study {grid.study.study} of xstilts",
        "description": "English intermediate-task training and zero-shot transfer: the scores of a "
        "grid with predictions, provenance and report. Checkpoints and data are not in it; their "
        "stamps are.",
        "license": _LICENCE,
        "conformsTo": _refs(PROFILES),
        "mainEntity": {"@id": WORKFLOW},
        "hasPart": _refs(sorted(members)),
        "mentions": [{"@id": "#run"}, *_refs(_id_of(job) for job in jobs)],
    }
    for name, value in root.items():
        made.root_dataset[name] = value
    made.root_dataset["datePublished"] = max(ended).isoformat() if ended else _NO_TIME
    return json_text(made.metadata.generate()).encode()


# --- files and what they are about ---------------------------------------------------------------


def _files(members: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in sorted(members):
        suffix = name[name.rindex(".") :] if "." in name else ""
        if name == WORKFLOW:
            continue
        yield {"@id": name, "@type": "File", "name": name} | (
            {"encodingFormat": _TYPES[suffix]} if suffix in _TYPES else {}
        )
    for url, (name, number) in PROFILES.items():
        yield {"@id": url, "@type": "CreativeWork", "name": name, "version": number}


def _collections(
    grid: Grid, places: Places, members: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """The stamps of one task and split in all languages, which thousands of jobs read together."""
    for task, split, languages in grid.reads.needed_examples():
        folder = grid.examples(task, split).folder
        stamps = (places.name_of(folder / f"{language}.json") for language in languages)
        yield {
            "@id": examples_id(task, split),
            "@type": "Collection",
            "name": f"{split} examples of {task}",
            "hasPart": _refs(stamp for stamp in stamps if stamp in members),
        }


def _described(grid: Grid, members: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Data sets and encoders, as their cards describe them, and the authors of both."""
    cards, named = grid.cards, set[Author]()
    for task in sorted({task for task, _, _ in grid.reads.needed_examples()}):
        of_task = (f"cards/tasks/{task}.yaml", f"cards/croissant/{task}.json")
        cards_of_it = _refs(name for name in of_task if name in members)
        yield _about(f"#dataset/{task}", "Dataset", cards.task(task)) | {"subjectOf": cards_of_it}
        named |= {*authors(cards.task(task).citation)}
    for name in grid.study.encoders:
        yield _about(f"#encoder/{name}", "CreativeWork", cards.encoder(name))
        named |= {*authors(cards.encoder(name).citation)}
    yield from (author.entity() for author in sorted(named))


def _about(identity: str, kind: str, card: Any) -> dict[str, Any]:
    found = [author.identity for author in authors(card.citation)]
    return {
        "@id": identity,
        "@type": kind,
        "name": card.title,
        "description": card.summary,
        "license": card.licence,
        "citation": card.citation,
        **({"author": _refs(found)} if found else {}),
    }


# --- the workflow --------------------------------------------------------------------------------


def _software(jobs: Iterable[Job]) -> Iterator[dict[str, Any]]:
    """Snakemake, and every package that a run record names, in every version."""
    packages = {
        (name, str(number))
        for job in jobs
        if isinstance(found := job.record.get("packages"), dict)
        for name, number in found.items()
    }
    for name, number in sorted(packages):
        yield {
            "@id": f"#package/{name}-{number}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": number,
        }
    yield {
        "@id": "#snakemake",
        "@type": "SoftwareApplication",
        "name": "Snakemake",
        "url": "https://snakemake.github.io",
        "softwareVersion": _versions_of(packages, "snakemake"),
    }
    yield {
        "@id": "#language",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "url": "https://snakemake.github.io",
    }


def _versions_of(packages: Iterable[tuple[str, str]], name: str) -> str:
    return ", ".join(number for package, number in sorted(packages) if package == name) or "unknown"


def _workflow(jobs: Iterable[Job], members: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """The Snakefile, and a tool and a step for each rule that has a job."""
    present = {job.rule for job in jobs}
    used = [rule for rule in _RULES if rule in present]
    needed: dict[str, set[str]] = defaultdict(set)
    for job in jobs:
        found = job.record.get("packages")
        if isinstance(found, dict):
            needed[job.rule] |= {f"#package/{name}-{number}" for name, number in found.items()}
    yield {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "xstilts",
        "version": version("xstilts"),
        "license": "Apache-2.0",
        "programmingLanguage": {"@id": "#language"},
        "hasPart": _refs(f"#tool/{rule}" for rule in used),
        "step": _refs(f"#step/{rule}" for rule in used),
    }
    for position, rule in enumerate(used):
        yield {
            "@id": f"#tool/{rule}",
            "@type": "SoftwareApplication",
            "name": rule,
            "description": _RULES[rule],
            "softwareVersion": version("xstilts"),
            "softwareRequirements": _refs(sorted(needed[rule])),
        }
        yield {
            "@id": f"#step/{rule}",
            "@type": "HowToStep",
            "name": rule,
            "position": str(position),
            "workExample": {"@id": f"#tool/{rule}"},
        }


def _actions(jobs: list[Job], members: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """An action for each job and its control action, and those of the run as a whole."""
    for job in jobs:
        identity = _id_of(job)
        usage = job.record.get("peak_memory_mb")
        yield {
            "@id": identity,
            "@type": "CreateAction",
            "name": f"{job.rule} {job.place}",
            "description": _RULES[job.rule],
            "instrument": {"@id": f"#tool/{job.rule}"},
            "object": _refs(job.inputs),
            "result": _refs(job.results),
            "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
            **_times(job.started, job.ended),
            **({"resourceUsage": {"@id": f"{identity}/memory"}} if usage is not None else {}),
        }
        if usage is not None:
            yield {
                "@id": f"{identity}/memory",
                "@type": "PropertyValue",
                "name": "peak memory",
                "propertyID": "peak_memory",
                "unitText": "MiB",
                "value": str(usage),
            }
        yield {
            "@id": f"#control/{job.rule}/{job.place}",
            "@type": "ControlAction",
            "name": f"orchestrate {job.rule} {job.place}",
            "instrument": {"@id": f"#step/{job.rule}"},
            "object": {"@id": identity},
        }
    yield from _run(jobs, members)


def _run(jobs: list[Job], members: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    started = [job.started for job in jobs if job.started]
    ended = [job.ended for job in jobs if job.ended]
    times = _times(min(started, default=None), max(ended, default=None))
    inputs = [name for name in sorted(members) if name == STUDY or name.startswith("cards/")]
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "all runs of the study",
        "instrument": {"@id": WORKFLOW},
        "object": _refs(inputs),
        "result": _refs(name for name in sorted(members) if name.startswith("results/")),
        **times,
    }
    yield {
        "@id": "#organize",
        "@type": "OrganizeAction",
        "name": "Snakemake runs the study",
        "instrument": {"@id": "#snakemake"},
        "object": _refs(f"#control/{job.rule}/{job.place}" for job in jobs),
        "result": {"@id": "#run"},
        **times,
    }


def _times(started: datetime | None, ended: datetime | None) -> dict[str, str]:
    times = {"startTime": started, "endTime": ended}
    return {name: time.isoformat() for name, time in times.items() if time}


def _id_of(job: Job) -> str:
    return f"#job/{job.rule}/{job.place}"


def _refs(identities: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": identity} for identity in identities]
