"""What a search would have to ask to find a resource: values of its parameters in the syntax of search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from exchange.model.records import Resource
from exchange.repository.storage.index import values_at
from exchange.repository.storage.parameters import Parameter, Place, parameters

_SEPARATORS = re.compile(r"([,|$\\])")
_TEXTS = ("family", "given", "line", "city", "state", "postalCode", "country", "text")


def askable(resource: Resource) -> Iterator[tuple[str, str]]:
    """Names of served parameters with values that occur in the resource; escaped, without prefixes.

    >>> sorted(askable({"resourceType": "Encounter", "id": "1", "status": "finished"}))
    [('status', 'finished')]
    """
    for parameter in parameters().get(resource["resourceType"], {}).values():
        for place in parameter.places:
            for found in values_at(resource, place.path):
                yield from ((parameter.name, text) for text in _texts(parameter, place, found))


def _texts(parameter: Parameter, place: Place, found: Any) -> Iterator[str]:
    if place.where == "exists":
        yield from ("true", "false")
    elif parameter.kind == "token":
        yield from _tokens(place.datatype, found)
    elif parameter.kind == "string":
        yield from _strings(found)
    elif parameter.kind == "date":
        yield from _dates(found)
    elif parameter.kind == "uri":
        yield from (_escaped(found), _escaped(found.rpartition("/")[0]))
    elif parameter.kind == "reference":
        text = found.get("reference", "") if isinstance(found, dict) else found
        yield from (text, text.rpartition("/")[2]) if text else ()
    elif isinstance(found, dict) and "value" in found:
        unit = found.get("code") or found.get("unit") or ""
        yield from (str(found["value"]), f"{found['value']}|{found.get('system', '')}|{_escaped(unit)}")


def _tokens(datatype: str, found: Any) -> Iterator[str]:
    if datatype == "boolean":
        yield "true" if found else "false"
    elif not isinstance(found, dict):
        yield _escaped(str(found))
    else:
        for coding in found.get("coding", ()) if datatype == "CodeableConcept" else (found,):
            code = coding.get("code") or coding.get("value")
            if code:
                system = _escaped(coding.get("system", ""))
                yield from (_escaped(code), f"{system}|{_escaped(code)}")
                yield from (f"{system}|",) if system else ()


def _strings(found: Any) -> Iterator[str]:
    parts = (
        [part for name in _TEXTS for part in values_at(found, (name,))]
        if isinstance(found, dict)
        else [found]
    )
    for part in parts:
        if isinstance(part, str) and part:
            yield from (_escaped(part), _escaped(part[:3]))


def _dates(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        texts = [found.get("start"), found.get("end"), *found.get("event", ())]
    else:
        texts = [found]
    for text in texts:
        if isinstance(text, str) and text:
            yield from {text, text[:10], text[:7], text[:4]}


def _escaped(text: str) -> str:
    return _SEPARATORS.sub(r"\\\1", text)
