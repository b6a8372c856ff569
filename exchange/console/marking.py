"""Marks texts of Python for the catalogues; `exchange.console.extract` collects what is marked."""

from __future__ import annotations


def _(text: str) -> str:
    """The text as it is."""
    return text
