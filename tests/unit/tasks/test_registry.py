"""The types of task: one line and one folder each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xstilts import tasks
from xstilts.models.export import CLASSES
from xstilts.tasks.registry import SCHEMAS, TASK_TYPES


def test_every_folder_has_a_line():
    """And no line is without a folder."""
    folders = {path.parent.name for path in Path(tasks.__file__).parent.glob("*/schema.py")}
    assert set(TASK_TYPES) == folders
    assert list(SCHEMAS) == [SCHEMAS[name].name for name in TASK_TYPES]


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_schema_is_complete(name):
    """Its columns have an id and the gold answer; its class of transformers is known."""
    schema = SCHEMAS[name]
    columns = schema.columns().names
    assert columns[0] == "id"
    assert schema.gold is None or schema.gold in columns
    assert schema.scorers
    assert schema.guessed_tokens > 0
    assert schema.transformers_class is None or schema.transformers_class in CLASSES


def test_schemas_need_no_torch_and_planning_no_pyarrow():
    """A dry run asks them; it must not wait for either."""
    code = (
        "import sys\n"
        "from xstilts.tasks.registry import SCHEMAS\n"
        "schemas = list(SCHEMAS.values())\n"
        "assert not {'torch', 'pyarrow'} & set(sys.modules)\n"
        "[schema.columns() for schema in schemas]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
