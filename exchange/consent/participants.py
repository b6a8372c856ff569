"""Facts about the organizations that take part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from exchange.model.partner import Partner


@dataclass(frozen=True, slots=True)
class Participant:
    """Facts about an organization that the law attaches to; `agreement_from` None: it signed nothing.

    `agreement` is its kind (participation, BAA, QSOA, DUA), in force from `agreement_from` (inclusive) until
    `agreement_until` (exclusive); `purposes` are those it may ask under.
    """

    code: str
    type: str
    covered_entity: bool = False
    part2_program: bool = False
    part_of: str | None = None
    state: str = "IL"
    roles: tuple[str, ...] = ("organization",)
    agreement_from: datetime | None = None
    agreement_until: datetime | None = None
    groups: tuple[str, ...] = ()
    agreement: str = ""
    npi: str | None = None
    purposes: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """By what mostly differs: participants are looked up many times for every decision."""
        return hash((self.code, self.type, self.covered_entity, self.state, self.agreement_from))

    def bound_at(self, at: datetime) -> bool:
        """Whether its agreement is in force."""
        begun = self.agreement_from is not None and self.agreement_from <= at
        return begun and (self.agreement_until is None or at < self.agreement_until)


def participant(partner: Partner) -> Participant:
    """The facts of `partner.yaml` a decision needs; an agreement holds through the whole of its last day."""
    zone = ZoneInfo(partner.timezone)
    organization, agreement = partner.organization, partner.agreement
    after = agreement.ends + timedelta(days=1) if agreement.ends else None
    return Participant(
        code=partner.code,
        type=organization.type,
        covered_entity=organization.covered_entity,
        part2_program=organization.part2_program,
        part_of=organization.part_of,
        state=organization.state,
        roles=partner.requests.roles,
        agreement_from=datetime.combine(agreement.signed, time(), zone),
        agreement_until=datetime.combine(after, time(), zone) if after else None,
        agreement=agreement.type,
        npi=organization.npi,
        purposes=partner.requests.purposes,
    )
