"""The engine against a second evaluator written from the rules alone: no disagreement on random input."""

import random
from dataclasses import replace
from datetime import datetime

import pytest

from exchange.consent import Context, Surroundings, decide, directive, matched, profile
from exchange.consent.directives.matching import references_in
from exchange.consent.directives.trees import Request, Subject, evaluate, trees
from exchange.consent.proof.case_consents import resolve_case
from exchange.consent.rules.gates import gates
from exchange.consent.rules.ruleset import compile_rules
from exchange.consent.standing import standing
from exchange.model.errors import RecordRejected
from exchange.model.records import Viewer
from tests.consent import plain
from tests.consent.builders import consent, record
from tests.consent.law_facts import facts_of

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LEVELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LOINC, ICD = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
CODES = [(LOINC, "4548-4"), (LOINC, "2339-0"), (ICD, "E11.9"), (ICD, "F11.20")]
ORGANIZATIONS = ["lakeside_hospital", "lakeside_emergency", "prairie_clinic", "north_shelter", "prairie_plan"]
GROUPS = ["treating-providers", "coalition"]
PURPOSES = ["TREAT", "COC", "CLINTRL", "ETREAT", "BTG", "HPAYMT", "ELIGVER", "HOPERAT", "CAREMGT", "HLEGAL"]
PURPOSES += ["PUBHLTH", "HMARKT"]
ATOMS = ["HIV", "SUD", "ETH", "ETHUD", "OPIOIDUD", "MH", "PSY", "BH", "DVD", "SPI", "SDV"]
TARGETS = ["Encounter/e1", "Observation/o1", "Condition/c1", "DiagnosticReport/r1", "CarePlan/p1"]
PEOPLE = ["Practitioner/a", "Practitioner/b"]
DAYS = ["2025", "2026-05", "2026-06", "2026-05-31", "2026-06-01", "2026-06-02", "2026-06-01T10:00:00-05:00"]
MOMENTS = [
    "2026-05-31T23:59:59",
    "2026-06-01T00:00",
    "2026-06-01T09:59",
    "2026-06-01T10:00:00.5",
    "2026-06-01T10:00:01",
    "2026-06-01T23:30",
    "2026-07-15",
]


SEEDS = [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 8))]


def maybe(rng, chance, make):
    return make() if rng.random() < chance else None


def several(rng, values, most=2):
    return rng.sample(values, rng.randint(1, most))


def span(rng):
    start, end = rng.choice([None, *DAYS]), rng.choice([None, *DAYS])
    if start is None and end is None:
        start = "2025"
    if start and end and plain.day_span(end)[1] <= plain.day_span(start)[0]:
        end = None
    return {name: value for name, value in (("start", start), ("end", end)) if value}


def actor(rng):
    name = rng.choice([*ORGANIZATIONS, "nobody_known", *(f"group:{g}" for g in GROUPS)])
    kind = "Group" if name.startswith("group:") else "Organization"
    role = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]
    }
    return {"role": role, "reference": {"reference": f"{kind}/{name.removeprefix('group:')}"}}


def node(rng, depth, kind=None):
    act = "http://terminology.hl7.org/CodeSystem/consentaction"
    labels = [(ACT_CODE, code) for code in ATOMS] + [(LEVELS, level) for level in "MNRV"]
    classes = ["Observation", "Condition", "Encounter", "http://example.org/profile/lab"]
    body = {
        "type": kind or rng.choice(["permit", "deny"]),
        "period": maybe(rng, 0.15, lambda: span(rng)),
        "actor": maybe(rng, 0.3, lambda: [actor(rng) for _ in range(rng.randint(1, 2))]),
        "action": maybe(
            rng,
            0.15,
            lambda: [
                {"coding": [{"system": act, "code": c}]} for c in several(rng, ["access", "disclose", "use"])
            ],
        ),
        "purpose": maybe(
            rng,
            0.3,
            lambda: [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": c}
                for c in several(rng, PURPOSES, 3)
            ],
        ),
        "securityLabel": maybe(
            rng, 0.35, lambda: [{"system": s, "code": c} for s, c in several(rng, labels, 3)]
        ),
        "class": maybe(
            rng,
            0.15,
            lambda: [
                {"system": "http://hl7.org/fhir/resource-types", "code": c} for c in several(rng, classes)
            ],
        ),
        "code": maybe(
            rng, 0.15, lambda: [{"coding": [{"system": s, "code": c}]} for s, c in several(rng, CODES)]
        ),
        "dataPeriod": maybe(rng, 0.15, lambda: span(rng)),
        "data": maybe(rng, 0.15, lambda: [datum(rng) for _ in range(rng.randint(1, 2))]),
        "provision": maybe(rng, 0.6, lambda: [node(rng, depth - 1) for _ in range(rng.randint(1, 3))])
        if depth
        else None,
    }
    return {name: value for name, value in body.items() if value}


def datum(rng):
    meaning = rng.choice(["instance", "related", "dependents", "authoredby"])
    target = rng.choice(PEOPLE if meaning == "authoredby" else TARGETS)
    return {"meaning": meaning, "reference": {"reference": target}}


def root(rng):
    tree = node(rng, 3)
    if rng.random() < 0.4:  # a wide root, or hardly anything below it is ever reached
        tree = {name: value for name, value in tree.items() if name in ("type", "provision")}
    rule = None
    if rng.random() < 0.2:
        tree.pop("type")
        rule = {
            "coding": [{"system": ACT_CODE, "code": rng.choice(["OPTIN", "OPTINR", "OPTOUT", "OPTOUTE"])}]
        }
    return tree, rule


def random_consent(rng, number=0):
    tree, rule = root(rng)
    kind = rng.choice(["general", "general", "authorization", "part2", "hmis", "research"])
    return consent(
        id=f"c{number}",
        status=rng.choice(["active"] * 8 + ["inactive", "draft", "entered-in-error"]),
        provision=tree,
        policyRule=rule,
        policy=[{"uri": f"https://mosaic-exchange.example/policy/{kind}"}],
        organization=[{"reference": f"Organization/{rng.choice(['prairie_clinic', 'harbor_recovery'])}"}],
        dateTime=rng.choice(["2026-01-01", "2026-02-02", "2026-03-03"]),
    )


def reference(target):
    return {"reference": target}


def concept(code):
    return {"coding": [{"system": code[0], "code": code[1]}]}


def body(rng, kind, name):
    found = {
        "resourceType": kind,
        "id": name,
        "code": maybe(rng, 0.8, lambda: concept(rng.choice(CODES))),
        "contained": maybe(
            rng, 0.1, lambda: [{"resourceType": "Condition", "id": "i", "code": concept(rng.choice(CODES))}]
        ),
        "extension": maybe(
            rng, 0.1, lambda: [{"url": "x", "valueCodeableConcept": concept(rng.choice(CODES))}]
        ),
        "meta": maybe(rng, 0.2, lambda: {"profile": ["http://example.org/profile/lab"]}),
        "encounter": maybe(rng, 0.4, lambda: reference("Encounter/e1")),
        "performer": maybe(rng, 0.3, lambda: [reference(rng.choice(PEOPLE))]),
        "recorder": maybe(rng, 0.1, lambda: reference(rng.choice(PEOPLE))),
        "basedOn": maybe(rng, 0.3, lambda: [reference(rng.choice(TARGETS))]),
    }
    dates = {
        "Observation": ["effectiveDateTime", "effectivePeriod"],
        "Condition": ["onsetDateTime", "recordedDate"],
        "Encounter": ["period"],
        "MedicationRequest": ["authoredOn"],
    }
    for element in dates.get(kind, []):
        if rng.random() < 0.5:
            found[element] = span(rng) if element.lower().endswith("period") else rng.choice(DAYS)
    return {element: value for element, value in found.items() if value}


def world(rng):
    """A few records that refer to one another, and Provenance of some."""
    targets = [target.split("/") for target in TARGETS]
    store = {"/".join(target): body(rng, *target) for target in targets if rng.random() < 0.8}
    for number in range(rng.randint(0, 2)):
        store[f"Provenance/v{number}"] = {
            "resourceType": "Provenance",
            "id": f"v{number}",
            "target": [reference(rng.choice(TARGETS))],
            "agent": [{"who": reference(rng.choice(PEOPLE))}],
        }
    return store


def around(store):
    def referred(target):
        return references_in(store[target]) if target in store else None

    def agents(target):
        told = [b for b in store.values() if b["resourceType"] == "Provenance"]
        return {n for b in told if target in references_in(b["target"]) for n in references_in(b["agent"])}

    return Surroundings(referred, agents)


@pytest.fixture(scope="module")
def names(context):
    groups = {group: set() for group in GROUPS}
    for code in context.participants:
        for name in standing(Viewer(code, "organization", "TREAT"), context).names:
            if name.removeprefix("group:") in groups:
                groups[name.removeprefix("group:")].add(code)
    above = {code: one.part_of for code, one in context.participants.items() if one.part_of}
    return {"organizations": set(context.participants), "groups": groups, "part_of": above}


def question(rng, names):
    at = datetime.fromisoformat(rng.choice(MOMENTS)).replace(tzinfo=plain.HERE)
    who, purpose = rng.choice(ORGANIZATIONS), rng.choice(PURPOSES)
    action = rng.choice(["access", "access", "disclose"])
    store = world(rng)
    kind, name = rng.choice([*TARGETS, "MedicationRequest/m1"]).split("/")
    atoms = rng.sample([a for a in ATOMS if a != "SPI"], rng.choice([0, 0, 1, 1, 2]))
    resource = {
        "body": store.get(f"{kind}/{name}") or body(rng, kind, name),
        "confidentiality": rng.choice("RV") if atoms else rng.choice("MNR"),
        "source": rng.choice(["prairie_clinic", "harbor_recovery", "hearth_housing", "lakeside_hospital"]),
    }
    request = {"who": who, "purpose": purpose, "action": action, "at": at, "world": names, "store": store}
    return request, resource, atoms


VERDICTS = {"deny": "DENY", "permit": "PERMIT", "uncovered": "UNCOVERED", "silent": "NA"}


@pytest.mark.parametrize("seed", SEEDS)
def test_one_consent_says_the_same_to_both(rules, context, names, seed):
    rng = random.Random(f"one consent {seed}")
    seen = set()
    for _ in range(1500):
        one = random_consent(rng)
        request, resource, atoms = question(rng, names)
        atom = atoms[0] if atoms else None
        expected = plain.says(one, request, resource, atom)
        assert ours(one, request, resource, atom, context) == expected, (one, request, resource, atom)
        seen.add(expected)
    assert seen == {"DENY", "PERMIT", "UNCOVERED", "NA"}


def ours(one, request, resource, atom, context):
    chosen = profile([(directive(one, resolve=resolve_case), True)])
    if not chosen.groups:
        return "NA"
    who = standing(Viewer(request["who"], "organization", request["purpose"]), context)
    ((_, _, tree),) = trees(chosen)[0]
    numbers = frozenset(matched(chosen, resource["body"], around(request["store"])))
    asked = Request(
        request["who"], who.names, who.wider, who.known, request["action"], request["purpose"], request["at"]
    )
    subject = Subject(atom, resource["confidentiality"], frozenset(), numbers)
    return VERDICTS[evaluate(tree, asked, subject, context.rules.vocabulary).verdict]


def law_of(cls, viewer, context, request):
    """The legal gates that apply to one atom, as plain facts: law is data, and not what is compared here."""

    def facts(atom):
        return facts_of(cls, viewer, context, request["at"], request["action"], atom)

    def law(atom):
        found = gates(context.rules, context.rules.in_force(request["at"]), facts(atom))
        lifts = [set(rule.policy.lifts) for rule in found.emergency]
        return {
            "prohibited": bool(found.prohibited),
            "released": bool(found.released),
            "emergency": bool(found.emergency),
            "lifts": set.intersection(*lifts) if lifts else None,
            "required": [set(rule.policy.consent.domain) for rule in found.required],
            "allowed": bool(found.allowed),
        }

    return law


@pytest.fixture(scope="module")
def lenient(context):
    """The same law without asking that a consent names the recipient and ends: test_decision.py has that."""
    rules = context.rules
    policies = [rule.policy for rule in rules.rules]
    eased = [
        policy.model_copy(
            update={"consent": policy.consent.model_copy(update={"named": False, "time_limited": False})}
        )
        if policy.consent
        else policy
        for policy in policies
    ]
    return Context(compile_rules({}, rules.vocabulary, rules.lists, eased), context.participants)


@pytest.mark.parametrize("seed", SEEDS)
def test_several_consents_under_the_law_decide_the_same_for_both(lenient, names, seed):
    rng = random.Random(f"several consents {seed}")
    seen = set()
    for _ in range(500):
        consents = [random_consent(rng, n) for n in range(rng.randint(0, 4))]
        request, resource, atoms = question(rng, names)
        chosen = profile([(directive(one, resolve=resolve_case), True) for one in consents])
        cls = replace(
            record(chosen, *atoms, source=resource["source"], confidentiality=resource["confidentiality"]),
            type=resource["body"]["resourceType"],
            matched=matched(chosen, resource["body"], around(request["store"])),
        )
        viewer = Viewer(request["who"], "organization", request["purpose"])
        law = law_of(cls, viewer, lenient, request)
        expected = plain.decide(consents, request, resource, atoms or [None], law)
        given = decide(cls, viewer, lenient, request["at"], request["action"])
        assert given.effect.upper() == expected, (consents, request, resource, atoms, given.because)
        seen.add(expected)
    assert seen == {"PERMIT", "DENY"}


def test_both_refuse_what_is_not_computable():
    one = consent(provision={"provision": [{"type": "deny"}]})
    with pytest.raises(plain.NotComputable):
        plain.says(one, {}, {}, None)
    with pytest.raises(RecordRejected):
        directive(one, resolve=resolve_case)
