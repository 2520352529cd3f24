"""Classification: accuracy, from predictions and gold labels; without torch."""

from __future__ import annotations

from xstilts.tasks.accuracy import AccuracyScoring
from xstilts.tasks.classification.schema import SCHEMA

SCORING = AccuracyScoring(SCHEMA)
