"""Visit: a page in a browser, what it asked for, and the errors it raised."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page, what it asked for, and the errors it raised."""

    page: Any
    asked: list[str]
    errors: list[str]

    def rows(self) -> list[str]:
        """Give the ids of the utterances that are drawn, in their order."""
        return self.page.locator("#rows .row .id").all_inner_texts()

    def count(self) -> str:
        """Give the line that says how many utterances are shown."""
        return self.page.locator("#count").inner_text()

    def places(self, figure: str) -> dict[str, tuple[float, float]]:
        """Give where the points of a figure are, by what they are called."""
        return {
            name: (x, y)
            for name, x, y in self.page.locator(f"#{figure} .point").evaluate_all(
                """all => all.map(one => [one.getAttribute("aria-label").split(",")[0],
                ...one.getAttribute("transform").match(/[\\d.]+/g).map(Number)])"""
            )
        }


def visiting(browser: Any, path: Path, **options: Any) -> Iterator[Visit]:
    """Open a page from disk, once it has drawn itself, and close it afterwards."""
    page = browser.new_page(**{"viewport": {"width": 1300, "height": 900}, **options})
    page.set_default_timeout(30_000)
    seen = Visit(page=page, asked=[], errors=[])
    page.on("request", lambda asked: seen.asked.append(asked.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda line: seen.errors.append(line.text) if line.type in {"error", "warning"} else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    yield seen
    page.close()
