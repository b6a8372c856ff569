"""What a screen reader needs of a page and its HTML alone can tell, without a browser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from lxml.html import HtmlElement, document_fromstring


def faults(html: str) -> list[str]:
    """One line for each thing that somebody would not hear, or not find."""
    page = document_fromstring(html)
    return [*_document(page), *_named(page), *_tables(page), *_fields(page)]


def _document(page: HtmlElement) -> Iterator[str]:
    if not page.get("lang") or not page.findtext(".//title").strip():
        yield "no language or no title"
    for tag in ("h1", "main"):
        if len(page.findall(f".//{tag}")) != 1:
            yield f"not one {tag}"
    yield from (f"id twice: {one}" for one, times in Counter(page.xpath("//@id")).items() if times > 1)
    levels = [
        int(one.tag[1]) for one in page.xpath("//main//*[self::h1 or self::h2 or self::h3 or self::h4]")
    ]
    yield from (f"heading {b} after {a}" for a, b in pairwise(levels) if b > a + 1)


def _named(page: HtmlElement) -> Iterator[str]:
    """Links, buttons, regions, charts and moved boxes have words."""
    for one in page.xpath("//a[@href] | //button | //svg | //*[@role='region'] | //nav[not(@aria-label)]"):
        if not (one.get("aria-label") or (one.tag != "div" and one.text_content().strip())):
            yield f"nameless {one.tag}"


def _tables(page: HtmlElement) -> Iterator[str]:
    for table in page.findall(".//table"):
        if any(head.get("scope") is None for head in table.findall(".//th")) or not table.findall(".//th"):
            yield "a table whose head has no scope"
        if table.getparent().get("tabindex") != "0" and table.getparent().tag == "div":
            yield "a table that the keyboard cannot move"


def _fields(page: HtmlElement) -> Iterator[str]:
    for field in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        label = field.xpath("ancestor::label")
        if not (field.get("aria-label") or (label and label[0].text_content().strip())):
            yield f"nameless field {field.get('name')}"
    yield from (
        "a fieldset without its legend" for one in page.findall(".//fieldset") if one[0].tag != "legend"
    )
