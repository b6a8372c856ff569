"""What an access token's scopes reach, as row-level security reads it beside what the viewer may see.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import orjson

from exchange.repository.reading.syntax import split_values, unescape
from exchange.repository.storage.parameters import (
    Parameter,
    hash32,
    implied_codes,
    parameters,
    token_key,
)

Alternatives = tuple[tuple[int, int | None], ...]
"""(key, system) of index_token, of which one must be there; system None: of any."""

Criteria = tuple[Alternatives, ...]
"""All of these must hold."""

_BAR = re.compile(r"(?<!\\)\|")


def scope_criteria(resource_type: str, name: str, text: str) -> Alternatives | None:
    """One constraint of a scope; None for what is not served: any but codes without a modifier.

    >>> scope_criteria("Observation", "category", "laboratory") is not None
    True
    >>> scope_criteria("Observation", "category:not", "vital-signs")
    >>> scope_criteria("Observation", "date", "2020")
    """
    parameter = parameters().get(resource_type, {}).get(name)
    if parameter is None or parameter.kind != "token" or parameter.unites or not text:
        return None
    found = [_alternatives(parameter, value) for value in split_values(text)]
    return tuple(one for each in found for one in each) if all(found) else None


def _alternatives(parameter: Parameter, value: str) -> Alternatives:
    """Where the system may be unwritten because no other is possible, with it and without."""
    written, code = ([None, *_BAR.split(value, maxsplit=1)])[-2:]
    if not code:
        return ()
    key = token_key(parameter.key, unescape(code))
    if written is None:
        return ((key, None),)
    system = unescape(written)
    implied = unescape(code) in implied_codes(parameter).get(system, ())
    return ((key, hash32(system)), *(((key, 0),) if implied else ()))


def scope_setting(reached: Mapping[str, Sequence[Criteria] | None]) -> str:
    """The setting `exchange.scope`: criteria by type, None for all of a type; a type missing is closed.

    >>> scope_setting({"Patient": None, "Task": ()}), scope_setting({"*": None, "Task": ()})
    ('{"Patient":true}', '{"*":true,"Task":[]}')
    """
    others = "*" in reached
    open_or_some = {
        kind: True if one is None else one for kind, one in reached.items() if one is None or one or others
    }
    return orjson.dumps(open_or_some).decode()
