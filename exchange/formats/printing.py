"""Paper drawn as PDF, in Latin and Cyrillic letters: the only importer of `fpdf`.

What is written in other letters stands in Latin ones: a page from which a name has vanished is about nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast
from unicodedata import category, normalize

import font_roboto
from anyascii import anyascii
from fpdf import FPDF, FontFace
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont

from exchange.formats.paper import Pairs, Paper, Table

# Its warnings quote letters of what is printed.
logging.getLogger("fpdf").setLevel(logging.ERROR)
logging.getLogger("fontTools").setLevel(logging.ERROR)  # tells of the glyphs it keeps
_MARGIN, _INK, _PALE = 18, 30, 238
_LINES, _SHORT, _LONGEST, _MARKS = 40, 200, 1_500, 3


class _Sheet(FPDF):
    def __init__(self, footer_text: str) -> None:
        super().__init__(format="letter")
        self.footer_text = footer_text
        self.add_font("text", "", font_roboto.Roboto)
        self.add_font("text", "B", font_roboto.RobotoBold)

    def legible(self, text: str) -> str:
        """With letters the font lacks in Latin ones, as they sound."""
        font = self.fonts["text"]
        known: Mapping[int, object] = font.cmap if isinstance(font, TTFFont) else {}
        return "".join(c if ord(c) in known or c.isspace() else _in_latin(c) for c in _few_marks(text))

    def fitting(self, text: str, share: float) -> str:
        """Legible and no higher than a page, in a cell that has that share of the width: the rest is cut.

        Whoever writes a name of ten thousand letters shall keep nobody from the page it stands on.
        """
        said = self.legible(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
        if len(said) <= _SHORT and said.count("\n") < _LINES:
            return said
        width = share * self.epw - 6  # less than the cell has, so that these lines fit as they are
        found = self.multi_cell(width, 5, said, align="L", dry_run=True, output=MethodReturnValue.LINES)
        lines = cast("list[str]", found)
        return said if len(lines) <= _LINES else "\n".join([*lines[:_LINES], "…"])

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("text", size=8)
        self.cell(0, 6, f"{self.footer_text}    {self.page_no()}/{{nb}}", align="C")


def _few_marks(text: str) -> str:
    """Composed, each letter with the marks that a language writes on one: thousands take minutes to be set.

    >>> _few_marks("e" + "\u0301" * 90) == "\u00e9" + "\u0301" * 3
    True
    """
    found: list[str] = []
    marks = 0
    for sign in normalize("NFC", text):
        marks = marks + 1 if category(sign).startswith("M") else 0
        if marks <= _MARKS:
            found.append(sign)
    return "".join(found)


def _in_latin(sign: str) -> str:
    """A mark that the font lacks is left out, its letter stays."""
    return anyascii(sign) or ("" if category(sign).startswith("M") else "\ufffd")


def printed(paper: Paper) -> bytes:
    """The bytes of the PDF."""
    sheet = _Sheet(paper.footer)
    sheet.set_title(paper.title)
    sheet.set_lang(paper.language)
    sheet.set_creation_date(paper.made)
    sheet.set_margins(_MARGIN, _MARGIN)
    sheet.set_auto_page_break(True, _MARGIN)
    sheet.set_text_color(_INK)
    sheet.add_page()
    sheet.set_font("text", "B", 17)
    sheet.multi_cell(0, 9, sheet.legible(paper.title), align="L", new_x="LMARGIN", new_y="NEXT")
    sheet.ln(2)
    for block in paper.blocks:
        if isinstance(block, Table):
            _table(sheet, block)
        elif isinstance(block, Pairs):
            _pairs(sheet, block)
        else:
            sheet.set_font("text", size=10)
            sheet.multi_cell(0, 5.4, sheet.legible(block), align="L", new_x="LMARGIN", new_y="NEXT")
        sheet.ln(3)
    return bytes(sheet.output())


def _pairs(sheet: _Sheet, block: Pairs) -> None:
    sheet.set_font("text", size=10)
    with sheet.table(
        col_widths=(1, 3),
        first_row_as_headings=False,
        borders_layout="NONE",
        line_height=5,
        text_align="LEFT",
        padding=(0.4, 0),
    ) as table:
        for name, value in block.lines:
            row = table.row()
            row.cell(sheet.legible(name), style=FontFace(emphasis="BOLD"))
            row.cell(sheet.fitting(value, 0.75))


def _table(sheet: _Sheet, block: Table) -> None:
    sheet.set_font("text", size=9)
    heading = FontFace(emphasis="BOLD", fill_color=_PALE, color=_INK)
    with sheet.table(
        col_widths=tuple(block.widths),
        headings_style=heading,
        line_height=4.8,
        text_align="LEFT",
        v_align="TOP",
        padding=1.2,
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        shares = [width / sum(block.widths) for width in block.widths]
        for cells in (block.header, *block.rows):
            table.row([sheet.fitting(str(cell), share) for cell, share in zip(cells, shares, strict=True)])
