"""The names of a report's files are known before it is written."""

from support.synthetic import SyntheticStudy
from xstilts.analysis.report import files
from xstilts.analysis.report.figures import FIGURES


def test_every_figure_has_a_name():
    """The workflow declares the names, the page draws the figures."""
    assert tuple(FIGURES) == files.FIGURES


def test_every_encoder_has_its_folder(tmp_path):
    """Drawings and tables have their own endings."""
    grid = SyntheticStudy(tmp_path, encoders=["tiny", "large"]).grid()
    svg = files.report_files(grid, endings=("svg",))
    folder = grid.paths.results / "report"
    assert {path.parent for path in svg} == {folder / "tiny", folder / "large"}
    assert len(svg) == 2 * len(files.FIGURES)
    of_encoders = 2 * (5 * len(files.FIGURES) + 3 * len(files.TABLES))
    assert len(files.report_files(grid)) == of_encoders + 3


def test_a_study_of_baselines_has_only_the_table_of_its_data(tmp_path):
    """There is no gain to draw."""
    (table,) = files.report_files(SyntheticStudy(tmp_path, conditions=["none"]).grid(), ("csv",))
    assert table == tmp_path / "results" / "synthetic" / "report" / "data" / "left_out.csv"
