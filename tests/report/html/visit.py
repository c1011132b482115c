"""A page that is open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LIMIT = 60_000  # milliseconds, for what takes one second on a quiet machine


class Visit:
    """A page that is open, with all that it said and asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, scheme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(LIMIT)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address)
        self.page.wait_for_selector("body[data-drawn]")

    def _refuse(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def connections(self) -> list[str]:
        return [url for url in self.asked if not url.startswith(("data:", "blob:")) and url != self.address]

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def marks(self, chart: str) -> str:
        """What a chart draws, to be compared with what it draws later."""
        text: str = self.page.locator(f"#{chart} .chart svg").inner_html()
        return text

    def changes(self, chart: str, act: Any) -> None:
        """Wait until the drawing of a chart is another one after an action."""
        before = self.marks(chart)
        act()
        self.page.wait_for_function(
            "([id, before]) => document.querySelector(`#${id} .chart svg`).innerHTML !== before",
            arg=[chart, before],
        )
