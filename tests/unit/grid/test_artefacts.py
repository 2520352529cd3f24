"""What decides each artefact: what changes when something changes, and what does not."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy

import pytest

from support.world import CARDS, ENCODER, PROSE, ROOT, STUDY
from xstilts.config.yaml_models import read_yaml
from xstilts.errors import LineageError
from xstilts.grid import artefacts
from xstilts.grid.keys import INTERMEDIATE
from xstilts.grid.opening import open_grid
from xstilts.grid.snapshot import as_json, load_snapshot, save_snapshot, snapshot_path
from xstilts.provenance import code as code_module
from xstilts.provenance.code import check_code


def stages(grid):
    """The digest of every stage of a grid, by what it makes."""
    as_json(grid)
    return {"/".join(map(str, key)): stage.digest for key, stage in grid._stages.items()}


def changed(before, after):
    """The stages of both grids whose identity is another."""
    one, other = stages(before), stages(after)
    return {key for key in one.keys() & other.keys() if one[key] != other[key]}


def summaries(found):
    """Of stages, those that are not about the whole grid: its table, its report, its overlaps."""
    whole = ("table", "report", "submission", "overlaps")
    return {key for key in found if not key.startswith(whole)}


class TestPaths:
    """Paths carry the identity of what they hold."""

    def test_they_say_what_is_there(self, world):
        """As docs and users know them."""
        grid = world.grid(results="out", resources="shared")
        assert [
            str(path)
            for path in (
                grid.encoder("tiny").stamp,
                grid.examples_stamp("xqa", "test", "sw"),
                grid.checkpoint_stamp("tiny", "nli", 1, "qa"),
                grid.paths.scores("tiny", "nli", 1, "xqa"),
                grid.report.stamp,
            )
        ] == [
            "shared/encoders/tiny/stamp.json",
            "shared/examples/xqa/test/sw.json",
            "out/small/checkpoints/tiny/nli/seed1/qa/stamp.json",
            "out/small/cells/tiny/nli/seed1/xqa.jsonl",
            "out/small/report.html",
        ]

    def test_the_baseline_starts_from_the_encoder(self, world):
        """And every other condition's recipe from its intermediate checkpoint."""
        grid = world.grid()
        assert grid.start_of("tiny", "none", 1, "qa") == grid.encoder("tiny").stamp
        assert grid.start_of("tiny", "nli", 1, INTERMEDIATE) == grid.encoder("tiny").stamp
        assert grid.start_of("tiny", "nli", 1, "qa") == (
            grid.checkpoint_stamp("tiny", "nli", 1, INTERMEDIATE)
        )

    def test_retrieval_is_read_from_the_intermediate_checkpoint(self, world):
        """Of the baseline, from the encoder itself."""
        grid = world.grid()
        assert grid.evaluated("tiny", "none", 1, "pairs") == grid.encoder("tiny").stamp
        assert grid.evaluated("tiny", "nli", 1, "pairs") == (
            grid.checkpoint_stamp("tiny", "nli", 1, INTERMEDIATE)
        )
        assert grid.evaluated("tiny", "nli", 1, "xqa") == (
            grid.checkpoint_stamp("tiny", "nli", 1, "qa")
        )

    def test_examples_are_those_that_are_read(self, world):
        """English training sets of tasks and recipes, test sets in the chosen languages."""
        needed = world.grid(languages=["de"]).needed_examples()
        assert needed == [
            ("nli", "train", ["en"]),
            ("choice", "train", ["en"]),
            ("qa", "train", ["en"]),
            ("xnli", "test", ["de"]),
            ("xqa", "test", ["de"]),
            ("pairs", "test", ["de"]),
        ]

    def test_a_task_of_many_languages_is_trained_in_english(self, world):
        """Zero-shot means: trained in English, also where English is not listed first."""
        grid = world.grid(conditions=["none", "news"])
        assert ("news", "train", ["en"]) in grid.reads.needed_examples()
        assert grid.training_examples("news", INTERMEDIATE) == [
            grid.examples_stamp("news", "train", "en")
        ]


class TestWhatChangesNothing:
    """Existing results stay valid."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"languages": ["de", "sw"]},
            {"seeds": [1, 2, 3]},
            {"seeds": [2]},
            {"encoders": ["tiny", "other"]},
            {"targets": ["xnli", "xqa", "pairs"][:2]},
            {"conditions": ["none", "nli", "choice"]},
            {"conditions": ["multi", "choice", "none", "nli"]},
            {"mirror": "/some/where"},
            {"training": {"tasks": {"topic": {"epochs": 1}}}},
        ],
        ids=lambda changes: str(changes)[:40],
    )
    def test_another_choice(self, world, changes):
        """Languages, seeds, encoders, targets and conditions come and go."""
        assert summaries(changed(world.grid(), world.grid(**changes))) == set()

    def test_another_condition(self, world):
        """Where multi is not asked for: it is made of all conditions."""
        before = world.grid(conditions=["none", "nli"])
        assert summaries(changed(before, world.grid(conditions=["none", "nli", "qa"]))) == set()

    def test_another_folder(self, world):
        """Where things lie does not decide what they are."""
        before = world.grid()
        assert summaries(changed(before, world.grid(results="a", resources="b"))) == set()

    @pytest.mark.parametrize("key", PROSE)
    def test_the_prose_of_cards(self, world, key):
        """Titles, summaries, licences and citations enter the report alone."""
        before = world.grid()
        stages(before)
        for name in CARDS:
            world.change_card(name, **{key: "Said better."})
        world.write("encoders", ENCODER | {key: "Said better."})
        assert changed(before, world.grid()) == {"report"}

    def test_what_is_said_of_languages(self, world):
        """A corrected resource class enters the report alone."""
        before = world.grid()
        stages(before)
        path = world.config / "languages.tsv"
        path.write_text(path.read_text().replace("\t2\t1.6", "\t1\t1.6"))
        assert changed(before, world.grid()) == {"report"}

    def test_a_default_that_is_written_out(self, world):
        """Saying what is so anyway changes nothing."""
        before = world.grid()
        after = world.grid(training={"all": {"epochs": 3.0}}, evaluation={"batch_tokens": 8192})
        assert summaries(changed(before, after)) == set()

    def test_a_key_of_a_card_that_is_written_out(self, world):
        """As with the study."""
        before = world.grid()
        stages(before)
        card = deepcopy(CARDS["xqa"])
        card["splits"]["test"]["options"] = {}
        card["splits"]["test"]["files"]["data"]["mirror"] = None
        world.write("tasks", card)
        assert summaries(changed(before, world.grid())) == set()


class TestWhatChangesSomething:
    """And no more than depends on it."""

    def test_hyperparameters_of_a_recipe_task(self, world):
        """Its trainings and what is read from them, in every condition."""
        after = world.grid(training={"tasks": {"qa": {"epochs": 1.0}}})
        expected = {
            f"{stage}/tiny/{condition}/{seed}/{name}"
            for condition in STUDY["conditions"]
            for seed in (1, 2)
            for stage, name in (("training", "qa"), ("evaluation", "xqa"))
        }
        assert summaries(changed(world.grid(), after)) == expected

    def test_hyperparameters_of_an_intermediate_task(self, world):
        """Its conditions with all that follows; other conditions do not know it."""
        after = world.grid(training={"tasks": {"choice": {"epochs": 1.0}}})
        found = summaries(changed(world.grid(), after))
        assert {key.split("/")[2] for key in found} == {"choice", "multi"}
        assert len(found) == 2 * 2 * (3 + 3)  # conditions, seeds, trainings and targets

    def test_the_intermediate_stage(self, world):
        """The baseline has none."""
        found = summaries(
            changed(world.grid(), world.grid(training={"intermediate": {"epochs": 1.0}}))
        )
        assert found
        assert not [key for key in found if "/none/" in key]

    def test_multi_depends_on_its_tasks(self, world):
        """A condition that is added is one more task of multi, and changes nothing else."""
        after = world.grid(conditions=["none", "nli", "choice", "qa", "multi"])
        found = summaries(changed(world.grid(), after))
        assert {key.split("/")[2] for key in found} == {"multi"}

    def test_the_cap_of_multi(self, world):
        """Concerns multi alone."""
        found = summaries(changed(world.grid(), world.grid(multi={"cap": 100})))
        assert {key.split("/")[2] for key in found} == {"multi"}

    def test_a_limit_of_examples(self, world):
        """Concerns the evaluation of that target alone."""
        found = changed(world.grid(), world.grid(evaluation={"max_examples": {"xqa": 10}}))
        assert {key.split("/")[0] for key in summaries(found)} == {"evaluation"}
        assert {key.split("/")[-1] for key in summaries(found)} == {"xqa"}

    def test_the_layer_of_retrieval(self, world):
        """Concerns retrieval alone: the encoder is not fetched again, nothing is trained."""
        before = world.grid()
        stages(before)
        world.write("encoders", ENCODER | {"retrieval_layer": 1})
        found = summaries(changed(before, world.grid()))
        assert found == {
            f"evaluation/tiny/{condition}/{seed}/pairs"
            for condition in STUDY["conditions"]
            for seed in (1, 2)
        }

    @pytest.mark.parametrize(
        ("key", "value", "kinds"),
        [
            ("scorer", "squad2", {"evaluation"}),
            ("primary", "f1", {"evaluation"}),
            ("codes", {"de": "ger"}, {"examples", "evaluation"}),
        ],
    )
    def test_how_a_target_is_scored(self, world, key, value, kinds):
        """Is no matter of training."""
        before = world.grid()
        stages(before)
        world.change_card("xqa", **{key: value})
        found = summaries(changed(before, world.grid()))
        assert {name.split("/")[0] for name in found} == kinds
        assert all("xqa" in name for name in found)

    def test_how_a_recipe_would_be_scored(self, world):
        """Decides nothing: a recipe is not scored."""
        before = world.grid()
        stages(before)
        world.change_card("qa", scorer="mlqa", primary="f1")
        assert summaries(changed(before, world.grid())) == set()

    def test_the_environment(self, world):
        """Other versions, other bits: everything."""
        before = world.grid()
        stages(before)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        assert changed(before, world.grid()) == set(stages(before))

    @pytest.mark.parametrize(
        ("module", "kinds"),
        [
            ("xstilts.training.train", {"training", "evaluation", "table", "report", "submission"}),
            (
                "xstilts.models.network.bert",
                {"training", "evaluation", "table", "report", "submission"},
            ),
            ("xstilts.models.network.deberta", set()),
            ("xstilts.evaluation.evaluate", {"evaluation", "table", "report", "submission"}),
            (
                "xstilts.tasks.span_qa.model",
                {"training", "evaluation", "table", "report", "submission"},
            ),
            (
                "xstilts.data.readers.squad_json",
                {"examples", "overlaps", "training", "evaluation", "table", "report", "submission"},
            ),
            ("xstilts.analysis.report.page", {"report"}),
            ("xstilts.analysis.table", {"table", "report", "submission"}),
            ("xstilts.cli.main", set()),
            ("xstilts.workflow.progress", set()),
        ],
    )
    def test_code(self, world, monkeypatch, module, kinds):
        """A change of the library reaches what runs it and what depends on that."""
        before = world.grid()
        stages(before)
        code_of = artefacts.code_of
        monkeypatch.setattr(
            artefacts,
            "code_of",
            lambda modules: {k: v + (k == module) * "!" for k, v in code_of(modules).items()},
        )
        found = changed(before, world.grid())
        assert {key.split("/")[0] for key in found} == kinds
        if module == "xstilts.tasks.span_qa.model":
            assert not [key for key in found if key.endswith("/xnli")]

    def test_all_of_a_spec_counts(self, world):
        """Swapping the values of two hyperparameters is another training."""
        one = world.grid(training={"all": {"weight_decay": 0.2, "warmup": 0.3}})
        other = world.grid(training={"all": {"weight_decay": 0.3, "warmup": 0.2}})
        key = ("tiny", "none", 1, "qa")
        assert one.training(key).digest != other.training(key).digest


class TestIdentity:
    def test_what_differs_has_another_identity(self, world):
        """Encoder, condition, seed, target: each of them decides a cell."""
        grid = world.grid(encoders=["tiny", "other"])
        found = [
            grid.evaluation(encoder, condition, seed, target).digest
            for encoder in ("tiny", "other")
            for condition in STUDY["conditions"]
            for seed in (1, 2)
            for target in ("xnli", "xqa")
        ]
        assert len(set(found)) == len(found)

    def test_the_same_computation_has_one_identity(self, world):
        """Tuning the encoder on nli is the same, whatever comes after it."""
        grid = world.grid()
        intermediate = grid.training("tiny", "nli", 1, INTERMEDIATE)
        assert intermediate.digest == grid.training("tiny", "none", 1, "nli").digest


class TestFrozen:
    """A run works from a copy that no edit reaches."""

    @pytest.fixture(params=["plain", "chosen", "replaced recipe", "unused task", "unlisted"])
    def grid(self, request, world):
        """Grids whose frozen copies were once refused, or were another grid."""
        card = deepcopy(CARDS["pairs"])
        card["splits"]["test"] |= {"languages": ["de", "qqq"], "options": {"x": {0: 1, 10: 2}}}
        if request.param == "unlisted":
            world.write("tasks", card)
        return world.grid(
            **{
                "plain": {},
                "chosen": {
                    "languages": {"xqa": "low_resource", "default": ["de"]},
                    "training": {"all": {"learning_rate": 1.0e-5}, "recipe": {"epochs": 3}},
                    "evaluation": {"max_examples": {"xqa": 3, "default": None}},
                },
                "replaced recipe": {"recipes": {"qa": "qa_part"}, "languages": "low_resource"},
                "unused task": {"training": {"tasks": {"topic": {"epochs": 1}}}},
                "unlisted": {},
            }[request.param]
        )

    def test_it_is_the_same_grid(self, grid):
        """Every stage has the same digest, or no job would start."""
        thawed = load_snapshot(save_snapshot(grid))
        assert stages(thawed) == stages(grid)
        assert thawed.resolved.cells() == grid.resolved.cells()
        assert snapshot_path(thawed) == snapshot_path(grid)

    @pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.stem)
    def test_shipped_studies_can_be_frozen(self, path, tmp_path):
        """All that their cards say survives."""
        study = read_yaml(path) | {"results": str(tmp_path)}
        grid = open_grid(study, str(path), ROOT / "config", ROOT / "envs" / "lock.txt")
        assert stages(load_snapshot(save_snapshot(grid))) == stages(grid)

    def test_an_edited_copy_is_refused(self, world):
        """Its name is the digest of what it says."""
        grid = world.grid()
        path = save_snapshot(grid)
        said = json.loads(path.read_text())
        path.write_text(json.dumps(said | {"environment": "mine"}))
        with pytest.raises(LineageError, match=r"json: was edited: its name is no longer"):
            load_snapshot(path)

    def test_a_missing_copy_is_named(self, tmp_path):
        """Someone cleaned the results while the run went on."""
        with pytest.raises(LineageError, match=r"gone\.json: cannot be read"):
            load_snapshot(tmp_path / "gone.json")

    def test_later_edits_do_not_reach_it(self, world):
        """Of cards, of the language table, of anything under config/."""
        grid = world.grid()
        path = save_snapshot(grid)
        before = stages(grid)
        world.change_card("nli", labels=["no", "yes"])
        world.write("encoders", ENCODER | {"folder": "another"})
        (world.config / "languages.tsv").unlink()
        assert stages(load_snapshot(path)) == before

    def test_freezing_twice_changes_nothing(self, world):
        """The same study has the same copy."""
        assert (
            save_snapshot(world.grid())
            == save_snapshot(world.grid())
            == snapshot_path(world.grid())
        )
        assert len([*(world.folder / "results" / "small" / ".frozen").iterdir()]) == 1

    def test_edited_code_is_refused(self, world, monkeypatch):
        """The code digests are those of the time when the run started."""
        grid = world.grid()
        thawed = load_snapshot(save_snapshot(grid))
        stage = thawed.training("tiny", "none", 1, "qa")
        check_code(stage.modules, thawed.code_digest(stage.modules))
        monkeypatch.setattr(
            code_module, "code_of", lambda modules: {"xstilts.training.train": "edited"}
        )
        with pytest.raises(LineageError, match="the library was edited after this run had started"):
            check_code(stage.modules, thawed.code_digest(stage.modules))


class TestImports:
    """Planning needs no torch: it takes well under a second."""

    def run(self, code):
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )

    def test_a_grid_is_laid_out_without_heavy_libraries(self):
        """Torch, pandas and pyarrow are for jobs."""
        done = self.run(
            "import sys, xstilts.cli.main\n"
            "from pathlib import Path\n"
            "from xstilts.config.yaml_models import read_yaml\n"
            "from xstilts.grid.snapshot import as_json\n"
            "from xstilts.grid.opening import open_grid\n"
            "path = Path('config/config.yaml')\n"
            "grid = open_grid(read_yaml(path), str(path), path.parent, Path('envs/lock.txt'))\n"
            "assert len(as_json(grid)['code']) > 5\n"
            "heavy = {'torch', 'pandas', 'pyarrow', 'scipy', 'transformers', 'numpy'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        )
        assert done.returncode == 0, done.stderr
