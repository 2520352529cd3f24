"""List scheduling stays between its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xstilts.cost.estimate import PlannedJob
from xstilts.cost.wall_time import wall_time


def job(title, seconds, waits_for=None):
    return PlannedJob(title, "train", "e", "c", "", waits_for, 0, 0, seconds, 0)


@st.composite
def forests(draw):
    """Jobs each of which may wait for an earlier one."""
    jobs = []
    for n in range(draw(st.integers(1, 12))):
        waits_for = draw(st.sampled_from([None, *(j.title for j in jobs)]))
        jobs.append(job(f"j{n}", draw(st.integers(1, 50)), waits_for))
    return jobs


class TestWall:
    def test_a_chain_takes_as_long_on_any_number_of_devices(self):
        chain = [job("a", 10), job("b", 20, "a"), job("c", 5, "b")]
        assert wall_time(chain, 1) == wall_time(chain, 8) == (35, 35)

    def test_the_longest_chain_goes_first(self):
        jobs = [job("x", 4), job("y", 4), job("a", 4), job("b", 8, "a")]
        assert wall_time(jobs, 2) == (12, 12)

    @given(forests(), st.integers(1, 5))
    def test_between_the_bounds_that_no_schedule_can_leave(self, jobs, devices):
        on, chain = wall_time(jobs, devices)
        work = sum(j.seconds for j in jobs)
        assert max(chain, work / devices) <= on <= work
        assert on <= work / devices + chain * (1 - 1 / devices) + 1e-9  # Graham 1969

    @given(forests())
    def test_one_device_works_without_a_pause(self, jobs):
        assert wall_time(jobs, 1)[0] == sum(j.seconds for j in jobs)
