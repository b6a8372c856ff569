"""Everybody who takes part asks for every purpose: who gets what, and with which obligations, by law."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from exchange.consent import Context, decide
from exchange.consent.proof.case_consents import ConsentForm, Terms, consent_of
from exchange.model.records import Viewer
from tests.consent.builders import chosen, record

CARE = ("TREAT", "COC", "POPHLTH")
PAYMENT = ("HPAYMT", "ELIGVER")
QUALITY = ("CAREMGT", "HQUALIMP", "HOUTCOMS", "PATSFTY", "PERFMSR")
OTHER = ("BTG", "HOPERAT", "HLEGAL", "PUBHLTH", "HRESCH", "HMARKT", "PATRQT", "FAMRQT")
PURPOSES = (*CARE, *PAYMENT, *QUALITY, *OTHER)
OWN = (*CARE, *PAYMENT, *QUALITY, "BTG", "HOPERAT", "PUBHLTH")
HOSPITALS = (
    "lakeside_hospital",
    "lakeside_emergency",
    "southside_clinic",
    "prairie_clinic",
    "dunes_hospital",
    "dunes_clinic",
)
TREATING = (*HOSPITALS, "harbor_recovery", "shore_recovery", "willow_nursing")
GLASS = frozenset(["after-review", "break-glass-record", "notify-privacy-officer"])
NOTICE = frozenset(["redisclosure-notice"])
LEAST = frozenset(["minimum-necessary"])
COUNTED = frozenset(["account-for"])
NOT_ON = frozenset(["no-redisclosure"])
HERE, INDIANA = "prairie_clinic", "dunes_hospital"


@pytest.fixture(scope="module")
def everybody(context):
    """Also a clinic of Indiana, and one that no insurance pays and HIPAA does not cover."""
    parts = context.participants
    more = {
        "dunes_clinic": replace(parts["dunes_hospital"], code="dunes_clinic", type="clinic"),
        "cash_clinic": replace(parts["southside_clinic"], code="cash_clinic", covered_entity=False),
    }
    return Context(context.rules, {**parts, **more})


def to(purposes, participants, obligations=frozenset(), related=True):
    """Each of these participants for each of these purposes, with what comes along."""
    return {(who, why): (related, frozenset(obligations)) for who, why in product(participants, purposes)}


def granted(context, noon, cls, action):
    found = {}
    for who, why in product(context.participants, PURPOSES):
        given = decide(cls, Viewer(who, "organization", why), context, noon, action)
        if given.effect == "permit":
            found[who, why] = (given.needs_relationship, given.obligations)
    return found


def ordinary(treating=TREATING, paying=(*TREATING, "prairie_plan")):
    return {
        **to(CARE, treating),
        **to((*PAYMENT, *QUALITY), paying, LEAST),
        **to(["PUBHLTH"], ["county_health"], LEAST | COUNTED, related=False),
    }


def less(whole, *participants):
    return {pair: given for pair, given in whole.items() if pair[0] not in participants}


BY_BREAKING = {
    "clinic": to(["BTG"], HOSPITALS, GLASS),
    "program": to(["BTG"], HOSPITALS, GLASS | NOTICE),
    "school": to(["BTG"], HOSPITALS, GLASS | COUNTED | NOT_ON),
}


@pytest.mark.parametrize("action", ["access", "disclose"])
@pytest.mark.parametrize(
    ("source", "labels", "open_to", "broken"),
    [
        (HERE, (), ordinary(), "clinic"),
        (INDIANA, (), ordinary(), "clinic"),
        (HERE, ("HIV",), less(ordinary(), INDIANA, "dunes_clinic"), "clinic"),
        (HERE, ("STD",), less(ordinary(), INDIANA, "dunes_clinic"), "clinic"),
        (INDIANA, ("HIV",), to(["PUBHLTH"], ["county_health"], LEAST | COUNTED, related=False), "clinic"),
        (INDIANA, ("STD",), to(["PUBHLTH"], ["county_health"], LEAST | COUNTED, related=False), "clinic"),
        (HERE, ("SUD",), ordinary(), "clinic"),
        (HERE, ("HIPAASelfPay",), ordinary(paying=TREATING), "clinic"),
        (HERE, ("PSYTHPN",), {}, None),
        (HERE, ("HIPAAPsyNotes", "PSYTHPN"), {}, None),
        (HERE, ("SUDCounselingNotes", "SUD"), {}, None),
        ("harbor_recovery", ("42CFRPart2", "SUD"), {}, "program"),
        (
            "harbor_recovery",
            ("42CFRPart2", "SUD", "VITAL"),
            to(["PUBHLTH"], ["county_health"], LEAST | COUNTED | NOT_ON, related=False),
            "program",
        ),
        ("good_table", (), {}, None),
        ("hearth_housing", ("HMIS", "LIVARG"), {}, None),
        ("oak_school", ("FERPA",), {}, "school"),
    ],
    ids=lambda value: (
        "+".join(value) if isinstance(value, tuple) else value if isinstance(value, str) else ""
    ),
)
def test_who_gets_what_when_nobody_said_anything(everybody, noon, source, labels, open_to, broken, action):
    expected = {**open_to, **(BY_BREAKING[broken] if broken and action == "access" else {})}
    own = granted(everybody, noon, record(chosen(), *labels, source=source), action)
    assert {pair for pair in own if pair[0] == source} == {(source, why) for why in OWN}
    assert all(not related for (who, _), (related, _) in own.items() if who == source)
    assert less(own, source) == less(expected, source)


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        ("Organization", True),
        ("Location", True),
        ("HealthcareService", True),
        ("Practitioner", True),
        ("PractitionerRole", True),
        ("OrganizationAffiliation", True),
        ("Endpoint", True),
        ("Medication", True),
        ("Questionnaire", True),
        ("Device", False),
        ("Schedule", False),
    ],
)
def test_the_directory_is_open_but_for_what_hides_a_victim(context, noon, kind, opens):
    def seen(*labels, confidentiality="N"):
        content = {"content": {"resourceType": kind}, "confidentiality": confidentiality}
        return granted(context, noon, record(None, *labels, **content), "access")

    others = {pair for pair in seen() if pair[0] != HERE}
    bound = [p for p in context.participants if p not in (HERE, "unsigned_clinic", "lapsed_clinic")]
    assert others == (set(product(bound, PURPOSES)) if opens else set())
    assert not any(related for related, _ in seen().values())
    assert bool({pair for pair in seen("LIVARG", confidentiality="R") if pair[0] != HERE}) == opens
    for label in ("SDV", "VIO", "PATLOC", "VAWA"):
        assert {pair for pair in seen(label, confidentiality="R") if pair[0] != HERE} == set()
    assert {pair for pair in seen(confidentiality="V") if pair[0] != HERE} == set()


KINDS = ("general", "part2", "authorization", "hmis", "research", "victim-services", "unclassified")
RELEASE = ("authorization", "part2")
NAMED, WRITTEN, ENDS = "named", "written", "ends"
PROGRAM = ("42CFRPart2", "SUD")
HOME = ("HMIS", "LIVARG")


@pytest.mark.parametrize(
    ("source", "labels", "who", "why", "kinds", "demands"),
    [
        (HERE, (), "good_table", "COC", (*RELEASE, "victim-services"), {NAMED, WRITTEN}),
        (HERE, (), "lakeside_hospital", "HMARKT", (*RELEASE, "victim-services"), {NAMED, WRITTEN}),
        (HERE, (), "lakeside_hospital", "HRESCH", ("research", "authorization"), {NAMED, WRITTEN}),
        ("harbor_recovery", PROGRAM, "lakeside_hospital", "TREAT", ("part2",), {NAMED, WRITTEN}),
        ("harbor_recovery", PROGRAM, "prairie_plan", "HPAYMT", ("part2",), {NAMED, WRITTEN}),
        ("harbor_recovery", PROGRAM, "good_table", "COC", ("part2",), {NAMED, WRITTEN}),
        ("harbor_recovery", PROGRAM, "lakeside_hospital", "HLEGAL", (), set()),
        ("harbor_recovery", PROGRAM, "county_health", "PUBHLTH", (), set()),
        *((HERE, (code,), "north_shelter", "COC", RELEASE, {NAMED, WRITTEN, ENDS}) for code in (
            "HIV", "MH", "PSY", "BH", "DVD", "GDIS", "SCA")),
        *((INDIANA, (code,), "north_shelter", "COC", RELEASE, {NAMED, WRITTEN, ENDS}) for code in (
            "MH", "PSY", "BH")),
        (HERE, ("SUD",), "north_shelter", "COC", (*RELEASE, "victim-services"), {NAMED, WRITTEN}),
        *((HERE, ("ADOL",), "lakeside_hospital", why, ("authorization",), {NAMED, WRITTEN}) for why in (
            "FAMRQT", "PWATRNY", "SUPNWK")),
        *((INDIANA, (code,), "lakeside_hospital", "TREAT", ("general", *RELEASE), {WRITTEN}) for code in (
            "HIV", "STD")),
        *((HERE, (code,), INDIANA, "TREAT", ("general", *RELEASE), {WRITTEN}) for code in ("HIV", "STD")),
        ("good_table", (), "lakeside_hospital", "TREAT",
         ("general", "authorization", "hmis", "victim-services"), {WRITTEN}),
        ("good_table", (), "hearth_housing", "COC", ("authorization", "victim-services"), {NAMED, WRITTEN}),
        ("hearth_housing", HOME, "lakeside_hospital", "TREAT", ("hmis",), {WRITTEN}),
        ("hearth_housing", HOME, "good_table", "COC", ("hmis",), {WRITTEN}),
        ("safe_harbor", ("VAWA", "SDV"), "lakeside_hospital", "TREAT", ("victim-services",),
         {NAMED, WRITTEN, ENDS}),
        ("oak_school", ("FERPA",), "lakeside_hospital", "TREAT", ("authorization",), {NAMED, WRITTEN}),
    ],
)  # fmt: skip
def test_what_the_law_asks_of_a_consent(context, noon, source, labels, who, why, kinds, demands):
    def opens(kind, **spoilt):
        form = {NAMED: True, WRITTEN: True, ENDS: True, **spoilt}
        terms = Terms(to=(who,) if form[NAMED] else (), until=date(2027, 1, 1) if form[ENDS] else None)
        given = ConsentForm(
            kind=kind, of=source, scope="patient-privacy", written=form[WRITTEN], permit=terms
        )
        cls = record(chosen(consent_of(given, 1)), *labels, source=source)
        return all(
            decide(cls, Viewer(who, "organization", why), context, noon, action).effect == "permit"
            for action in ("access", "disclose")
        )

    assert {kind for kind in KINDS if opens(kind)} == set(kinds)
    for kind in kinds:
        assert {demand for demand in (NAMED, WRITTEN, ENDS) if not opens(kind, **{demand: False})} == demands
