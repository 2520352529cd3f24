"""Multiple choice: accuracy, from predictions and gold choices; without torch."""

from __future__ import annotations

from xstilts.tasks.accuracy import AccuracyScoring
from xstilts.tasks.multiple_choice.schema import SCHEMA

SCORING = AccuracyScoring(SCHEMA)
