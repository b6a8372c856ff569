"""Words of the exchange that pages show as they are stored, so that the catalogues know them."""

from __future__ import annotations

from exchange.console.marking import _

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
    # who looks
    _("account %(login)s"), _("user %(user)s of %(participant)s"),
    # counterexamples
    _("access"), _("disclose"), _("collect"),
    _("sud-program"), _("mental-health"), _("nursing-home"), _("public-health"), _("housing"), _("food"),
    _("social-services"), _("directory"), _("payer"), _("victim-services"),
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
    # effects of rules
    _("prohibited"), _("released"), _("emergency-only"), _("required"), _("allowed"), _("relationship"),
    _("obligation"), _("own-consent"),
    # parts of two records side by side
    _("name"), _("born"), _("died"), _("gender"), _("birth order"), _("contact"), _("address"),
    _("identifier"), _("source"),
    # what happens to persons and pairs
    _("possible"), _("unlinked"), _("kept-apart"), _("person.merged"), _("person.split"), _("overlay"),
    # what maps change
    _("appears"), _("vanishes"), _("fills"), _("empties"), _("changes"), _("issue"), _("no issue"),
    # decisions of officers
    _("recall"), _("breach"), _("no-action"), _("justified"), _("not-justified"),
    _("revocation"), _("wrong-link"), _("late-label"), _("source-error"),
    _("destroyed"), _("returned"), _("corrected"), _("not-held"), _("waiting"), _("nothing"), _("parked"),
    _("written"), _("oral"),
    _("sent-back"), _("captured"), _("no-consent"),
    _("explained"), _("investigate"), _("sanction"),
    _("replayed"), _("officer-added"), _("officer-revoked"), _("ruleset-activated"),
    # kinds of records, figures
    _("Encounter"), _("Condition"), _("Observation"), _("Immunization"), _("MedicationRequest"),
    _("ServiceRequest"), _("other"),
    _("records that could be used"), _("records whose codes are all mapped"), _("runs that balanced"),
)  # fmt: skip
