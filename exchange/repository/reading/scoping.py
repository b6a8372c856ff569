"""What an access token's scopes reach, as row-level security reads it beside what the viewer may see.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import orjson

from exchange.repository.reading.syntax import split_values, unescape
from exchange.repository.storage.parameters import hash32, parameters, token_key

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
    found = [_alternative(parameter.key, value) for value in split_values(text)]
    return tuple(one for one in found if one) if all(found) else None


def _alternative(parameter: int, value: str) -> tuple[int, int | None] | None:
    system, code = ([None, *_BAR.split(value, maxsplit=1)])[-2:]
    if not code:
        return None
    return token_key(parameter, unescape(code)), None if system is None else hash32(unescape(system))


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
