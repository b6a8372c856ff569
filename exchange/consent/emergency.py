"""What has to be written down before the glass is broken (42 CFR 2.51(c))."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.consent.rules.ruleset import Rules


def missing_emergency_fields(statement: Mapping[str, str], rules: Rules) -> tuple[str, ...]:
    """The fields of the vocabulary the statement leaves out or blank; none may be missing."""
    fields = rules.vocabulary.file.break_glass_fields
    return tuple(name for name in fields if not statement.get(name, "").strip())
