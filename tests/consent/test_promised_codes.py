"""The code lists against what they have to find, and which of their rows something here would miss."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from exchange.consent.rules.codelists import normal_code
from tests.consent.icd10cm import leaves

HERE = Path(__file__).parent
SYSTEMS = {
    "icd10": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "hcpcs": "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "nucc": "http://nucc.org/provider-taxonomy",
    "snomed": "http://snomed.info/sct",
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "revenue": "https://www.nubc.org/CodeSystem/RevenueCodes",
    "condition": "https://www.nubc.org/CodeSystem/ConditionCodes",
    "discharge": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
    "pos": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
    "bill": "https://www.nubc.org/CodeSystem/TypeOfBill",
    "sdoh": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
    "drg": "http://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS"
    "/MS-DRG-Classifications-and-Software",
}
WITHIN = {"ETHUD": "SUD", "OPIOIDUD": "SUD", "PSY": "MH", "PSYTHPN": "MH"}
"""A narrower label is as good where the broader one is asked for."""
_STRETCH = re.compile(r"([A-Z]*)(\d+)([A-Z]*)-([A-Z]*)(\d+)([A-Z]*)")


def spelled(word: str, system: str) -> Iterator[str]:
    stretch = None if system in ("loinc", "sdoh") else _STRETCH.fullmatch(word)
    if word.endswith("*"):
        yield from (leaf for leaf in leaves() if leaf.startswith(word[:-1]))
    elif stretch:
        head, first, tail, _, last, _ = stretch.groups()
        yield from (f"{head}{n:0{len(first)}}{tail}" for n in range(int(first), int(last) + 1))
    else:
        yield word


LINES = [
    line.split()
    for line in (HERE / "promised_codes.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@cache
def promises() -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (label, strength, system, code)
        for label, strength, system, *words in LINES
        for word in words
        for code in spelled(word, system)
    )


def covered(hits, label, strength):
    reached = {hit.label for hit in hits if strength in ("any", hit.strength)}
    return bool(reached & {label, *(low for low, high in WITHIN.items() if high == label)})


def test_every_line_names_codes():
    assert len(promises()) > 1_000
    assert Counter(label for label, *_ in promises()).keys() >= {
        "SUD",
        "MH",
        "HIV",
        "STD",
        "SDV",
        "SEX",
        "GDIS",
    }


@pytest.mark.parametrize("label", sorted({label for label, *_ in LINES}))
def test_what_the_lists_have_to_find_is_found(rules, label):
    missed = [
        (strength, system, code)
        for asked, strength, system, code in promises()
        if asked == label
        and covered(rules.lists.of_code(SYSTEMS[system], code) or (), label, strength) == (strength == "none")
    ]
    assert missed == []


def test_no_row_is_weaker_or_says_something_else_than_was_meant(rules):
    """A code that is promised with `any` strength is found as context too, which gives no label by itself."""
    lines = (HERE / "promised_strengths.txt").read_text("utf-8").splitlines()
    meant = [line for line in lines if not line.startswith("#")]
    counted: Counter[tuple[str, str, str]] = Counter()
    for path in sorted((HERE.parents[1] / "consent/labels").glob("*.csv")):
        rows = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        counted.update((path.stem, row["label"], row["strength"]) for row in csv.DictReader(rows))
    assert sorted(f"{' '.join(kind)} {number}" for kind, number in counted.items()) == sorted(meant)


GAPS = (
    "numbers of the stretch that no edition has given out, so that a new one is protected from its first day"
)
REASONED = {
    ("labels/genetic-and-place.csv", SYSTEMS["cpt"]): GAPS,
    ("labels/mental-health.csv", SYSTEMS["cpt"]): GAPS,
    ("labels/reproductive.csv", SYSTEMS["cpt"]): GAPS,
    ("labels/substance-use.csv", SYSTEMS["rxnorm"]): "products, whose display is found by its words as well",
    (
        "labels/substance-use.csv",
        SYSTEMS["icd10"],
    ): "heads of a family all of whose codes are named or left out",
    ("labels/mental-health.csv", SYSTEMS["icd10"]): "families that ICD-10-CM does not have and the WHO's has",
    ("labels/hmis.csv", "elements"): "elements of the exchange's own map: tests/content/test_housing_maps.py",
}


def asked_codes() -> set[tuple[str, str]]:
    """Every code that the promises, the cases and the gold set ask about."""
    found = {(SYSTEMS[system], code) for _, _, system, code in promises()}
    stack = [yaml.safe_load((HERE.parents[1] / "consent/cases/70-labels.yaml").read_text("utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get("system"), str) and "code" in node:
                found.add((node["system"], str(node["code"])))
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    gold = [line for line in (HERE / "gold.csv").read_text("utf-8").splitlines() if not line.startswith("#")]
    named = [(SYSTEMS.get(row["system"]), row["code"]) for row in csv.DictReader(gold)]
    return found | {(system, code) for system, code in named if system}


def rows_above(lists, uri, code):
    """The hits of the rows that may speak of a code, the most telling first."""
    if exact := lists.exact.get((uri, code)):
        return [exact]
    by_length = sorted(lists.prefixes.get(uri, {}).items(), reverse=True)
    return [hits for length, of in by_length if len(code) >= length and (hits := of.get(code[:length]))]


def told(groups, without=""):
    """Labels, as of_code() reads them, with one row taken away."""
    found = set()
    for hits in ([hit for hit in group if hit.row != without] for group in groups):
        if any(hit.strength == "never" for hit in hits):
            break
        found |= {hit.label for hit in hits}
    return found


def test_a_row_nobody_would_miss_is_of_a_kind_that_is_reasoned(rules):
    lists = rules.lists
    missed = set()
    for system, written in asked_codes():
        known = lists.system_called(system)
        groups = rows_above(lists, known.uri, normal_code(written, known)) if known else []
        whole = told(groups)
        missed |= {h.row for group in groups for h in group if told(groups, h.row) != whole}
    every = {hit.row: uri for (uri, _), hits in lists.exact.items() for hit in hits}
    for uri, by_length in lists.prefixes.items():
        every |= {hit.row: uri for of in by_length.values() for hits in of.values() for hit in hits}
    idle = Counter((row.partition(":")[0], uri) for row, uri in every.items() if row not in missed)
    kinds = {
        (file, "elements" if "mosaic-exchange" in uri else uri): number
        for (file, uri), number in idle.items()
    }
    assert kinds.keys() <= REASONED.keys()
    assert sum(kinds.values()) < 190 < len(every) / 7
