"""The studies that come with the project can be planned: offline, without data, the whole grid."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from support.project import HOME, NO_NETWORK, Project, new_project

pytestmark = pytest.mark.workflow
STUDIES = {  # trainings and scores, so that a slip in a study does not pass unseen
    "phang2020": (522, 12_150),
    "xtreme_r": (294, 8_052),
    "tydiqa": (160, 1_100),
}


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which no process can open a connection."""
    project = new_project(tmp_path_factory.mktemp("studies") / "project")
    (project.folder / "src/sitecustomize.py").write_text(NO_NETWORK)
    return project


@pytest.mark.parametrize("name", [*STUDIES, "lowres"])
def test_a_study_is_planned_without_network_or_data(offline: Project, name: str):
    """Every training and every score; nothing is downloaded and nothing is written."""
    config = HOME / "config" / f"{name}.yaml"
    assert yaml.safe_load(config.read_text())["study"] == name
    jobs = offline.planned("--configfile", f"config/{name}.yaml")
    assert {"fetch_encoder", "check_contamination", "collect_scores", "write_report"} <= set(jobs)
    if name in STUDIES:
        assert jobs["train"] == STUDIES[name][0]
    assert not (offline.folder / "resources").exists()
    assert not (offline.folder / "results" / name).exists()


@pytest.mark.mirror
@pytest.mark.skipif(
    not (Path(HOME).parent / "shared/mirror/MANIFEST.tsv").is_file(), reason="no mirror"
)
def test_the_pilots_data_come_from_the_mirror_alone(offline: Project):
    """One of its data sets of each kind of file; the rest are read by the cards' own tests."""
    mirror = str(HOME.parent / "shared/mirror")
    codes = {"americasnli": "quy", "afriqa": "yo", "masakhaner1": "wo", "xcopa": "qu"}
    study = {
        "study": "mini",
        "encoders": ["tiny"],
        "conditions": ["none"],
        "targets": [*codes],
        "languages": {task: [code] for task, code in codes.items()},
        "recipes": {"squad": "squad_part", "mnli": "mnli_part"},
        "seeds": [1],
        "mirror": mirror,
    }
    (offline.folder / "config/mini.yaml").write_text(yaml.safe_dump(study))
    offline.snakemake("download", "--configfile", "config/mini.yaml")
    for task, code in codes.items():
        assert [*offline.folder.glob(f"resources/examples/{task}-test-*/{code}.json")]
