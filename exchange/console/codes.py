"""Codes of the exchange in words, by what they are codes of; the catalogues know them by their English."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.console.marking import _

CODES: Mapping[str, Mapping[str, str]] = {
    "organization": {
        "hospital": _("hospital"), "clinic": _("clinic"), "sud-program": _("substance use program"),
        "mental-health": _("mental health provider"), "nursing-home": _("nursing home"),
        "public-health": _("public health authority"), "housing": _("housing organization"),
        "shelter": _("shelter"), "food": _("food bank"), "social-services": _("social services"),
        "directory": _("directory of services"), "payer": _("health plan"), "school": _("school"),
        "victim-services": _("victim services"), "exchange": _("the exchange itself"),
    },
    # why two records were not linked
    "link-rule": {
        "overlay": _("a record number turned into another person"), "birth-order": _("birth order of twins"),
        "impossible-dates": _("dates that exclude each other"), "generations": _("a generation apart"),
        "generation": _("a generation apart"), "given-name": _("another given name"), "ssn": _("another SSN"),
        "name-and-birth-date": _("another name and another birth date"),
        "names": _("a name that is only alike"),
        "elsewhere": _("another home and another telephone"), "two-newborns": _("two newborns of one day"),
        "given-name-unknown": _("a given name is not known"), "twin": _("twins, perhaps"),
        "middle-name": _("another middle name"), "birth-date": _("another birth date"),
        "birth-date-unknown": _("a birth date is not known"), "number": _("another number of the same kind"),
        "fits-two-people": _("a record fits two people"),
        "records-contradict": _("other records of the person contradict"),
    },
    "field": {
        "prior": _("before any evidence"), "given": _("given name"), "middle": _("middle name"),
        "surname": _("surname"), "birth_date": _("birth date"), "sex": _("sex"), "ssn": _("SSN"),
        "identifier": _("identifier"), "phone": _("telephone"), "email": _("e-mail"), "address": _("address"),
    },
    "gender": {
        "female": _("female"), "male": _("male"), "other": _("other"), "unknown": _("unknown"),
    },
    "fresh": {"good": _("on time"), "late": _("late"), "never": _("never")},
    "ending": {"good": _("it succeeded"), "warn": _("not done"), "bad": _("refused or failed")},
    # https://hl7.org/fhir/R4/v3/Confidentiality/vs.html
    "confidentiality": {
        "U": _("unrestricted"), "L": _("low"), "M": _("moderate"), "N": _("normal"), "R": _("restricted"),
        "V": _("very restricted"),
    },
    "level": {
        "exact": _("the same"), "form": _("another form of it"), "similar": _("similar"), "alike": _("alike"),
        "part": _("a part of it"), "initial": _("the initial"), "different": _("different"),
        "distinct": _("two names"), "swapped": _("swapped"), "slip": _("a slip"), "year": _("the year alone"),
        "last4": _("the last four digits"), "building": _("the same building"), "area": _("the same area"),
    },
    "link-basis": {
        "steward": _("a steward's word"), "merge": _("the partner merged them"),
        "link": _("the partner linked them"), "same-mrn": _("the same record number"),
        "model": _("the model"), "links": _("the links of its records"),
    },
    # https://hl7.org/fhir/R4/codesystem-issue-type.html
    "issue": {
        "required": _("missing"), "value": _("a value that cannot be read"), "structure": _("broken"),
        "code-invalid": _("a code that does not exist"), "not-supported": _("not mapped"),
        "not-found": _("about something that was never sent"), "duplicate": _("twice"),
        "incomplete": _("incomplete"), "invalid": _("wrong"), "invariant": _("contradicts itself"),
        "too-costly": _("too large"), "forbidden": _("not allowed"), "informational": _("a remark"),
        "exception": _("could not be decided"), "conflict": _("a conflict"),
        "business-rule": _("against a rule"), "processing": _("could not be processed"),
    },
    "event": {
        "read": _("a record was read"), "query": _("a search"), "everything": _("everything about a person"),
        "export": _("a bulk export"), "disclosure": _("sent by itself"), "denied": _("refused"),
        "recall.opened": _("asked back"), "recall.closed": _("a recall was closed"),
        "log.read": _("the log was read"), "log.exported": _("the log was taken along"),
        "log.pruned": _("the log was shortened"), "hold.set": _("a hold was set"),
        "hold.lifted": _("a hold was lifted"), "watch.decided": _("unusual access was decided"),
        "emergency.reviewed": _("an emergency was reviewed"),
        "late.decided": _("a disclosure before its label was decided"),
        "consent.reviewed": _("a consent that is not computable was decided"),
        "rules.signed": _("rules were signed"), "workforce.declared": _("staff were named"),
        "workforce.ended": _("staff left"), "consent.changed": _("a consent was changed"),
        "token.issued": _("a token was issued"), "token.refused": _("a token was refused"),
        "token.revoked": _("a token was revoked"), "care.stated": _("a care relationship was stated"),
        "care.ended": _("a care relationship ended"), "care.emergency": _("the glass was broken"),
        "match.viewed": _("two records were compared"), "match.decided": _("two records were decided"),
        "accounting.suspended": _("an accounting was suspended"),
        "accounting.resumed": _("a suspension of an accounting ended"),
        "subscription.changed": _("a subscription was changed"),
        "client.changed": _("a client was changed"),
        "console.sign-in": _("signed in or out at the console"), "console.viewed": _("seen at the console"),
    },
    # https://hl7.org/fhir/R4/valueset-subscription-status.html, and what the console may do
    "subscription": {
        "requested": _("not greeted yet"), "active": _("active"), "error": _("not taken"),
        "off": _("at rest"), "paused": _("paused by the exchange"),
    },
    "topic": {
        "resource-published": _("a record is new"), "resource-changed": _("a record changed"),
        "resource-deleted": _("a record was deleted"), "admission": _("admission"),
        "discharge": _("discharge"), "transfer": _("transfer"), "new-result": _("new result"),
        "referral-status": _("state of a referral"), "consent-change": _("a consent changed"),
        "person-merged": _("two records turn out to be one person"),
        "person-split": _("a person turns out to be two"),
    },
    "panel": {
        "related": _("people we care for"), "own": _("people we send records of"),
        "everyone": _("everybody we may hear of"),
    },
    "channel": {
        "rest_hook": _("notification to a FHIR endpoint"), "fhir": _("transaction to a FHIR server"),
        "download": _("page to fetch here"), "sftp": _("file over SFTP"),
        "mllp": _("HL7 v2 message over MLLP"),
    },
    "rhythm": {"at-once": _("at once"), "hourly": _("every hour"), "nightly": _("every night")},
    "content": {
        "full-resource": _("the whole records"), "id-only": _("their ids alone"), "empty": _("nothing"),
    },
    "basis": {
        "program": _("the program it comes from"), "code": _("a code"), "inference": _("it follows"),
        "reference": _("it belongs to a record with this label"), "text": _("words of the text"),
        "source": _("the sender says so"),
    },
    "evidence": {
        "a code that cannot be read": _("a code that cannot be read"),
        "an attachment that cannot be read": _("an attachment that cannot be read"),
        "labelled by the source": _("labelled by the source"),
    },
    "mark": {
        "V": _("read in the text of the law"), "V2": _("read second-hand"),
        "R": _("from memory: to be read again"), "ours": _("our own agreement"),
    },
    "domain": {
        "part2": _("a Part 2 consent"), "authorization": _("an authorization naming the recipient"),
        "hmis": _("a release of homeless management information"),
        "victim-services": _("a release of victim services"), "research": _("a consent to research"),
        "notice": _("a notice"), "general": _("a general consent"), "unclassified": _("a consent of no kind"),
    },
    # what a rule may ask; `True` and `False` with them
    "condition": {
        "purpose": _("the purpose is"), "action": _("the record is"),
        "source type": _("the sender is"), "source role": _("the sender's role is"),
        "source state": _("the sender is in"), "source covered entity": _("the sender is a covered entity"),
        "source part2 program": _("the sender is a Part 2 program"),
        "source agreement": _("the sender's agreement is"),
        "source agreement in force": _("the sender's agreement is in force"),
        "requester type": _("the recipient is"), "requester role": _("the recipient's role is"),
        "requester state": _("the recipient is in"),
        "requester covered entity": _("the recipient is a covered entity"),
        "requester part2 program": _("the recipient is a Part 2 program"),
        "requester agreement": _("the recipient's agreement is"),
        "requester agreement in force": _("the recipient's agreement is in force"),
        "requester is source": _("the recipient sent the record itself"),
        "record label": _("the record is labelled"), "record type": _("the record is a"),
        "record about": _("the record is about"), "record at least": _("confidentiality at least"),
        "record at most": _("confidentiality at most"), "domain": _("it is"),
        "named": _("it names the recipient or a class of them"), "by name": _("it names the recipient"),
        "intermediary": _("it names the exchange too"), "written": _("it is signed"),
        "time limited": _("it ends on a date"),
    },
    "value": {
        "True": _("yes"), "False": _("no"), "access": _("asked for"), "disclose": _("sent by itself"),
        "collect": _("taken into the exchange"), "person": _("a person"), "nobody": _("nobody"),
    },
    "obligation": {
        "minimum-necessary": _("only what the purpose needs"),
        "redisclosure-notice": _("the notice against redisclosure goes along"),
        "consent-copy": _("a copy of the consent goes along"),
        "no-redisclosure": _("the recipient may not pass it on"),
        "break-glass-record": _("the emergency is written down first"),
        "notify-privacy-officer": _("the privacy officer is told at once"),
        "after-review": _("somebody reviews it afterwards"),
        "account-for": _("it is listed in the accounting of disclosures"),
    },
    "equivalence": {
        "equivalent": _("means the same"), "equal": _("is the same"), "wider": _("the target is wider"),
        "narrower": _("the target is narrower"), "inexact": _("only in part the same"),
        "unmatched": _("nothing matches"),
    },
    # where the words for the person's own accounting speak to the person
    "purpose": {
        "PATRQT": _("the person's own request"), "FAMRQT": _("a request of the family"),
        "PWATRNY": _("a request of a representative"), "SUPNWK": _("a request of people who help"),
        "COLLECT": _("taken into the exchange"),
    },
    "consent-status": {
        "active": _("in force"), "inactive": _("revoked"), "rejected": _("rejected"), "draft": _("a draft"),
        "proposed": _("proposed"), "entered-in-error": _("entered in error"),
    },
    "statement": {
        "recipient": _("Recipient"), "recipient_affiliation": _("Organization of the recipient"),
        "discloser": _("Who gave it"), "datetime": _("Date and time"),
        "emergency_nature": _("Nature of the emergency"),
    },
}  # fmt: skip
