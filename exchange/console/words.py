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
    _("explained"), _("investigate"), _("sanction"),
    _("replayed"), _("officer-added"), _("officer-revoked"), _("ruleset-activated"),
    # kinds of records, figures
    _("Encounter"), _("Condition"), _("Observation"), _("Immunization"), _("MedicationRequest"),
    _("ServiceRequest"), _("other"),
    _("records that could be used"), _("records whose codes are all mapped"), _("runs that balanced"),
)  # fmt: skip
