"""The crate of an archive: valid, complete, and of one action a job."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import responses
from rocrate_validator import services
from rocrate_validator.models import Severity

from support.archives import archive_of, members_of, small_grid
from support.stored import KEY, RECIPE, finish
from xstilts.archive import archive_file, crate
from xstilts.archive.layout import Places

CONTEXTS = Path(__file__).parent / "contexts"
SERVED = {
    "https://w3id.org/ro/crate/1.1/context": "ro_crate_1.1.json",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow_run.json",
}
"""The contexts that a crate names, as they are published, but only the terms that ours use."""
RECORD = {
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": 61.4,
    "peak_memory_mb": 512,
    "packages": {"torch": "2.13.0", "snakemake": "9.27.1"},
}


@pytest.fixture
def grid(world):
    made = small_grid(world, world.folder)
    finish(made)
    for key in made.reads.trainings():
        made.training(key).stamp.with_name("run.json").write_text(json.dumps(RECORD))
    return made


@pytest.fixture
def entities(grid, tmp_path):
    """The entities of the grid's crate by their ids."""
    made = json.loads(members_of(grid, tmp_path / "work")["ro-crate-metadata.json"])
    return {entity["@id"]: entity for entity in made["@graph"]}


def ids(references):
    return [reference["@id"] for reference in references]


@pytest.mark.filterwarnings("ignore")
def test_it_is_valid_at_the_level_that_the_profile_requires(world, tmp_path):
    """Of Provenance Run Crate 0.5 and of every profile that it rests on, with the files there."""
    part = small_grid(world, world.folder, seeds=[1], languages=["en", "sw"])
    finish(part)
    archive_file.unpack(archive_of(part, tmp_path / "a.tar.zst"), tmp_path / "crate")
    settings = services.ValidationSettings(
        rocrate_uri=str(tmp_path / "crate"),
        profile_identifier="provenance-run-crate",
        requirement_severity=Severity.REQUIRED,
        no_cache=True,
    )
    with responses.RequestsMock() as published:
        for url, name in SERVED.items():
            published.get(url, json=json.loads((CONTEXTS / name).read_bytes()))
        result = services.validate(settings)
    assert [issue.message for issue in result.get_issues()] == []
    assert result.passed()


def test_every_job_is_an_action_that_the_workflow_ran(grid, entities):
    """Scores are not: an evaluation is one action, whatever its languages."""
    kinds = Counter(
        identity.split("/")[1] for identity in entities if identity.startswith("#control/")
    )
    reads = grid.reads
    assert kinds["evaluate"] == len(reads.evaluations())
    assert kinds["train"] == len({grid.training(key).digest for key in reads.trainings()})
    assert kinds["prepare_examples"] == len(reads.needed_examples())
    assert len(entities["#organize"]["object"]) == sum(kinds.values())


def test_an_action_names_what_it_read_and_what_it_left(grid, entities):
    """The stamp of the checkpoint, and the examples of a task and split as one collection."""
    places = Places(grid.paths.results, grid.paths.resources)
    score = entities[f"#job/evaluate/{KEY}"]
    checkpoint = places.name_of(grid.training(RECIPE).stamp)
    assert ids(score["object"]) == [checkpoint, "#examples/xqa/test"]
    assert ids(score["result"]) == [f"results/scores/{KEY}.{x}" for x in ("jsonl", "zip")]
    assert len(entities["#examples/xqa/test"]["hasPart"]) == 4
    assert ids(entities[f"#job/train/{RECIPE}"]["result"]) == [checkpoint]


def test_times_memory_and_software_are_those_of_the_run_record(entities):
    """To the second; a job without a record has no times."""
    training = entities[f"#job/train/{RECIPE}"]
    assert training["startTime"] == "2026-01-02T03:04:05+00:00"
    assert training["endTime"] == "2026-01-02T03:05:06+00:00"
    assert entities[training["resourceUsage"]["@id"]]["value"] == "512"
    assert "#package/torch-2.13.0" in ids(entities["#tool/train"]["softwareRequirements"])
    assert entities["#snakemake"]["softwareVersion"] == "9.27.1"
    assert "startTime" not in entities[f"#job/evaluate/{KEY}"]
    assert entities["./"]["datePublished"] == training["endTime"]


def test_data_sets_and_encoders_have_their_licence_citation_and_authors(entities):
    """As their cards give them."""
    for identity in ("#dataset/xqa", "#encoder/tiny"):
        assert entities[identity]["license"] == "MIT"
        assert entities[identity]["citation"] == "Nobody 2020"
        assert ids(entities[identity]["author"]) == ["#author/Nobody-2020"]
    assert entities["#author/Nobody-2020"]["@type"] == "Person"


def test_it_names_every_member_and_no_other_file(grid, entities, tmp_path):
    """The manifest and the crate itself describe the archive."""
    members = set(members_of(grid, tmp_path / "again")) - {"ro-crate-metadata.json"}
    assert set(ids(entities["./"]["hasPart"])) == members
    of_files = {e["@id"] for e in entities.values() if "File" in e["@type"]}
    assert of_files == members


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"started": 3, "seconds": "x", "packages": 1},
        {"started": "2026-01-02T03:04:05", "seconds": 1},
        {"started": "2026-01-02T03:04:05+00:00", "seconds": 1e300},
    ],
)
def test_a_record_that_cannot_be_read_gives_no_times(record, grid, tmp_path):
    """A crate of which no job has a time still has a date, which RO-Crate demands."""
    for key in grid.reads.trainings():
        grid.training(key).stamp.with_name("run.json").write_text(json.dumps(record))
    places = Places(grid.paths.results, grid.paths.resources)
    made = json.loads(crate.crate(grid, places, members_of(grid, tmp_path / "work")))
    (root,) = (entity for entity in made["@graph"] if entity["@id"] == "./")
    assert root["datePublished"] == "1970-01-01T00:00:00+00:00"
