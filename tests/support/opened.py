"""A report that is open in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


class Opened:
    """A page, with what it requested and what went wrong in it."""

    def __init__(
        self, browser: Browser, path: Path, width: int, anchor: str = "", script: bool = True
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=script
        )
        self.page = self.context.new_page()
        self.problems: list[str] = []
        address = path.as_uri()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.partition("#")[0] == address
                else self.problems.append(f"requests {request.url}")
            ),
        )
        self.page.goto(f"{address}#{anchor}" if anchor else address)

    @property
    def widths(self) -> tuple[int, int]:
        """The width of the content, and of the window."""
        content, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        return content, window

    def column(self, table: str, number: int) -> list[str]:
        """The visible texts of a column of a table, from 0."""
        found: list[str] = self.page.evaluate(
            """([id, k]) => [...document.getElementById(id).tBodies[0].rows]
                .filter((row) => !row.hidden).map((row) => row.cells[k].textContent)""",
            [table, number],
        )
        return found

    def close(self) -> None:
        """Close the page."""
        self.context.close()
