"""Pages for people: a title, paragraphs and tables as PDF, in Latin and Cyrillic letters.

The only importer of `fpdf`. The same content gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import font_roboto
from fpdf import FPDF, FontFace

_MARGIN, _INK, _PALE = 18, 30, 238


@dataclass(frozen=True, slots=True)
class Table:
    """`widths` are relative; a header row is repeated on each page."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True, slots=True)
class Paper:
    """Blocks in order; `footer` stands on every page before its number; `language` as in BCP 47."""

    title: str
    language: str
    blocks: Sequence[str | Table]
    footer: str
    made: datetime


class _Sheet(FPDF):
    def __init__(self, footer_text: str) -> None:
        super().__init__(format="letter")
        self.footer_text = footer_text

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("text", size=8)
        self.cell(0, 6, f"{self.footer_text}    {self.page_no()}/{{nb}}", align="C")


def pdf(paper: Paper) -> bytes:
    """The document; its author is nobody, its time is `made`."""
    sheet = _Sheet(paper.footer)
    sheet.set_title(paper.title)
    sheet.set_lang(paper.language)
    sheet.set_creation_date(paper.made)
    sheet.set_margins(_MARGIN, _MARGIN)
    sheet.set_auto_page_break(True, _MARGIN)
    sheet.add_font("text", "", font_roboto.Roboto)
    sheet.add_font("text", "B", font_roboto.RobotoBold)
    sheet.set_text_color(_INK)
    sheet.add_page()
    sheet.set_font("text", "B", 17)
    sheet.multi_cell(0, 9, paper.title, new_x="LMARGIN", new_y="NEXT")
    sheet.ln(2)
    for block in paper.blocks:
        if isinstance(block, Table):
            _table(sheet, block)
        else:
            sheet.set_font("text", size=10)
            sheet.multi_cell(0, 5.4, block, align="L", new_x="LMARGIN", new_y="NEXT")
        sheet.ln(3)
    return bytes(sheet.output())


def _table(sheet: FPDF, block: Table) -> None:
    sheet.set_font("text", size=9)
    heading = FontFace(emphasis="BOLD", fill_color=_PALE, color=_INK)
    with sheet.table(
        col_widths=tuple(block.widths),
        headings_style=heading,
        line_height=4.8,
        text_align="LEFT",
        padding=1.2,
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        for cells in (block.header, *block.rows):
            table.row([str(cell) for cell in cells])
