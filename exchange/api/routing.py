"""Which FHIR interaction a method and a path below /fhir mean (https://hl7.org/fhir/R4/http.html)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal

from exchange.api.messages import Refusal
from exchange.repository import parameters

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")

Name = Literal[
    "capabilities",
    "read",
    "vread",
    "history",
    "search-type",
    "everything",
    "compartment",
    "match",
    "lastn",
    "docref",
    "summary",
    "validate",
]


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction that is served, on a type and perhaps an instance (of a search: whose compartment)."""

    name: Name
    type: str = ""
    id: str = ""
    version: str = ""


def interaction(method: str, path: str, types: Collection[str]) -> Interaction:
    """The interaction meant; raises Refusal: 404 where nothing is, 405 where it is not for `method`."""
    method = "GET" if method == "HEAD" else method
    match path.strip("/").split("/"):
        case ["metadata"]:
            return _only(method, "GET", Interaction("capabilities"))
        case ["Provenance", key] if _ID.fullmatch(key):
            return _only(method, "GET", Interaction("read", "Provenance", key))
        case [name, *rest] if _TYPE.fullmatch(name):
            if name not in types:
                raise Refusal(404, "not-supported", "this resource type is not served here")
            return _of_type(method, name, rest)
        case [operation] if operation.startswith("$"):
            raise _no_operation()
        case [""]:
            raise Refusal(
                405, "not-supported", "batches, transactions and system searches are not served", _ALLOW
            )
        case _:
            raise _nothing()


_ALLOW = {"Allow": ""}


@cache
def compartment_types() -> frozenset[str]:
    """Types whose records are about a person: what can be searched within a Patient's compartment."""
    return frozenset(name for name, own in parameters().items() if any(p.subject for p in own.values()))


def _of_type(method: str, name: str, rest: list[str]) -> Interaction:
    match rest:
        case []:
            return _only(method, "GET", Interaction("search-type", name))
        case ["_search"]:
            return _only(method, "POST", Interaction("search-type", name))
        case ["$match"] if name == "Patient":
            return _only(method, "POST", Interaction("match", name))
        case ["$lastn"] if name == "Observation":
            return _either(method, Interaction("lastn", name))
        case ["$docref"] if name == "DocumentReference":
            return _either(method, Interaction("docref", name))
        case ["$validate"]:
            return _only(method, "POST", Interaction("validate", name))
        case [key, "$summary"] if name == "Patient" and _ID.fullmatch(key):
            return _either(method, Interaction("summary", name, key))
        case [operation] if operation.startswith("$"):
            raise _no_operation()
        case [key] if _ID.fullmatch(key):
            return _only(method, "GET", Interaction("read", name, key))
        case [key, inner] if name == "Patient" and _ID.fullmatch(key) and inner in compartment_types():
            return _only(method, "GET", Interaction("search-type", inner, key))
        case [key, inner, "_search"] if (
            name == "Patient" and _ID.fullmatch(key) and inner in compartment_types()
        ):
            return _only(method, "POST", Interaction("search-type", inner, key))
        case [key, "*"] if name == "Patient" and _ID.fullmatch(key):
            return _only(method, "GET", Interaction("compartment", name, key))
        case [key, "_search"] if name == "Patient" and _ID.fullmatch(key):
            return _only(method, "POST", Interaction("compartment", name, key))
        case [key, "$everything"] if name == "Patient" and _ID.fullmatch(key):
            return _either(method, Interaction("everything", name, key))
        case [_, operation] if operation.startswith("$"):
            raise _no_operation()
        case ["_history"]:
            return _only(method, "GET", Interaction("history", name))
        case [key, "_history"] if _ID.fullmatch(key):
            return _only(method, "GET", Interaction("history", name, key))
        case [key, "_history", version] if _ID.fullmatch(key) and _ID.fullmatch(version):
            return _only(method, "GET", Interaction("vread", name, key, version))
        case _:
            raise _nothing()


def _only(method: str, allowed: str, found: Interaction) -> Interaction:
    if method != allowed:
        text = f"{method} is not served here; use {allowed}" if method.isalpha() else f"use {allowed}"
        raise Refusal(405, "not-supported", text, {"Allow": "GET, HEAD" if allowed == "GET" else allowed})
    return found


def _either(method: str, found: Interaction) -> Interaction:
    """An operation that changes nothing may be invoked by GET and by POST."""
    if method not in ("GET", "POST"):
        raise Refusal(405, "not-supported", "use GET or POST", {"Allow": "GET, HEAD, POST"})
    return found


def _no_operation() -> Refusal:
    return Refusal(404, "not-supported", "this operation is not served")


def _nothing() -> Refusal:
    return Refusal(404, "not-found", "there is nothing at this address")
