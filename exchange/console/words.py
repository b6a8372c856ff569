"""Words of the exchange that pages show as they are stored, so that the catalogues know them."""

from __future__ import annotations

from exchange.console.codes import CODES
from exchange.console.marking import _

PLAIN = {
    **CODES["obligation"],
    "sud-program": _("substance use program"), "mental-health": _("mental health provider"),
    "nursing-home": _("nursing home"), "public-health": _("public health authority"),
    "social-services": _("social services"), "victim-services": _("victim services"),
    # effects of rules
    "prohibited": _("forbids"), "released": _("gives"), "emergency-only": _("gives in an emergency"),
    "required": _("asks for a consent"), "allowed": _("allows"),
    "relationship": _("asks for a care relationship"), "obligation": _("adds a duty"),
    "own-consent": _("lets only the minor's own consent count"),
    # why something is denied where no rule says so, and a consent that is not named
    "silence": _("no rule and no consent permits it"), "consent": _("the person's own consent"),
    "unknown-participant": _("the requester is no participant"),
    "unknown-role": _("the requester has no such role"),
    "unknown-purpose": _("the rules do not know the purpose"),
    "unknown-action": _("the rules do not know what is to be done"),
    "unknown-source": _("the source of the record is no participant"),
    "unknown-confidentiality": _("the rules do not know the confidentiality"),
    "unknown-label": _("the rules do not know a label of the record"),
    # what happens to persons and pairs
    "kept-apart": _("kept apart"), "unlinked": _("taken apart"), "person.merged": _("two persons became one"),
    "person.split": _("one person became two"),
    # decisions of officers
    "no-action": _("nothing to do"), "not-justified": _("not justified"), "wrong-link": _("a wrong link"),
    "late-label": _("a label that came late"), "source-error": _("an error of the source"),
    "not-held": _("they do not hold it"), "sent-back": _("sent back to the partner"),
    "no-consent": _("it is no consent"), "officer-added": _("an officer was added"),
    "officer-revoked": _("an officer's right was taken away"),
    "ruleset-activated": _("signed to put rules into force"),
}  # fmt: skip
"""Codes that pages show as they are stored, in words."""

WORDS = (
    # outcomes of records and runs
    _("published"), _("unchanged"), _("duplicate"), _("withheld"), _("quarantined"), _("deleted"),
    _("Published"), _("Unchanged"), _("Duplicate"), _("Withheld"), _("Quarantined"), _("Deleted"),
    _("pull"), _("replay"), _("capture"), _("open"), _("balanced"), _("unbalanced"), _("good"), _("late"),
    _("never"),
    _("answered"), _("on its way"),
    # what a partner's timeline tells
    _("sent in run %(name)s"), _("asked: %(name)s %(purpose)s"), _("was sent: %(name)s"),
    _("was asked back: recall %(name)s"), _("the person's own consent"), _("organization"),
    # where something stands
    _("line %(line)s"),
    # who looks
    _("account %(login)s"), _("user %(user)s of %(participant)s"),
    # counterexamples
    _("access"), _("disclose"), _("collect"),
    _("housing"), _("food"), _("directory"), _("payer"),
    _("anybody"), _("a class the requester belongs to"), _("the requester by name"),
    _("but it names somebody else"), _("but it has expired"), _("but it is for another purpose"),
    _("but it is not certain that it is this person's"),
    _("but it speaks of another organization's records"),
    _("everybody"), _("the requester"), _("the organization the requester is a part of"),
    _("records with these labels"), _("this purpose"),
    _("the requester, as the exception to a permit for everybody"),
    # steps
    _("map"), _("safeguard"), _("link"), _("publish"),
    _("pulled"), _("mapped"), _("safeguarded"), _("linked"),
    # severities and answers
    _("fatal"), _("error"), _("warning"), _("information"), _("warn"), _("bad"),
    _("permit"), _("deny"), _("acknowledged"), _("refused"), _("unanswered"),
    # parts of two records side by side
    _("name"), _("born"), _("died"), _("gender"), _("birth order"), _("contact"), _("address"),
    _("identifier"),
    # what happens to persons and pairs
    _("possible"), _("overlay"),
    # what maps change
    _("appears"), _("vanishes"), _("fills"), _("empties"), _("changes"), _("issue"), _("no issue"),
    # decisions of officers
    _("recall"), _("breach"), _("justified"), _("revocation"), _("captured"),
    _("destroyed"), _("returned"), _("corrected"), _("waiting"), _("nothing"), _("parked"),
    _("written"), _("oral"), _("explained"), _("investigate"), _("sanction"), _("replayed"),
    # kinds of records, figures
    _("Encounter"), _("Condition"), _("Observation"), _("Immunization"), _("MedicationRequest"),
    _("ServiceRequest"), _("other"),
    _("records that could be used"), _("records whose codes are all mapped"), _("runs that balanced"),
)  # fmt: skip
