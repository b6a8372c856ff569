"""What axe finds wrong with a page: the accessibility rules of WCAG 2.2 A and AA."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OPTIONS = {"runOnly": {"type": "tag", "values": _TAGS}, "resultTypes": ["violations"]}
# What holds is not sent over: it is a hundred times what does not.
_RUN = """options => axe.run(document, options).then(found => found.violations.map(rule =>
  `${rule.id}: ${rule.help}: ${JSON.stringify(rule.nodes.slice(0, 3).map(node => node.target))}`))"""


def violations(page: Page) -> list[str]:
    """One line for each rule that is broken, with the elements."""
    page.wait_for_load_state("load")  # a link that was followed may not have its style sheet yet
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: list[str] = page.evaluate(_RUN, _OPTIONS)
    return found
