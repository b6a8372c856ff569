"""The code lists against the tree of ICD-10-CM, and against what is wrong with the lists others published."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.consent.icd10cm import leaves

LISTS = Path(__file__).parents[2] / "consent/labels"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def rows(system):
    for path in sorted(LISTS.glob("*.csv")):
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        yield from (row for row in csv.DictReader(lines) if row["system"] == system)


def labels_of(rules, system, code):
    return {hit.label for hit in rules.lists.of_code(system, code) or () if hit.strength != "never"}


def test_every_whole_icd_code_is_one_a_claim_may_carry():
    exact = {row["value"] for row in rows(ICD) if row["match"] == "exact" and "WHO" not in row["source"]}
    assert exact - set(leaves()) == set()


def test_every_icd_prefix_stands_above_a_code():
    american = (row for row in rows(ICD) if row["match"] == "prefix" and "WHO" not in row["source"])
    prefixes = sorted({row["value"] for row in american})
    assert [prefix for prefix in prefixes if not any(leaf.startswith(prefix) for leaf in leaves())] == []


@pytest.mark.parametrize(
    ("family", "reached"),
    [("F10", "ETHUD"), ("F11", "OPIOIDUD"), ("F13", "SUD"), ("F19", "SUD"), ("B20", "HIV"), ("T74", "SDV")],
)
def test_no_leaf_of_a_family_is_missing_as_in_lists_that_enumerate(rules, family, reached):
    below = [leaf for leaf in leaves() if leaf.startswith(family)]
    assert below
    assert [leaf for leaf in below if reached not in labels_of(rules, ICD, leaf)] == []


@pytest.mark.parametrize("leaf", ["F1011", "F10130", "F1090", "F1091", "F10930"])
def test_leaves_that_the_public_lists_lack_are_there(rules, leaf):
    assert leaf in leaves() or any(code.startswith(leaf) for code in leaves())
    assert labels_of(rules, ICD, leaf) == {"ETHUD"}


@pytest.mark.parametrize("code", ["B21", "B22.7", "B23.8", "B24"])
def test_what_the_world_calls_hiv_disease_is_found_in_its_own_edition(rules, code):
    """ICD-10-CM has B20 alone."""
    assert labels_of(rules, "http://hl7.org/fhir/sid/icd-10", code) == {"HIV"}


def test_tobacco_is_labelled_by_nothing(rules):
    assert {leaf for leaf in leaves() if leaf.startswith("F17") and labels_of(rules, ICD, leaf)} == set()


def test_codes_of_other_editions_are_not_listed():
    listed = {row["value"] for row in rows(ICD)}
    assert {value for value in listed if value.startswith(("Z864", "Y91"))} == set()


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (LOINC, "2339-0"),  # glucose
        (LOINC, "718-7"),  # haemoglobin
        (LOINC, "6690-2"),  # leukocytes
        (LOINC, "789-8"),  # erythrocytes
        (RXNORM, "281"),  # acyclovir
        (RXNORM, "1049621"),  # oxycodone
        (RXNORM, "835603"),  # tramadol
        (RXNORM, "245134"),  # fentanyl patch
        (ICD, "Z87891"),  # history of tobacco
        (ICD, "E119"),
    ],
)
def test_what_public_lists_wrongly_call_sensitive_is_not(rules, system, code):
    assert labels_of(rules, system, code) == set()


def test_sex_reassignment_is_no_drug_history(rules):
    assert labels_of(rules, ICD, "Z87890") == {"GENDER"}


def test_no_loinc_part_and_no_number_a_spreadsheet_destroyed_is_listed():
    for path in LISTS.glob("*.csv"):
        for row in csv.DictReader(x for x in path.read_text("utf-8").splitlines() if not x.startswith("#")):
            if row["match"] in ("exact", "prefix"):
                assert not row["value"].startswith("LP")
                assert "E+" not in row["value"]
                assert row["value"] == row["value"].strip()


@pytest.mark.parametrize(
    ("system", "code"),
    [("urn:oid:2.16.840.1.113883.6.90", "f11.20 "), (ICD, " F11.20"), (ICD, "F1120")],
)
def test_a_code_is_found_however_it_is_written(rules, system, code):
    assert labels_of(rules, system, code) == {"OPIOIDUD"}


def test_every_hiv_row_has_a_kind_of_code_the_public_set_lacks():
    kinds = {
        row["system"] for system in (ICD, LOINC, RXNORM) for row in rows(system) if row["label"] == "HIV"
    }
    assert {ICD, LOINC} <= kinds
