"""How well labels are found, and what only looks sensitive left alone; docs/consent.md says the numbers."""

import csv
from collections import Counter
from pathlib import Path

from exchange.consent import Source, label

GOLD = Path(__file__).with_name("gold.csv")
PAGE = Path(__file__).parents[2] / "docs/consent.md"
SOMEWHERE = Source("anybody", "clinic", False, "resources")
SYSTEMS = {
    "icd10": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "hcpcs": "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "nucc": "http://nucc.org/provider-taxonomy",
    "pos": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
    "revenue": "https://www.nubc.org/CodeSystem/RevenueCodes",
}
FAMILY = {"ETHUD": "SUD", "OPIOIDUD": "SUD", "PSY": "MH"}


def rows():
    lines = [line for line in GOLD.read_text("utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def resource(row):
    coding = {"system": SYSTEMS[row["system"]], "code": row["code"]} if row["system"] else None
    concept = {"coding": [coding]} if coding else {}
    if row["text"]:
        concept = {**concept, "text": row["text"]}
    nested = row["kind"] in ("FamilyMemberHistory", "Claim")
    inner = (
        {"code": concept} if row["kind"] == "FamilyMemberHistory" else {"locationCodeableConcept": concept}
    )
    return {"resourceType": row["kind"], "id": "g", row["where"]: [inner] if nested else concept}


def measured(rules):
    """Hits, misses and false labels by label; the kinds of one disorder count as that disorder."""
    hit, missed, wrong = Counter(), Counter(), Counter()
    for row in rows():
        wanted = {FAMILY.get(code, code) for code in row["labels"].split()}
        given = {FAMILY.get(code, code) for code in label(resource(row), SOMEWHERE, rules).codes}
        hit.update(wanted & given)
        missed.update(wanted - given)
        wrong.update(given - wanted)
    return hit, missed, wrong


def test_the_page_says_how_well_labels_are_found(rules):
    hit, missed, wrong = measured(rules)
    lines = [
        f"| {code} | {hit[code] + missed[code]} | {hit[code] / (hit[code] + wrong[code] or 1):.2f}"
        f" | {hit[code] / (hit[code] + missed[code] or 1):.2f} |"
        for code in sorted(hit | missed | wrong)
    ]
    page = PAGE.read_text("utf-8")
    assert [line for line in lines if line not in page] == []


def test_nothing_harmless_is_labelled_and_little_is_missed(rules):
    hit, missed, wrong = measured(rules)
    assert dict(wrong) == {}
    assert sum(hit.values()) / (sum(hit.values()) + sum(missed.values())) >= 0.97


def test_the_set_holds_much_that_only_looks_sensitive():
    assert sum(not row["labels"] for row in rows()) >= 25
