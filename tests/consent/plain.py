"""A second evaluator of FHIR Consents, written from the rules alone: plain, slow, over FHIR JSON.

It shares no code with `exchange.consent`; the two are compared in test_plain_evaluator.py. Its tables hold
only the words the generated consents use.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

HERE = ZoneInfo("America/Chicago")
RANK = "ULMNRV"
PURPOSE_ABOVE = {
    "COC": "TREAT",
    "CLINTRL": "TREAT",
    "ETREAT": "TREAT",
    "BTG": "ETREAT",
    "ELIGVER": "COVERAGE",
    "COVERAGE": "HPAYMT",
    "CAREMGT": "HOPERAT",
    "HLEGAL": "HOPERAT",
    "MLTRAINING": "HOPERAT",
}
NEVER_INHERITED = {
    "TREAT": {"BTG", "CLINTRL"},
    "HOPERAT": {"HLEGAL", "FRAUD", "GOV", "MLTRAINING", "MILCDM"},
}
LABEL_ABOVE = {
    "ETHUD": "SUD",
    "OPIOIDUD": "SUD",
    "SUD": "SPI",
    "MH": "SPI",
    "PSY": "SPI",
    "PSYTHPN": "SPI",
    "BH": "SPI",
    "DVD": "BH",
}
FAMILIES = [{"ETH", "SUD", "ETHUD", "OPIOIDUD"}, {"MH", "PSY", "PSYTHPN", "BH"}]
WHOLES = ("Encounter", "EpisodeOfCare", "CarePlan")
PRIVACY = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")


GRANTS, MAY_DENY, DENIES = 1, 0, -1
"""How an element is held against a record: what is not known counts for MAY_DENY alone."""


class NotComputable(Exception):
    """To quarantine."""


def says(consent, request, resource, atom):
    """DENY | PERMIT | UNCOVERED | NA."""
    scope = [(c.get("system"), c.get("code")) for c in consent.get("scope", {}).get("coding", [])]
    if consent["status"] != "active" or PRIVACY not in scope:
        return "NA"
    root = consent.get("provision", {})
    base = root.get("type") or base_of(consent.get("policyRule"))
    if base is None:
        raise NotComputable
    if not match(root, base, request, resource, atom):
        return "UNCOVERED" if base == "permit" else "NA"
    answer = descend(root, base, request, resource, atom)
    sure = base == "permit" or surely(root, request, resource, atom)
    return answer if sure or answer == "DENY" else "NA"


def base_of(rule):
    codes = {c.get("code") for c in (rule or {}).get("coding", [])}
    if codes & {"OPTIN", "OPTINR"}:
        return "permit"
    return "deny" if codes & {"OPTOUT", "OPTOUTE"} else None


def descend(node, decision, request, resource, atom):
    hits = [c for c in node.get("provision", []) if match(c, c["type"], request, resource, atom)]
    results = [(descend(c, c["type"], request, resource, atom), c) for c in hits]
    sure = [
        answer
        for answer, c in results
        if answer == "DENY" or c["type"] == "permit" or surely(c, request, resource, atom)
    ]
    if not sure:
        return "PERMIT" if decision == "permit" else "DENY"
    return "DENY" if "DENY" in sure else "PERMIT"


def match(node, kind, request, resource, atom):
    return holds(node, request, resource, atom, GRANTS if kind == "permit" else MAY_DENY)


def surely(node, request, resource, atom):
    """Whether a denial matches by what is known: only then its exceptions open anything."""
    return holds(node, request, resource, atom, DENIES)


def holds(node, request, resource, atom, how):
    tests = [
        ("period", lambda v: inside(v, request["at"])),
        ("actor", lambda v: any(actor_is(a["reference"]["reference"], request, how) for a in v)),
        ("action", lambda v: any(c["coding"][0]["code"] == request["action"] for c in v)),
        ("purpose", lambda v: any(purpose_within(c["code"], request["purpose"], how) for c in v)),
        ("class", lambda v: any(has_class(c["code"], resource, how) for c in v)),
        ("code", lambda v: any(has_code(c["coding"][0], resource, how) for c in v)),
        ("securityLabel", lambda v: labelled(v, resource, atom, how)),
        ("dataPeriod", lambda v: dated(v, resource, how)),
        ("data", lambda v: any(meant(d, resource, request["store"], how) for d in v)),
    ]
    return all(test(node[name]) for name, test in tests if name in node)


def day_span(text):
    """First moment, and first moment after, of a FHIR date or dateTime."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        return moment, moment + timedelta(seconds=0 if "." in text else 1, microseconds="." in text)
    parts = [int(p) for p in text.split("-")]
    first = date(*[*parts, 1, 1][:3])
    if len(parts) == 3:
        after = first + timedelta(days=1)
    elif len(parts) == 2:
        after = (first + timedelta(days=32)).replace(day=1)
    else:
        after = date(parts[0] + 1, 1, 1)
    return tuple(datetime(d.year, d.month, d.day, tzinfo=HERE) for d in (first, after))


def bounds(period):
    start = day_span(period["start"])[0] if "start" in period else datetime(1, 1, 2, tzinfo=HERE)
    end = day_span(period["end"])[1] if "end" in period else datetime(9999, 1, 1, tzinfo=HERE)
    return start.timestamp(), end.timestamp()


def inside(period, at):
    start, end = bounds(period)
    return start <= at.timestamp() < end


def actor_is(reference, request, how):
    world = request["world"]
    name = reference.partition("/")[2]
    me = {request["who"]}
    if how != GRANTS:
        above = world["part_of"].get(request["who"])
        while above:
            me.add(above)
            above = world["part_of"].get(above)
    if reference.startswith("Group/") and name in world["groups"]:
        return any(name in world["groups"] and one in world["groups"][name] for one in me)
    if name in world["organizations"]:
        return name in me
    return how == MAY_DENY


def purpose_within(listed, asked, how):
    if how == GRANTS and asked in NEVER_INHERITED.get(listed, ()):
        return False
    while asked is not None:
        if asked == listed:
            return True
        asked = PURPOSE_ABOVE.get(asked)
    return False


def label_within(listed, atom):
    while atom is not None:
        if atom == listed:
            return True
        atom = LABEL_ABOVE.get(atom)
    return False


def label_permits(listed, atom):
    pair = {"ETH", "SUD"}
    return label_within(listed, atom) or (listed in pair and any(label_within(p, atom) for p in pair))


def label_surely_denies(listed, atom):
    """The code, what is within it, and those that stand in one family with it."""
    return label_within(listed, atom) or any({listed, atom} <= family for family in FAMILIES)


def label_denies(listed, atom):
    """Also the whole family of anything that is within it, and what is within those."""
    reached = {listed} | {code for code in LABEL_ABOVE if label_within(listed, code)}
    families = [family for family in FAMILIES if family & reached]
    return atom in reached or any(label_within(m, atom) for family in families for m in family)


def labelled(codings, resource, atom, how):
    levels = [c["code"] for c in codings if c["code"] in RANK]
    labels = [c["code"] for c in codings if c["code"] not in RANK]
    own = RANK.index(resource["confidentiality"])
    if how == GRANTS:
        level = any(own <= RANK.index(listed) for listed in levels)
        label = any(label_permits(listed, atom) for listed in labels)
    else:
        level = any(own >= RANK.index(listed) for listed in levels)
        denied = label_surely_denies if how == DENIES else label_denies
        label = any(denied(listed, atom) for listed in labels)
    return (not levels or level) and (not labels or label)


def has_class(code, resource, how):
    body = resource["body"]
    mine = [body["resourceType"], *body.get("meta", {}).get("profile", [])]
    if how != GRANTS:
        mine += [inner["resourceType"] for inner in body.get("contained", [])]
    return code in mine


def codings(node, hanging):
    if isinstance(node, list):
        for item in node:
            yield from codings(item, hanging)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "coding":
                yield from ((c["system"], c["code"]) for c in value)
            elif hanging or name not in ("contained", "extension", "meta"):
                yield from codings(value, hanging)


def has_code(coding, resource, how):
    return (coding["system"], coding["code"]) in set(codings(resource["body"], how != GRANTS))


def when(body):
    kind = body["resourceType"]
    if kind == "Observation":
        found = body.get("effectiveDateTime") or body.get("effectivePeriod")
    elif kind == "Condition":
        found = body.get("onsetDateTime") or body.get("recordedDate")
    elif kind == "Encounter":
        found = body.get("period")
    elif kind == "MedicationRequest":
        found = body.get("authoredOn")
    else:
        found = None
    if found is None:
        return None
    if isinstance(found, dict):
        return bounds(found)
    first, after = day_span(found)
    return first.timestamp(), after.timestamp()


def dated(period, resource, how):
    own = when(resource["body"])
    if own is None:
        return how == MAY_DENY
    start, end = bounds(period)
    return (start <= own[0] and own[1] <= end) if how == GRANTS else (own[0] < end and own[1] > start)


def refers(body):
    if isinstance(body, list):
        return {name for item in body for name in refers(item)}
    if isinstance(body, dict):
        own = {body["reference"]} if isinstance(body.get("reference"), str) else set()
        return own | {name for value in body.values() for name in refers(value)}
    return set()


def meant(data, resource, store, how):
    target, body = data["reference"]["reference"], resource["body"]
    own = f"{body['resourceType']}/{body['id']}"
    meaning = data["meaning"]
    if meaning == "authoredby":
        named = set().union(*(refers(body.get(n)) for n in ("author", "recorder", "performer", "asserter")))
        for other in store.values():
            if other["resourceType"] == "Provenance" and own in refers(other["target"]):
                named |= refers(other["agent"])
        return target in named if named else how == MAY_DENY
    related = own in refers(store[target]) if target in store else how == MAY_DENY
    depends = target in refers(body)
    if own == target or meaning == "instance":
        return own == target
    if meaning == "dependents":
        return depends
    if target.partition("/")[0] in WHOLES:
        return depends or (related and target in store)
    return related


def domains(consent):
    """The policy domain a consent speaks in."""
    uris = [p["uri"] for p in consent.get("policy", [])]
    kinds = ("part2", "authorization", "hmis", "victim-services", "research")
    found = {kind for kind in kinds for uri in uris if uri.endswith(f"/policy/{kind}")}
    return found or {"general"}


def newest(consents):
    """Of each patient, organization, policy URI and category the newest signature; ties stay together."""
    groups = {}
    for one in consents:
        key = (
            one["patient"]["reference"],
            tuple(sorted(o["reference"] for o in one.get("organization", []))),
            tuple(sorted(p["uri"] for p in one.get("policy", []))),
            tuple(sorted(c["coding"][0]["code"] for c in one["category"])),
        )
        groups.setdefault(key, []).append(one)
    for members in groups.values():
        last = max(day_span(one["dateTime"])[0] for one in members)
        yield [one for one in members if day_span(one["dateTime"])[0] == last]


def of_others(consent, resource):
    """A permit for one program's records is silent about others', with all its exceptions."""
    named = [o["reference"] for o in consent.get("organization", [])]
    own = domains(consent) <= {"part2", "hmis", "victim-services"}
    elsewhere = bool(named) and f"Organization/{resource['source']}" not in named
    base = consent.get("provision", {}).get("type") or base_of(consent.get("policyRule"))
    return own and base == "permit" and elsewhere


SEVERITY = ["DENY", "UNCOVERED", "NA", "PERMIT"]


def decide(consents, request, resource, atoms, gates):
    """PERMIT or DENY for the whole record; `gates(atom)` gives the legal gates that apply."""
    return "PERMIT" if all(_one(consents, request, resource, a, gates(a)) for a in atoms) else "DENY"


def _one(consents, request, resource, atom, law):
    if law["prohibited"]:
        return False
    if law["released"]:
        return True
    heard = []
    active = [one for one in consents if one["status"] == "active"]
    for group in newest(active):
        answers = [
            ("NA" if of_others(one, resource) else says(one, request, resource, atom), one) for one in group
        ]
        answer, one = min(answers, key=lambda pair: SEVERITY.index(pair[0]))
        heard.append((answer, domains(one), one))
    lifts = law["lifts"]
    if any(answer == "DENY" and not (lifts is not None and kinds <= lifts) for answer, kinds, _ in heard):
        return False
    if law["emergency"]:
        return request["purpose"] == "BTG"
    own = ("part2", "hmis", "victim-services")
    permits = [
        kinds if "42CFRPart2" in resource.get("marks", ()) else kinds - {"part2"}
        for answer, kinds, one in heard
        if answer == "PERMIT"
        and (
            not kinds & set(own)
            or f"Organization/{resource['source']}" in [o["reference"] for o in one.get("organization", [])]
        )
    ]
    if law["required"]:
        return all(any(kinds & needed for kinds in permits) for needed in law["required"])
    if any(kinds & {"general", "authorization"} for kinds in permits):
        return True
    if any(answer == "UNCOVERED" and "general" in kinds for answer, kinds, _ in heard):
        return False
    return law["allowed"]
