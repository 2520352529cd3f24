"""What a study costs: counted where it can be, said how it is known, compared with the truth."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stored import evaluate, grid_in, train
from xstilts.config.tables import read_table
from xstilts.cost.dataset_sizes import BASES, Sizes
from xstilts.cost.estimate import Planned, make
from xstilts.cost.planned_vs_actual import compare, comparison, freeze, frozen_path
from xstilts.cost.show import text
from xstilts.cost.wall_time import wall
from xstilts.errors import StudyError
from xstilts.provenance import files
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.registry import SCHEMAS

SMALL = {
    "conditions": ["none", "nli"],
    "targets": ["xnli"],
    "seeds": [1],
    "training": {"all": {"epochs": 2, "selection": "last"}},
}


@pytest.fixture
def costs(tmp_path):
    """A folder of costs: one task is measured, one encoder is known."""
    folder = tmp_path / "costs"
    folder.mkdir()
    (folder / "tasks.tsv").write_text(
        "# how\ntask\tsplit\trows\ttokens\trows_basis\ttokens_basis\n"
        "nli\ttrain\t1000\t40.0\tdeclared\tmeasured\nxnli\ttest\t500\t50.0\tmeasured\tmeasured\n"
    )
    (folder / "encoders.tsv").write_text(
        "encoder\tlayers\thidden\tbody\tvocabulary\ntiny\t12\t768\t100\t250002\n"
    )
    (folder / "devices.tsv").write_text("device\tpeak\tshare\nbox\t60\t0.5\na100\t312\t0.5\n")
    return folder


@pytest.fixture
def grid(world, tmp_path):
    return grid_in(world, tmp_path, **SMALL)


def made(grid, costs, **how):
    return {job.title: job for job in make(grid, costs, **how).jobs}


class TestTokens:
    def test_a_training_reads_its_rows_so_many_epochs(self, grid, costs):
        job = made(grid, costs)["train tiny/none/seed1/nli"]
        assert job.train_tokens == 2 * 1000 * 40

    def test_limits_of_the_study_count(self, world, tmp_path, costs):
        training = {"all": {"epochs": 2, "selection": "last", "max_examples": 100}}
        limited = grid_in(world, tmp_path, **SMALL | {"training": training})
        assert made(limited, costs)["train tiny/none/seed1/nli"].train_tokens == 2 * 100 * 40
        training["all"]["max_steps"], training["all"]["batch_size"] = 5, 10
        limited = grid_in(world, tmp_path, **SMALL | {"training": training})
        assert made(limited, costs)["train tiny/none/seed1/nli"].train_tokens == 5 * 10 * 40

    def test_an_evaluation_reads_all_its_languages(self, world, tmp_path, costs, grid):
        assert made(grid, costs)["evaluate tiny/nli/seed1/xnli"].read_tokens == 5 * 500 * 50
        part = grid_in(world, tmp_path, **SMALL, evaluation={"max_examples": 100})
        assert made(part, costs)["evaluate tiny/nli/seed1/xnli"].read_tokens == 5 * 100 * 50

    def test_rows_of_prepared_examples_are_counted(self, grid, costs):
        stamp = grid.examples_stamp("nli", "train", "en")
        write_stamp(stamp, spec="", inputs={}, files=[], outcomes={"rows": 700})
        job = made(grid, costs)["train tiny/none/seed1/nli"]
        assert job.train_tokens == 2 * 700 * 40

    def test_it_is_said_how_sizes_are_known(self, grid, costs):
        assert make(grid, costs).sizes == {"nli/train": "declared", "xnli/test": "measured"}


class TestRates:
    def test_without_a_run_the_peak_of_a_device_decides(self, grid, costs):
        made_ = make(grid, costs, device="box")
        rate = made_.rates["tiny"]
        assert rate.train == pytest.approx(60e12 * 0.5 / (6 * 100e6))
        assert rate.read == pytest.approx(3 * rate.train)
        assert rate.basis == "estimated: 50% of the peak of one box"

    def test_an_unknown_device_is_refused(self, grid, costs):
        with pytest.raises(StudyError, match="unknown device 'bx'; did you mean 'box'"):
            make(grid, costs, device="bx")

    def test_earlier_trainings_of_any_study_tell_the_rate(self, grid, costs, tmp_path):
        folder = tmp_path / "results/another/checkpoints/tiny/none/seed1/qa"
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text('{"tokens": 10000, "seconds": 4.0}\n')
        (folder / "run.json").write_text('{"seconds": 9.0, "device": "cpu"}')
        made_ = make(grid, costs)
        rate = made_.rates["tiny"]
        assert (rate.train, rate.start_up) == (2500.0, 5.0)
        assert rate.basis == "measured in 1 trainings"
        (job,) = [j for j in made_.jobs if j.title == "train tiny/none/seed1/nli"]
        assert job.seconds == pytest.approx(5 + 80_000 / 2500)
        assert "estimated" in make(grid, costs, device="box").rates["tiny"].basis


class TestWhatIsThere:
    def test_checkpoints_and_cells_of_the_right_spec_are_there(self, grid, costs):
        train(grid, ("tiny", "none", 1, "nli"))
        evaluate(grid, "tiny", "none", 1, "xnli")
        made_ = make(grid, costs)
        assert made_.there == {"train": 1, "evaluate": 1}
        assert {job.title for job in made_.jobs} == {
            "train tiny/nli/seed1/intermediate",
            "train tiny/nli/seed1/nli",
            "evaluate tiny/nli/seed1/xnli",
        }

    def test_what_comes_after_a_missing_checkpoint_is_to_be_made(self, grid, costs):
        train(grid, ("tiny", "nli", 1, "intermediate"), ("tiny", "nli", 1, "nli"))
        evaluate(grid, "tiny", "nli", 1, "xnli")
        grid.checkpoint_stamp("tiny", "nli", 1, "intermediate").unlink()
        jobs = made(grid, costs)
        assert jobs["train tiny/nli/seed1/nli"].needs == "train tiny/nli/seed1/intermediate"
        assert jobs["evaluate tiny/nli/seed1/xnli"].needs == "train tiny/nli/seed1/nli"

    def test_only_missing_languages_are_read(self, grid, costs):
        train(grid, ("tiny", "none", 1, "nli"))
        evaluate(grid, "tiny", "none", 1, "xnli", languages=["en", "de", "sw"])
        job = made(grid, costs)["evaluate tiny/none/seed1/xnli"]
        assert job.read_tokens == 2 * 500 * 50


def job(title, seconds, needs=None):
    return Planned(title, "train", "e", "c", "", needs, 0, 0, seconds, 0)


@st.composite
def forests(draw):
    """Jobs each of which may wait for an earlier one."""
    jobs = []
    for n in range(draw(st.integers(1, 12))):
        needs = draw(st.sampled_from([None, *(j.title for j in jobs)]))
        jobs.append(job(f"j{n}", draw(st.integers(1, 50)), needs))
    return jobs


class TestWall:
    def test_a_chain_takes_as_long_on_any_number_of_devices(self):
        chain = [job("a", 10), job("b", 20, "a"), job("c", 5, "b")]
        assert wall(chain, 1) == wall(chain, 8) == (35, 35)

    def test_the_longest_chain_goes_first(self):
        jobs = [job("x", 4), job("y", 4), job("a", 4), job("b", 8, "a")]
        assert wall(jobs, 2) == (12, 12)

    @given(forests(), st.integers(1, 5))
    def test_between_the_bounds_that_no_schedule_can_leave(self, jobs, devices):
        on, chain = wall(jobs, devices)
        work = sum(j.seconds for j in jobs)
        assert max(chain, work / devices) <= on <= work
        assert on <= work / devices + chain * (1 - 1 / devices) + 1e-9  # Graham 1969

    @given(forests())
    def test_one_device_works_without_a_pause(self, jobs):
        assert wall(jobs, 1)[0] == sum(j.seconds for j in jobs)


class TestTruth:
    def run_of(self, grid, seconds, started="2999-01-01T00:00:00+00:00"):
        key = ("tiny", "none", 1, "nli")
        train(grid, key)
        record = grid.training(key).stamp.with_name("run.json")
        record.write_text(json.dumps({"seconds": seconds, "started": started}))

    def test_a_job_that_has_run_is_compared_with_its_plan(self, grid, costs):
        freeze(grid, costs)
        planned = files.read_json(frozen_path(grid))["jobs"]["train tiny/none/seed1/nli"]
        self.run_of(grid, 2 * planned["seconds"])
        (row,) = compare(grid)
        assert (row.rule, row.jobs) == ("train", 1)
        assert row.took == 2 * row.planned
        assert "(2.00 times)" in comparison([row])
        assert (grid.paths.results / "plan_vs_truth.json").is_file()

    def test_a_job_keeps_its_first_plan_over_several_starts(self, grid, costs):
        freeze(grid, costs)
        first = files.read_json(frozen_path(grid))["jobs"]
        self.run_of(grid, 10.0)
        freeze(grid, costs)
        assert files.read_json(frozen_path(grid))["jobs"] == first

    def test_what_ran_before_the_plan_is_not_its_truth(self, grid, costs):
        freeze(grid, costs)
        self.run_of(grid, 10.0, started="1999-01-01T00:00:00+00:00")
        assert compare(grid) == []


def test_the_plan_is_shown_in_short_lines(grid, costs):
    shown = text(make(grid, costs, device="box"), 8)
    assert "3 to do" in shown
    assert "on 8 devices" in shown
    assert all(len(line) <= 110 for line in shown.splitlines())


def test_the_projects_own_costs_can_be_read(world):
    """Every card's encoder is in the table, and every basis is a known word."""
    from support.world import ROOT
    from xstilts.config.catalogue import Catalogue

    folder = ROOT / "config/costs"
    known = {row["encoder"] for row in read_table(folder / "encoders.tsv")}
    assert set(Catalogue(ROOT / "config", SCHEMAS).encoders) <= known
    rows = read_table(folder / "tasks.tsv")
    assert len(rows) > 50
    for row in rows:
        assert float(row["rows"]) >= 1
        assert float(row["tokens"]) >= 1
        assert {row["rows_basis"], row["tokens_basis"]} <= set(BASES)


class TestCounting:
    """Prepared examples are counted with the encoder's own tokenizer, once."""

    @pytest.fixture
    def prepared(self, grid):
        from support import tiny

        tiny.encoder(grid.encoder("tiny").stamp.parent)
        made = grid.encoder("tiny").stamp.with_name("encoder.json")
        made.rename(grid.encoder("tiny").stamp)
        stamp = grid.examples_stamp("nli", "train", "en")
        stamp.parent.mkdir(parents=True)
        tiny.split(stamp, "classification", tiny.sentences(40))
        return grid

    def test_tokens_are_counted_and_kept(self, prepared, costs):
        counted = Sizes(prepared, costs, count=True).of("tiny", "nli", "train", "en")
        assert (counted.rows, counted.basis) == (40, "counted")
        assert 3 < counted.tokens < 20
        assert Sizes(prepared, costs).of("tiny", "nli", "train", "en") == counted

    def test_other_examples_are_counted_anew(self, prepared, costs):
        from support import tiny

        before = Sizes(prepared, costs, count=True).of("tiny", "nli", "train", "en")
        stamp = prepared.examples_stamp("nli", "train", "en")
        tiny.split(stamp, "classification", tiny.sentences(20))
        assert Sizes(prepared, costs).of("tiny", "nli", "train", "en").tokens == 40.0
        after = Sizes(prepared, costs, count=True).of("tiny", "nli", "train", "en")
        assert (after.rows, after.tokens_basis) == (20, "counted")
        assert after != before
