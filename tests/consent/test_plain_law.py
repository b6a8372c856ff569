"""decide() against the plain evaluator on whole questions, with nothing of the law eased."""

import random
from dataclasses import replace
from datetime import datetime

import pytest

from exchange.consent import REPOSITORY, DisclosureClass, decide, directive, matched, profile, until_of_age
from exchange.consent.dates import EXCHANGE_ZONE, read_period
from exchange.consent.directives.normal_form import Member
from exchange.consent.proof.case_consents import resolve_case
from exchange.consent.rules.gates import gates
from exchange.model.records import Viewer
from tests.consent import plain, plain_law
from tests.consent.law_facts import facts_of
from tests.consent.test_plain_evaluator import (
    ACT_CODE,
    ATOMS,
    MOMENTS,
    PURPOSES,
    around,
    maybe,
    names,
    random_consent,
    span,
    world,
)

__all__ = ["names"]

REQUESTERS = ["lakeside_hospital", "lakeside_emergency", "prairie_clinic", "north_shelter", "prairie_plan"]
REQUESTERS += ["dunes_hospital", "good_table", "county_health", "harbor_recovery", "lapsed_clinic"]
SOURCES = [
    "prairie_clinic",
    "harbor_recovery",
    "hearth_housing",
    "lakeside_hospital",
    "dunes_hospital",
    "oak_school",
]
ASKED = [*PURPOSES, "HRESCH", "FAMRQT"]
OFTEN = ["TREAT", "COC", "BTG", "HRESCH", "FAMRQT"]
MARKS = {"harbor_recovery": ["42CFRPart2"], "hearth_housing": ["HMIS"], "oak_school": ["FERPA"]}
BIRTHS = [None, "1970-05-05", "2008-06-01", "2008-07-01", "2014-03-03"]
PERFORMERS = [None, [{"reference": "Patient/p1"}], [{"reference": "RelatedPerson/m"}]]


def nodes(tree):
    yield tree
    for child in tree.get("provision", []):
        yield from nodes(child)


def widened(rng, one):
    """The consent with what the first comparison leaves out."""
    for node in nodes(one["provision"]):
        if rng.random() < 0.12:
            name = rng.choice(["t1", "t2", "t3", "t9"])
            node.setdefault("actor", []).append({"reference": {"reference": f"CareTeam/{name}"}})
        for actor in node.get("actor", []):
            if rng.random() < 0.05:
                actor["role"] = {"coding": [{"code": "CST"}]}
        if rng.random() < 0.08:
            mark = rng.choice(["42CFRPart2", "HMIS", "NORDSCLCD", "XYZZY", "ADOL"])
            node.setdefault("securityLabel", []).append({"system": ACT_CODE, "code": mark})
        if rng.random() < 0.03:
            node.setdefault("securityLabel", []).append({"system": "http://x.org", "code": "HIV"})
        if rng.random() < 0.05:
            system, code = rng.choice(
                [("http://x.org", "TREAT"), (f"{plain_law.OURS}v3-ActReason", "TREATT")]
            )
            node.setdefault("purpose", []).append({"system": system, "code": code})
        if rng.random() < 0.05:
            base = "http://hl7.org/fhir/StructureDefinition/"
            code = rng.choice(["Observatoin", f"{base}Observation", "text/plain"])
            node.setdefault("class", []).append(
                {"system": "http://hl7.org/fhir/resource-types", "code": code}
            )
            if code == "text/plain":
                node["class"][-1].pop("system")
    one["scope"] = {
        "coding": [
            {
                **one["scope"]["coding"][0],
                "code": rng.choice(["patient-privacy"] * 6 + ["research", "treatment"]),
            }
        ]
    }
    kind = rng.choice(
        ["general", "general", "authorization", "authorization", "part2", "hmis", "research", "other"]
    )
    one["policy"] = [{"uri": f"https://mosaic-exchange.example/policy/{kind}"}]
    if kind == "other":
        one["category"] = [{"coding": [{"system": "http://example.org/c", "code": "other"}]}]
    one["organization"] = [{"reference": f"Organization/{rng.choice(SOURCES)}"}]
    if rng.random() < 0.2:
        one.pop("sourceReference")
    if performer := rng.choice(PERFORMERS):
        one["performer"] = performer
    return one


def helpful(rng, request, resource, number):
    """A permit likely to open what is asked, so that not all questions end at the same gate."""
    kind = rng.choice(["general", "authorization", "part2", "hmis", "research"])
    root = {"type": "permit", "actor": [{"reference": {"reference": f"Organization/{request['who']}"}}]}
    if rng.random() < 0.5:
        root["period"] = {"end": rng.choice(["2026-12-31", "2026-06-01", "2027"])}
    if rng.random() < 0.2:
        root.pop("actor")
    one = random_consent(rng, number)
    one |= {
        "status": "active",
        "provision": root,
        "policy": [{"uri": f"https://mosaic-exchange.example/policy/{kind}"}],
        "organization": [{"reference": f"Organization/{resource['source']}"}],
    }
    one.pop("policyRule", None)
    if performer := rng.choice(PERFORMERS):
        one["performer"] = performer
    return one


def teams(rng):
    def member():
        who = rng.choice([*REQUESTERS, None])
        return who, maybe(rng, 0.4, lambda: span(rng))

    return {"t1": [member()], "t2": [member() for _ in range(3)], "t3": []}


def resolver(known):
    def resolve(reference):
        kind, _, name = reference["reference"].partition("/")
        if kind != "CareTeam":
            return resolve_case(reference)
        members = known.get(name)
        if members is None:
            return None
        return [
            Member(who, read_period(period, EXCHANGE_ZONE, "p") if period else None) if who else None
            for who, period in members
        ]

    return resolve


def question(rng, names):
    store = world(rng)
    collecting = rng.random() < 0.15
    source = rng.choice(SOURCES)
    body = rng.choice(list(store.values()) or [{"resourceType": "Observation", "id": "o9"}])
    if rng.random() < 0.1:
        body = {**body, "attachments": [{"contentType": "text/plain"}]}
    if rng.random() < 0.2:
        body = {**body, "meta": {**body.get("meta", {}), "lastUpdated": "2026-05-31T10:00:00Z"}}
    atoms = rng.sample([*(a for a in ATOMS if a != "SPI"), "ADOL", "SEX"], rng.choice([0, 1, 1, 2]))
    request = {
        "who": "exchange" if collecting else rng.choice(REQUESTERS),
        "purpose": "COLLECT" if collecting else rng.choice([*ASKED, *OFTEN]),
        "action": "collect" if collecting else rng.choice(["access", "access", "disclose"]),
        "at": datetime.fromisoformat(rng.choice(MOMENTS)).replace(tzinfo=plain.HERE),
        "world": {**names, "teams": teams(rng)},
        "store": store,
        "born": rng.choice(BIRTHS),
        "reading": rng.choice(["clinical", "clinical", "recorded"]),
    }
    resource = {
        "body": body,
        "source": source,
        "marks": MARKS.get(source, []) + rng.choice([[], [], ["NORDSCLCD"]]),
        "confidentiality": rng.choice("RV") if atoms else rng.choice("MNR"),
    }
    return request, resource, atoms


def law_of(cls, viewer, context, request):
    def facts(atom):
        return facts_of(cls, viewer, context, request["at"], request["action"], atom)

    def law(atom):
        found = gates(context.rules, context.rules.in_force(request["at"]), facts(atom))
        lifts = [set(rule.policy.lifts) for rule in found.emergency]
        needed = [rule.policy.consent for rule in found.required]
        return {
            "prohibited": bool(found.prohibited),
            "released": bool(found.released),
            "emergency": bool(found.emergency),
            "lifts": set.intersection(*lifts) if lifts else None,
            "required": [(set(n.domain), n.named, n.written, n.time_limited) for n in needed],
            "own": bool(found.own_consent),
            "allowed": bool(found.allowed),
        }

    return law


@pytest.mark.parametrize("seed", range(4))
def test_consents_of_every_kind_under_the_whole_law_decide_the_same_for_both(context, names, seed):
    rng = random.Random(f"whole law {seed}")
    seen = set()
    for _ in range(600):
        request, resource, atoms = question(rng, names)
        consents = [widened(rng, random_consent(rng, n)) for n in range(rng.randint(0, 3))]
        consents += [helpful(rng, request, resource, 10 + n) for n in range(rng.choice([0, 1, 1, 2]))]
        sure = rng.random() < 0.85
        born = [request["born"]] if request["born"] else []
        resolve = resolver(request["world"]["teams"])
        read = [until_of_age(directive(one, resolve=resolve), born) for one in consents]
        chosen = profile([(one, sure) for one in read])
        look = replace(around(request["store"]), reading=request["reading"])
        cls = DisclosureClass(
            source=resource["source"],
            type=resource["body"]["resourceType"],
            confidentiality=resource["confidentiality"],
            labels=tuple(sorted([*atoms, *resource["marks"]])),
            profile=chosen,
            matched=matched(chosen, resource["body"], look),
        )
        collecting = request["who"] == "exchange"
        viewer = REPOSITORY if collecting else Viewer(request["who"], "organization", request["purpose"])
        request["uncertain"] = not sure
        law = law_of(cls, viewer, context, request)
        verdicts = [plain_law.one_atom(consents, request, resource, a, law(a)) for a in atoms or [None]]
        given = decide(cls, viewer, context, request["at"], request["action"])
        assert (given.effect == "permit") is all(verdicts), (
            consents,
            request,
            resource,
            atoms,
            given.because,
        )
        seen.add((given.effect, collecting))
    assert len(seen) == 4
