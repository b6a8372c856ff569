"""`consent/policies/*.yaml`: law and agreement as data, one rule per entry."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from exchange.consent.content import Content
from exchange.model.partner import OrganizationType

Effect = Literal[
    "prohibited",
    "released",
    "emergency-only",
    "required",
    "allowed",
    "relationship",
    "obligation",
    "own-consent",
]
Action = Literal["access", "disclose", "collect"]
Mark = Literal["V", "V2", "R", "ours"]


class Party(Content):
    """Facts about the source or the requester; a fact that is not written does not matter."""

    type: tuple[OrganizationType | Literal["exchange"], ...] = ()
    role: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    covered_entity: bool | None = None
    part2_program: bool | None = None
    agreement: tuple[str, ...] = ()
    agreement_in_force: bool | None = None
    is_source: bool | None = None


class Record(Content):
    """Facts about the record: `label` any of these or within them; `at_least`, `at_most` confidentiality."""

    label: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    about: Literal["person", "nobody"] | None = None
    at_least: str | None = None
    at_most: str | None = None


class Condition(Content):
    """Everything written must hold; within one list, one is enough."""

    purpose: tuple[str, ...] = ()
    action: tuple[Action, ...] = ()
    source: Party = Party()
    requester: Party = Party()
    record: Record = Record()


class ConsentNeeded(Content):
    """What opens a `required` rule: a permit of one of these domains.

    `named`: the consent names the recipient or a class he belongs to; `by_name`: the recipient himself;
    `intermediary`: the exchange beside him; `written`: a signed source is given; `time_limited`: it ends on a
    date.
    """

    domain: tuple[str, ...]
    named: bool = False
    by_name: bool = False
    intermediary: bool = False
    written: bool = False
    time_limited: bool = False


class InForce(Content):
    """First and last day, both inclusive."""

    from_: date = Field(alias="from")
    until: date | None = None


class Policy(Content):
    """One rule of law or agreement.

    `mark` says how well its source was checked: V read in the text, V2 read second-hand, R remembered;
    `exception` is the information-blocking exception a refusal falls under (45 CFR 171).
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    citation: str
    mark: Mark
    steward: str
    reviewer: str | None = None
    in_force: InForce
    review_by: date
    when: Condition = Condition()
    unless: tuple[Condition, ...] = ()
    effect: Effect
    consent: ConsentNeeded | None = None
    waived_if_named: bool = False
    lifts: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    exception: str | None = None


class PolicyFile(Content):
    """A jurisdiction or agreement a community switches on as a whole."""

    pack: str
    policies: tuple[Policy, ...]
