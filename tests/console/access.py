"""What axe finds wrong with a page: the accessibility rules of WCAG 2.2 A and AA."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """One line for each rule that is broken, with the elements."""
    page.wait_for_load_state("load")  # a link that was followed may not have its style sheet yet
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": _TAGS}})
    return [
        f"{rule['id']}: {rule['help']}: {[node['target'] for node in rule['nodes']][:3]}"
        for rule in found.response["violations"]
    ]
