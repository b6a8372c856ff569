"""Which requests below /fhir are not plain reading: relationships, panels, exports, uploads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from exchange.api import care, panels
from exchange.api.answering import Asked
from exchange.api.messages import Answer, Refusal

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_Work = Callable[[Asked], Answer]


def answer(asked: Asked) -> Answer | None:
    """The answer, or None when nothing of this module is meant; raises Refusal (405) for another method."""
    works = _works(asked.call.path.removeprefix("/fhir").strip("/").split("/"))
    if works is None:
        return None
    method = "GET" if asked.call.method == "HEAD" else asked.call.method
    if method not in works:
        allowed = ", ".join(sorted(works))
        raise Refusal(405, "not-supported", f"use {allowed}", {"Allow": allowed})
    return works[method](asked)


def _works(path: list[str]) -> Mapping[str, _Work] | None:
    match path:
        case ["Group"]:
            return {"POST": panels.create}
        case ["Group", panel] if _ID.fullmatch(panel):
            return {
                "GET": partial(panels.read, panel=panel),
                "PUT": partial(panels.update, panel=panel),
                "DELETE": partial(panels.delete, panel=panel),
            }
        case ["Patient", patient, "$break-glass"] if _ID.fullmatch(patient):
            return {"POST": partial(care.break_glass, patient=patient)}
        case ["Patient", patient, "$attest-relationship"] if _ID.fullmatch(patient):
            return {
                "POST": partial(care.attest, patient=patient),
                "DELETE": partial(care.end_attestation, patient=patient),
            }
        case _:
            return None
