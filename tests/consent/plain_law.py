"""The plain evaluator for what plain.py leaves out: who is named and by whom, teams, marks, foreign words,
collecting, and what the law asks of a consent. Written from docs/consent.md alone."""

from tests.consent import plain
from tests.consent.plain import DENIES, GRANTS, MAY_DENY, bounds, day_span, inside

KNOWN_TYPES = {"Observation", "Condition", "Encounter", "MedicationRequest", "DocumentReference"}
KNOWN_LABELS = {
    "HIV",
    "SUD",
    "ETH",
    "ETHUD",
    "OPIOIDUD",
    "MH",
    "PSY",
    "BH",
    "DVD",
    "SPI",
    "SDV",
    "ADOL",
    "SEX",
}
MARKS = {"42CFRPart2", "HMIS", "NORDSCLCD"}
KNOWN_PURPOSES = {
    *plain.PURPOSE_ABOVE,
    *plain.PURPOSE_ABOVE.values(),
    "PUBHLTH",
    "HMARKT",
    "HRESCH",
    "PATRQT",
    "FAMRQT",
}
OURS = "http://terminology.hl7.org/CodeSystem/"
KEPT_FOR = ("TREAT", "HPAYMT", "HOPERAT")
ONLY_SOURCE = {"part2", "hmis", "victim-services"}
ONLY_LABELLED = {"part2": "42CFRPart2"}
OPENS = {"general", "authorization"}
LIMITS = {"general", "unclassified"}


def answer(consent, asked, record, atom):
    """(verdict, how it names: 0 anybody, 1 a class, 2 by name, whether it ends)."""
    root = consent.get("provision", {})
    base = root.get("type") or plain.base_of(consent.get("policyRule"))
    if not match(root, base, asked, record, atom):
        return ("UNCOVERED" if base == "permit" else "NA", 0, False)
    found = below(root, base, asked, record, atom, 0, False)
    return found if counts(found, root, base, asked, record, atom) else ("NA", 0, False)


def counts(found, node, kind, asked, record, atom):
    """What opens inside a denial counts only where that surely matches."""
    return found[0] == "DENY" or kind == "permit" or holds(node, asked, record, atom, DENIES)


def below(node, kind, asked, record, atom, naming, ends):
    naming = max(naming, named(node, asked))
    ends = ends or "end" in node.get("period", {})
    hits = [c for c in node.get("provision", []) if match(c, c["type"], asked, record, atom)]
    found = [(below(c, c["type"], asked, record, atom, naming, ends), c) for c in hits]
    found = [one for one, c in found if counts(one, c, c["type"], asked, record, atom)]
    if not found:
        return ("PERMIT" if kind == "permit" else "DENY", naming, ends)
    denied = [one for one in found if one[0] == "DENY"]
    return denied[0] if denied else max(found, key=lambda one: one[1:])


def named(node, asked):
    if asked["who"] == "exchange":
        return 1 if node.get("actor") else 0
    best = 0
    for actor in filter(recipient, node.get("actor", [])):
        kind, _, name = actor["reference"]["reference"].partition("/")
        members = asked["world"]["groups"].get(name, ()) if kind == "Group" else team(name, asked)[0]
        by_name = kind == "Organization" and name == asked["who"]
        best = max(best, 2 if by_name else int(asked["who"] in members))
    return best


def recipient(actor):
    codes = [c["code"] for c in actor.get("role", {}).get("coding", [])]
    return not codes or "IRCP" in codes or "PRCP" in codes


def team(name, asked):
    """Who belongs to it at the moment of asking, and whether everybody in it can be told."""
    members = asked["world"]["teams"].get(name)
    if not members:
        return [], False
    now = [who for who, period in members if who and (period is None or inside(period, asked["at"]))]
    return now, all(who for who, _ in members)


def reaches(actor, asked, how):
    if not recipient(actor):
        return how == MAY_DENY
    kind, _, name = actor["reference"]["reference"].partition("/")
    if kind != "CareTeam":
        return plain.actor_is(f"{kind}/{name}", asked, how)
    now, whole = team(name, asked)
    me = {asked["who"]}
    above = asked["world"]["part_of"].get(asked["who"])
    while above and how != GRANTS:
        me.add(above)
        above = asked["world"]["part_of"].get(above)
    return bool(me & set(now)) or (how == MAY_DENY and not whole)


def match(node, kind, asked, record, atom):
    return holds(node, asked, record, atom, GRANTS if kind == "permit" else MAY_DENY)


def holds(node, asked, record, atom, how):
    collecting = asked["who"] == "exchange"
    tests = [
        ("period", lambda v: inside(v, asked["at"])),
        ("class", lambda v: any(is_class(c["code"], record, how) for c in v)),
        ("code", lambda v: any(plain.has_code(c["coding"][0], record, how) for c in v)),
        ("securityLabel", lambda v: labelled(v, record, atom, how)),
        ("dataPeriod", lambda v: dated(v, record, how, asked["reading"])),
        ("data", lambda v: any(plain.meant(d, record, asked["store"], how) for d in v)),
    ]
    if not (collecting and how == GRANTS):
        action = "collect" if collecting else asked["action"]
        tests.append(("actor", lambda v: any(reaches(a, asked, how) for a in v)))
        tests.append(("action", lambda v: any(acts(c["coding"][0], action, how) for c in v)))
        purposes = KEPT_FOR if collecting else (asked["purpose"],)
        tests.append(("purpose", lambda v: all(any(aims(c, p, how) for c in v) for p in purposes)))
    return all(test(node[name]) for name, test in tests if node.get(name))


def acts(coding, action, how):
    known = coding["code"] in ("collect", "access", "use", "disclose", "correct")
    return coding["code"] == action or (how == MAY_DENY and not known)


def aims(coding, purpose, how):
    """A word of another system, or one of ours that does not exist, closes and never opens."""
    if not coding["system"].startswith(OURS) or coding["code"] not in KNOWN_PURPOSES:
        return how == MAY_DENY
    return plain.purpose_within(coding["code"], purpose, how)


def is_class(code, record, how):
    body = record["body"]
    base = "http://hl7.org/fhir/StructureDefinition/"
    if code.startswith(base):
        return body["resourceType"] == code[len(base) :] or code in body.get("meta", {}).get("profile", [])
    if "/" not in code and code not in KNOWN_TYPES:
        return how == MAY_DENY
    if "/" in code and not code.startswith("http"):
        return any(a.get("contentType") == code for a in body.get("attachments", []))
    return plain.has_class(code, record, how)


def labelled(codings, record, atom, how):
    levels = [c["code"] for c in codings if c["code"] in plain.RANK]
    words = [c for c in codings if c["code"] not in plain.RANK]
    marks = [c["code"] for c in words if c["code"] in MARKS and c["system"].startswith(OURS)]
    labels = [c for c in words if c["code"] not in marks]
    own = plain.RANK.index(record["confidentiality"])
    strange = any(not c["system"].startswith(OURS) or c["code"] not in KNOWN_LABELS for c in labels)
    known = [c["code"] for c in labels if c["system"].startswith(OURS) and c["code"] in KNOWN_LABELS]
    marked = bool(set(marks) & set(record["marks"]))
    if how == GRANTS:
        level = any(own <= plain.RANK.index(listed) for listed in levels)
        word = (not marks or marked) and (not labels or any(plain.label_permits(k, atom) for k in known))
    else:
        level = any(own >= plain.RANK.index(listed) for listed in levels)
        word = (
            marked
            or (strange and how == MAY_DENY)
            or (atom is not None and any(plain.label_denies(k, atom) for k in known))
        )
    return (not levels or level) and (not words or word)


def dated(period, record, how, reading):
    if reading == "clinical":
        return plain.dated(period, record, how)
    body = record["body"]
    text = next((body[n] for n in ("recordedDate", "issued", "authoredOn") if n in body), None)
    text = text or body.get("meta", {}).get("lastUpdated")
    if text is None:
        return how == MAY_DENY
    start, end = bounds(period)
    first, after = (day.timestamp() for day in day_span(text))
    return (start <= first and after <= end) if how == GRANTS else (first < end and after > start)


def kinds(consent):
    uris = [p["uri"] for p in consent.get("policy", [])]
    special = ("part2", "authorization", "hmis", "victim-services", "research")
    found = {kind for kind in special for uri in uris if uri.endswith(f"/policy/{kind}")}
    if found:
        return found
    return {"unclassified"} if any(uri.endswith("/policy/other") for uri in uris) else {"general"}


def giver(consent, born):
    """Who gave it; somebody of age, where it is not said, himself."""
    people = [p["reference"] for p in consent.get("performer", [])]
    if consent["patient"]["reference"] in people:
        return "self"
    if any(p.startswith(("Patient/", "RelatedPerson/")) for p in people):
        return "other"
    return "self" if born and day_span(consent["dateTime"])[0] >= of_age(born) else ""


def of_age(born):
    year, rest = born.split("-", 1)
    return day_span(f"{int(year) + 18}-{rest}")[0]


def standing(consents, born):
    """Those nothing newer of the same kind takes the place of, in groups signed at the same moment."""
    groups = {}
    for one in consents:
        groups.setdefault(same_kind(one), []).append(one)
    for members in groups.values():
        signed = {id(one): day_span(one["dateTime"])[0] for one in members}
        last = max(signed.values())
        firm = [signed[id(one)] for one in members if giver(one, born) != "other"]
        moments = {}
        for one in members:
            newest_own = giver(one, born) == "self" and signed[id(one)] == max(firm)
            if signed[id(one)] == last or newest_own:
                moments.setdefault(signed[id(one)], []).append(one)
        yield from moments.values()


def same_kind(one):
    return (
        one["patient"]["reference"],
        tuple(sorted(o["reference"] for o in one.get("organization", []))),
        tuple(sorted(p["uri"] for p in one.get("policy", []))),
        tuple(sorted(c["coding"][0]["code"] for c in one["category"])),
        scope(one),
    )


def heard(consents, asked, record, atom):
    """(answer, kinds, what each said) of each group: the most restrictive of those signed together."""
    binding = [c for c in consents if c["status"] == "active" and scope(c) in ("patient-privacy", "research")]
    for group in standing(binding, asked["born"]):
        said = []
        for one in group:
            research = scope(one) == "research" and asked["purpose"] != "HRESCH"
            silent = research or elsewhere(one, record)
            said.append((("NA", 0, False) if silent else answer(one, asked, record, atom), one))
        order = ["DENY", "UNCOVERED", "NA", "PERMIT"]
        least = min((found[0] for found, _ in said), key=order.index)
        yield least, kinds(group[0]), said


def scope(consent):
    return consent["scope"]["coding"][0]["code"]


def elsewhere(consent, record):
    named_ones = [o["reference"] for o in consent.get("organization", [])]
    base = consent.get("provision", {}).get("type") or plain.base_of(consent.get("policyRule"))
    own = f"Organization/{record['source']}"
    return kinds(consent) <= ONLY_SOURCE and base == "permit" and bool(named_ones) and own not in named_ones


def one_atom(consents, asked, record, atom, law):
    if law["prohibited"]:
        return False
    if law["released"]:
        return True
    said = list(heard(consents, asked, record, atom))
    lifted = law["lifts"]
    if any(f == "DENY" and not (lifted is not None and k <= lifted) for f, k, _ in said):
        return False
    if law["emergency"]:
        return asked["purpose"] == "BTG"
    own = f"Organization/{record['source']}"
    permits = [
        ({kind for kind in k if ONLY_LABELLED.get(kind, kind) in {kind, *record["marks"]}}, each)
        for f, k, each in said
        if f == "PERMIT"
        and not asked["uncertain"]
        and not any(ended(one, asked) for _, one in each)
        and (not k & ONLY_SOURCE or own in [o["reference"] for o in each[0][1].get("organization", [])])
        and (not law["own"] or all(giver(one, asked["born"]) == "self" for _, one in each))
    ]
    if law["required"]:
        return all(
            any(all(fits(f, k, one, needed) for f, one in each) for k, each in permits)
            for needed in law["required"]
        )
    if any((asked["who"] == "exchange" and k - {"unclassified"}) or k & OPENS for k, _ in permits):
        return True
    if any(f == "UNCOVERED" and k & LIMITS for f, k, _ in said):
        return False
    return law["allowed"]


def ended(consent, asked):
    """Perhaps given for somebody who was a minor then and is none now, or by others at an unknown age."""
    by = giver(consent, asked["born"])
    if by == "self" or asked["born"] is None:
        return by == "other"
    return day_span(consent["dateTime"])[0] < of_age(asked["born"]) <= asked["at"]


def fits(found, spoken, consent, needed):
    domains, must_name, must_be_written, must_end = needed
    return (
        bool(spoken & domains)
        and (not must_name or found[1] > 0)
        and (not must_be_written or "sourceReference" in consent)
        and (not must_end or found[2])
    )
