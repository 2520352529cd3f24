"""The page names what readers left out of the data, and what people decided about them."""

import pytest

from support.synthetic import SyntheticStudy
from xstilts.analysis.report.data_notes import DeclaredApart, LargeFile, LeftOut, data_notes
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.stamp import write_stamp

NO_ANSWER = "question left out: its answer is not in the text"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Resources lie below the working folder."""
    monkeypatch.chdir(tmp_path)


def stamp_all(grid, remarks, spec=None):
    """Stamp all examples; ``remarks`` by task, split and language."""
    for task, split, languages in grid.reads.needed_examples():
        digest = spec or grid.examples(task, split).digest
        for language in languages:
            stamp = grid.examples_stamp(ExamplesKey(task, split, language))
            stamp.parent.mkdir(parents=True, exist_ok=True)
            found = remarks.get((task, split, language))
            outcomes = {"rows": 50} | ({"remarks": found} if found else {})
            write_stamp(stamp, spec=digest, inputs={}, files=[], outcomes=outcomes)


def test_rows_are_named_by_task_split_language_number_and_reason(tmp_path):
    """Those of every language that a reader has a remark about."""
    grid = SyntheticStudy(tmp_path).grid()
    stamp_all(grid, {("xquad", "test", "sw"): {NO_ANSWER: 3}})
    notes = data_notes(grid)
    assert notes.left_out == [LeftOut("xquad", "test", "sw", 3, NO_ANSWER)]
    assert notes.without_stamp == 0


def test_examples_of_another_spec_are_not_known(tmp_path):
    """Their remarks would be about other files than those that were scored."""
    grid = SyntheticStudy(tmp_path).grid()
    stamp_all(grid, {("xquad", "test", "sw"): {NO_ANSWER: 3}}, spec="0" * 64)
    notes = data_notes(grid)
    assert notes.left_out == []
    assert notes.without_stamp == sum(len(codes) for *_, codes in grid.reads.needed_examples())


@pytest.mark.parametrize("remarks", [["text"], {NO_ANSWER: "many"}])
def test_a_strange_stamp_says_nothing(tmp_path, remarks):
    """An archive of somebody else's may hold one."""
    grid = SyntheticStudy(tmp_path).grid()
    stamp_all(grid, {("xquad", "test", "sw"): remarks})
    assert data_notes(grid).left_out == []


def test_the_table_has_a_row_for_each_reason(tmp_path):
    """Also with no row: its columns are the same."""
    grid = SyntheticStudy(tmp_path).grid()
    columns = ["task", "split", "language", "number", "reason"]
    assert list(data_notes(grid).table.frame) == columns
    stamp_all(grid, {("xquad", "test", "sw"): {NO_ANSWER: 1200}})
    (row,) = data_notes(grid).table.rows()
    assert [cell.text for cell in row.cells] == ["xquad", "test", "sw", "1,200", NO_ANSWER]


def test_pairs_that_are_declared_apart_are_named(tmp_path):
    """Each training task with each target."""
    grid = SyntheticStudy(tmp_path, known_apart={"mnli": ["xquad"]}).grid()
    assert data_notes(grid).apart == [DeclaredApart("mnli", "xquad")]


def test_files_that_may_be_larger_than_usual_are_named(tmp_path):
    """With the bound of their card, once for all languages."""
    file = {"path": "xquad.json", "url": "https://example.org/x", "max_bytes": 5 * 2**30}
    split = {"reader": "squad_json", "files": {"data": file}}
    changes = {"xquad": {"splits": {"train": split, "test": split}}}
    grid = SyntheticStudy(tmp_path, changes_by_task=changes).grid()
    assert data_notes(grid).large_files == [LargeFile("xquad", "xquad.json", 5 * 2**30)]
