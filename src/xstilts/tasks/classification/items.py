"""What each text adds to a score of classification."""

from xstilts.tasks.items import right_answers as item_parts

__all__ = ["item_parts"]
