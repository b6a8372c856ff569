"""Which requests below /fhir are not plain reading: relationships, panels, exports, uploads,
subscriptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import NamedTuple

from exchange.api import care, panels, pushing
from exchange.api.answering import Asked
from exchange.api.export import kickoff
from exchange.api.export.deliver import deliver
from exchange.api.messages import Answer, Refusal
from exchange.api.negotiation import JSON, NDJSON
from exchange.api.subscribing import served as subscribing
from exchange.api.subscribing.events import events

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_FILE = re.compile(r"(0|[1-9][0-9]{0,8})\.ndjson")

_VERSION = re.compile(r"[1-9][0-9]{0,8}")

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")

_Work = Callable[[Asked], Answer]


class Door(NamedTuple):
    """What answers a request, and the media types that its `Accept` may name."""

    work: _Work
    offered: Collection[str]


def door(method: str, path: str) -> Door | None:
    """Who answers, or None when nothing of this module is meant; raises Refusal (405) for another method."""
    parts = path.strip("/").split("/")
    works = _works(parts)
    if works is None:
        return None
    work = works.get("GET" if method == "HEAD" else method)
    if work is None:
        allowed = ", ".join(sorted(works))
        raise Refusal(405, "not-supported", f"use {allowed}", {"Allow": allowed})
    return Door(work, NDJSON if parts[0] == "$export-file" else JSON)


def _works(path: list[str]) -> Mapping[str, _Work] | None:
    match path:
        case [""]:
            return {"POST": pushing.push}
        case ["$push-status", number] if _NUMBER.fullmatch(number):
            return {"GET": partial(pushing.status, number=int(number))}
        case ["Group"]:
            return {"POST": panels.create}
        case ["Group", panel] if _ID.fullmatch(panel):
            return {
                "GET": partial(panels.read, panel=panel),
                "PUT": partial(panels.update, panel=panel),
                "DELETE": partial(panels.delete, panel=panel),
            }
        case ["Group", panel, "_history", version] if _ID.fullmatch(panel) and _VERSION.fullmatch(version):
            return {"GET": partial(panels.vread, panel=panel, version=int(version))}
        case ["Subscription"]:
            return {"POST": subscribing.create, "GET": subscribing.search}
        case ["Subscription", "_search"]:
            return {"POST": subscribing.search}
        case ["Subscription", one] if _ID.fullmatch(one):
            return {
                "GET": partial(subscribing.read, subscription=one),
                "PUT": partial(subscribing.update, subscription=one),
                "DELETE": partial(subscribing.delete, subscription=one),
            }
        case ["Subscription", one, "$status"] if _ID.fullmatch(one):
            return _both(partial(subscribing.status, subscription=one))
        case ["Subscription", one, "$events"] if _ID.fullmatch(one):
            return _both(partial(events, subscription=one))
        case ["Patient", patient, "$break-glass"] if _ID.fullmatch(patient):
            return {"POST": partial(care.break_glass, patient=patient)}
        case ["Patient", patient, "$attest-relationship"] if _ID.fullmatch(patient):
            return {
                "POST": partial(care.attest, patient=patient),
                "DELETE": partial(care.end_attestation, patient=patient),
            }
        case ["$export"]:
            return _both(partial(kickoff.begin, level="system"))
        case ["Patient", "$export"]:
            return _both(partial(kickoff.begin, level="patient"))
        case ["Group", group, "$export"] if _ID.fullmatch(group):
            return _both(partial(kickoff.begin, level="group", group=group))
        case ["$export-status", job] if _ID.fullmatch(job):
            return {"GET": partial(kickoff.status, job=job), "DELETE": partial(kickoff.cancel, job=job)}
        case ["$export-file", job, name] if _ID.fullmatch(job) and (file := _FILE.fullmatch(name)):
            return {"GET": partial(deliver, job=job, ordinal=int(file[1]))}
        case _:
            return None


def _both(work: _Work) -> Mapping[str, _Work]:
    return {"GET": work, "POST": work}
