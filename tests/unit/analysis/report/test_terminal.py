"""The mean gains in a terminal."""

import re

from support.synthetic import SyntheticStudy, gains_of_a_formula
from xstilts.analysis import table
from xstilts.analysis.report import terminal
from xstilts.analysis.report.results import analysis_of


def summary(tmp_path, score=gains_of_a_formula, **options):
    study = SyntheticStudy(tmp_path, **options)
    grid = study.grid()
    study.write_scores(grid, score)
    return terminal.text_summary(analysis_of(grid, table.collect(grid)))


def test_a_line_per_condition_and_target(tmp_path):
    """Zero-shot and low-resource means stand side by side with their number of languages."""
    line = summary(tmp_path).splitlines()[2]
    pattern = r"tiny +mnli +xquad +\+0\.8 \[.*\] \(6\) +inconclusive +\+2\.[23].* \(3\)"
    assert re.fullmatch(pattern, line)


def test_several_targets_have_a_line_together(tmp_path):
    """The mean over targets comes first."""
    lines = summary(tmp_path, targets=["xquad", "tydiqa"]).splitlines()[2:]
    assert [line.split()[2] for line in lines] == ["all", "xquad", "tydiqa"]


def test_one_seed_has_no_interval(tmp_path):
    """A line below says why."""
    text = summary(tmp_path, seeds=[1])
    assert "[" not in text
    assert text.endswith(terminal.ONE_TRAINING)


def test_only_none(tmp_path):
    """Without gains it says so."""
    assert summary(tmp_path, conditions=["none"]).startswith("No gains:")


def test_no_low_resource_languages(tmp_path):
    """A mean over no language is a dash."""
    line = summary(tmp_path, codes=["en", "de", "ru"]).splitlines()[2]
    assert line.endswith(" –")
