"""What a receiver's answer means: taken, refused, or not to be relied upon. Pure.

A status of 200 is not enough: the body may be an error, or speak of other resources than those sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from exchange.connectors.http import Answer, retry_after

_CODE = re.compile(r"[a-z][a-z-]{0,30}")
_STATUS = re.compile(r"[1-5][0-9]{2}\b")
# The destination as a whole is not in order: nothing else is tried there for a while.
_WHOLE = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 408, 410, 425, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refused`: trying again will not help, a person looks at it; `failed`: it is tried again.

    `whole`: nothing gets through to this destination now; `wait`: seconds it asked for.
    """

    kind: Literal["acknowledged", "refused", "failed"]
    detail: str
    whole: bool = False
    wait: float | None = None


def of_notification(answer: Answer) -> Verdict:
    """A rest-hook says 2xx and nothing, or a message that is no error."""
    bad = _bad_status(answer)
    if bad:
        return bad
    body = answer.body.strip()
    if not body:
        return Verdict("acknowledged", f"answered {answer.status}")
    if body.startswith(b"<"):
        return Verdict("failed", f"answered {answer.status} with a page instead of a message", whole=True)
    parsed = _parsed(body)
    if parsed is None and (_says_json(answer) or body.startswith((b"{", b"["))):
        return Verdict("failed", f"answered {answer.status} with JSON that ends too early or is none")
    return _not_an_error(answer, parsed)


def of_transaction(answer: Answer, sent: Sequence[tuple[str, str]]) -> Verdict:
    """A transaction-response has an entry for each of `sent` (method, `Type/id`), in order and of that id."""
    bad = _bad_status(answer)
    if bad:
        return bad
    parsed = _parsed(answer.body)
    if not isinstance(parsed, dict) or parsed.get("resourceType") != "Bundle":
        verdict = _not_an_error(answer, parsed)
        return verdict if verdict.kind == "refused" else _lies(answer, "without a transaction-response")
    entries = _objects(parsed, "entry")
    if parsed.get("type") != "transaction-response" or len(entries) != len(sent):
        return _lies(answer, f"with {len(entries)} entries for the {len(sent)} sent")
    for (method, name), entry in zip(sent, entries, strict=True):
        told = entry.get("response")
        if not isinstance(told, dict):
            return _lies(answer, f"without a word on {name.split('/')[0]}")
        status, location = _number(str(told.get("status"))), str(told.get("location", ""))
        if not status.startswith("2") and not (method == "DELETE" and status.startswith(("404", "410"))):
            return Verdict("refused", f"refused {name.split('/')[0]} with {status}")
        if location and name != _resource_of(location):
            return _lies(answer, f"with another id for {name.split('/')[0]}")
    return Verdict("acknowledged", f"answered {answer.status}, {len(entries)} entries")


def of_message(acknowledgement: bytes) -> Verdict:
    r"""MSA-1 of an HL7 v2 acknowledgement: AA or CA takes the message, everything else refuses it.

    >>> of_message(b"MSH|^~\\&\rMSA|AE|17|patient unknown\r").detail
    'acknowledged with AE'
    """
    for segment in acknowledgement.decode("utf-8", "replace").split("\r"):
        fields = segment.strip().split("|")
        if fields[0] == "MSA" and len(fields) > 1:
            kind: Literal["acknowledged", "refused"] = (
                "acknowledged" if fields[1] in ("AA", "CA") else "refused"
            )
            return Verdict(kind, f"acknowledged with {fields[1][:2]}")
    return Verdict("failed", "answered something that is no acknowledgement")


def _bad_status(answer: Answer) -> Verdict | None:
    status = answer.status
    if 200 <= status < 300:
        return None
    if status in _WHOLE:
        return Verdict("failed", f"answered {status}", whole=True, wait=retry_after(answer.headers))
    if status == 409 or status >= 500 or status < 400:
        return Verdict("failed", f"answered {status}")
    return Verdict("refused", f"answered {status}{_codes(_parsed(answer.body))}")


def _not_an_error(answer: Answer, parsed: Any) -> Verdict:
    if isinstance(parsed, dict) and parsed.get("resourceType") == "OperationOutcome":
        if any(issue.get("severity") in ("error", "fatal") for issue in _objects(parsed, "issue")):
            return Verdict("refused", f"answered {answer.status} with an error{_codes(parsed)}")
    elif isinstance(parsed, dict) and (parsed.get("error") or parsed.get("success") is False):
        return Verdict("refused", f"answered {answer.status} with an error")
    return Verdict("acknowledged", f"answered {answer.status}")


def _lies(answer: Answer, how: str) -> Verdict:
    return Verdict("refused", f"answered {answer.status} {how}: what it took cannot be told")


def _codes(outcome: Any) -> str:
    """FHIR issue codes of an OperationOutcome, and no other word of it: texts may quote a patient's data."""
    codes = [str(issue.get("code", "")) for issue in _objects(outcome, "issue")]
    known = sorted({code for code in codes if _CODE.fullmatch(code)})
    return f" ({', '.join(known)})" if known else ""


def _objects(parsed: Any, element: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer; whatever else a receiver puts there is passed over."""
    found = parsed.get(element) if isinstance(parsed, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _number(status: str) -> str:
    """The three digits of a status and no other word of it."""
    return status[:3] if _STATUS.match(status) else "no status"


def _says_json(answer: Answer) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _resource_of(location: str) -> str:
    """`Type/id` of a location, which may be absolute and name a version.

    >>> _resource_of("https://ehr.example/fhir/Patient/7/_history/2")
    'Patient/7'
    """
    parts = location.split("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:])
