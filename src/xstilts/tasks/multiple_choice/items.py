"""What each question adds to a score of multiple choice."""

from xstilts.tasks.items import right_answers as item_parts

__all__ = ["item_parts"]
