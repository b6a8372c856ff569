"""Which rules are in force: a fold over what the privacy officers signed.

Whatever does not verify makes the whole record unusable: an exchange whose officers' record was altered
has no rules in force.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from exchange.consent.rules.canonical import canonical
from exchange.crypto import verify
from exchange.model.errors import DecisionFailed

Kind = Literal["officer-added", "officer-revoked", "ruleset-activated"]
_WHAT = "mosaic-exchange officer act 1"
_SIGNATURES: Mapping[Kind, int] = {"officer-added": 2, "officer-revoked": 1, "ruleset-activated": 2}


@dataclass(frozen=True, slots=True)
class Act:
    """One thing an officer signed; `subject`: officer or digest of a ruleset, `key`: PEM or empty."""

    kind: Kind
    subject: str
    key: str
    officer: str
    at: datetime
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the acts add up to; `waiting` holds who signed what still lacks a signature."""

    officers: Mapping[str, str] = field(default_factory=dict)
    former: frozenset[str] = frozenset()
    active: str | None = None
    waiting: Mapping[tuple[Kind, str, str], frozenset[str]] = field(default_factory=dict)
    head: bytes = b""

    @property
    def founding(self) -> bool:
        """The first two officers sign for themselves; everybody later needs two officers."""
        return len(self.officers) + len(self.former) < 2


def statement(act: Act, head: bytes) -> bytes:
    """The bytes that are signed; `head` chains them to everything signed before."""
    said = [act.kind, act.subject, act.key, act.officer, act.at.astimezone(UTC).isoformat()]
    return canonical([_WHAT, head.hex(), *said])


def stated(text: str) -> Act | None:
    """The act that a statement is of, unsigned; None for another text, which no officer is to sign."""
    try:
        what, head, kind, subject, key, officer, at = json.loads(text)
        act = Act(kind, subject, key, officer, datetime.fromisoformat(at))
        same = what == _WHAT and kind in _SIGNATURES and statement(act, bytes.fromhex(head)) == text.encode()
    except (ValueError, TypeError, AttributeError):
        return None
    return act if same else None


def fold(acts: Iterable[Act]) -> Standing:
    """What the acts, in order, add up to; raises DecisionFailed naming the first that does not hold."""
    found = Standing()
    for number, act in enumerate(acts, 1):
        problem = next(_problems(found, act), None)
        if problem:
            raise DecisionFailed(f"act {number} of the privacy officers: {problem}")
        found = _after(found, act)
    return found


def _problems(before: Standing, act: Act) -> Iterator[str]:
    key = act.key if before.founding else before.officers.get(act.officer)
    if before.founding and (act.kind != "officer-added" or act.officer != act.subject):
        yield "the first two officers must be added first, each signing for himself"
    if not key:
        yield f"`{act.officer}` is no officer"
    elif not verify(statement(act, before.head), act.signature, key):
        yield f"the signature is not that of `{act.officer}` over what stands here and before it"
    if act.kind == "officer-added" and (act.subject in before.officers or act.subject in before.former):
        yield f"`{act.subject}` is or was an officer; names are not used again"
    if act.kind == "officer-added" and (not act.key or act.key in before.officers.values()):
        yield "each officer needs a key of his own"
    if act.kind == "officer-revoked" and act.subject not in before.officers:
        yield f"`{act.subject}` is no officer"
    if act.officer in before.waiting.get((act.kind, act.subject, act.key), ()):
        yield f"`{act.officer}` has signed this already; a second person must"


def _after(before: Standing, act: Act) -> Standing:
    what = (act.kind, act.subject, act.key)
    signed = before.waiting.get(what, frozenset()) | {act.officer}
    needed = 1 if before.founding else _SIGNATURES[act.kind]
    head = sha256(statement(act, before.head) + act.signature).digest()
    if len(signed) < needed:
        return replace(before, waiting={**before.waiting, what: signed}, head=head)
    rest = {k: v for k, v in before.waiting.items() if k != what}
    done = replace(before, waiting=rest, head=head)
    if act.kind == "officer-added":
        return replace(done, officers={**before.officers, act.subject: act.key})
    if act.kind == "ruleset-activated":
        # What was signed before was signed over other rules.
        kept = {k: v for k, v in rest.items() if k[0] != "ruleset-activated"}
        return replace(done, active=act.subject, waiting=kept)
    return replace(
        done,
        officers={name: key for name, key in before.officers.items() if name != act.subject},
        former=before.former | {act.subject},
        waiting={k: left for k, v in rest.items() if (left := v - {act.subject})},
    )
