"""The mean gains in a terminal."""

import re

from support.synthetic import SyntheticStudy, edit, gains_of_a_formula, score_file
from xstilts.analysis import table
from xstilts.analysis.report import terminal


def summary(tmp_path, change=lambda grid: None, **options):
    study = SyntheticStudy(tmp_path, **options)
    grid = study.grid()
    study.write_scores(grid, gains_of_a_formula)
    change(grid)
    return terminal.text_summary(table.collect(grid), grid.cards.languages())


def test_a_line_per_condition_and_target(tmp_path):
    """Zero-shot and low-resource means stand side by side with their number of languages."""
    line = summary(tmp_path).splitlines()[2]
    pattern = r"tiny +mnli +xquad +50\.0 +\+0\.8 \[.*\] \(6\) +\+2\.2 \[.*\] \(3\)"
    assert re.fullmatch(pattern, line)


def test_a_dagger_marks_means_with_a_warning(tmp_path):
    """A line below says what it means."""

    def warn(grid):
        edit(
            score_file(grid, "mnli", 2),
            "de",
            warnings=["majority_class"],
        )

    text = summary(tmp_path / "warned", warn)
    assert "+0.8†" in text
    assert "+2.2 [" in text
    assert text.endswith("† some of these scores have a warning; the report lists them\n")
    assert "†" not in summary(tmp_path / "clean")


def test_only_none(tmp_path):
    """Without gains it says so."""
    assert summary(tmp_path, conditions=["none"]).startswith("No gains:")


def test_no_low_resource_languages(tmp_path):
    """A mean over no language is a dash."""
    line = summary(tmp_path, codes=["en", "de", "ru"]).splitlines()[2]
    assert line.endswith("+1.8 (2)        –")
