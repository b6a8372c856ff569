"""A worklist read in stretches: what waits from its oldest entry on, what is decided from its newest back."""

from __future__ import annotations


def stretch_of(key: str, decided: bool) -> str:
    """The conditions and the order of a stretch after the entry %(after)s, along the table's own indexes.

    >>> stretch_of("entry", False)
    'decision IS NULL AND entry > coalesce(%(after)s, 0) ORDER BY entry'
    """
    if decided:
        last = "9223372036854775807"
        return f"decision IS NOT NULL AND {key} < coalesce(%(after)s, {last}) ORDER BY {key} DESC"
    return f"decision IS NULL AND {key} > coalesce(%(after)s, 0) ORDER BY {key}"
