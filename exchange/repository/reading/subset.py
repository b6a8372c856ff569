"""What `_elements` or `_summary` leave of a resource, tagged as a subset.

https://hl7.org/fhir/R4/search.html#summary. What a type requires always stays.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import orjson

from exchange.model.fhir_types import fhir_type
from exchange.repository.reading.query import Form

_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})


def subset(body: bytes, form: Form) -> bytes:
    """The resource's JSON without what was not asked for."""
    if not form.elements and not form.summary:
        return body
    resource = orjson.loads(body)
    kept = _kept(resource["resourceType"], form)
    chosen = {
        key: value
        for key, value in resource.items()
        if (key.removeprefix("_") in kept if kept is not None else key != "text")
    }
    meta = resource.get("meta", {})
    chosen["meta"] = {**meta, "tag": [*meta.get("tag", ()), _SUBSETTED]}
    return orjson.dumps(chosen)


def _kept(resource_type: str, form: Form) -> frozenset[str] | None:
    """Names of the properties that stay; None: all but the narrative."""
    if form.summary == "data":
        return None
    if form.elements:
        wanted = frozenset(name.removeprefix(f"{resource_type}.") for name in form.elements)
    elif form.summary == "text":
        wanted = frozenset({"text"})
    else:
        wanted = summary_elements().get(resource_type, frozenset())
    elements = fhir_type(resource_type).elements.values()
    forms = {e.name for e in elements if e.name in wanted or e.choice in wanted or e.required}
    return _ALWAYS | forms


@cache
def summary_elements() -> Mapping[str, frozenset[str]]:
    """Elements R4 marks as the summary of a type, `value` for `value[x]`.

    >>> "status" in summary_elements()["Observation"], "note" in summary_elements()["Observation"]
    (True, False)
    """
    table = files("exchange.repository.reading").joinpath("summary_elements.csv").read_text("utf-8")
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(table.splitlines()):
        found.setdefault(row["type"], set()).add(row["element"].removesuffix("[x]"))
    return {name: frozenset(elements) for name, elements in found.items()}
