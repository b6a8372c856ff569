"""The codes of ICD-10-CM that a claim may carry."""

from __future__ import annotations

from functools import cache


@cache
def leaves() -> tuple[str, ...]:
    """All billable codes, without dots; the library reads its whole tree when it is imported."""
    import simple_icd_10_cm as tree

    return tuple(code for code in tree.get_all_codes(with_dots=False) if tree.is_leaf(code))
