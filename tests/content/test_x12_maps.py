"""Claims and remittances become FHIR, with the labels their codes and their program give."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.app import content
from exchange.consent.labels.labelling import Source, label_all
from exchange.formats import split
from exchange.mapping import map_record
from exchange.mapping.coverage import lost, positions, unread
from exchange.mapping.load import observed_maps
from exchange.model.records import Document, Mapped
from exchange.settings import load_settings
from tests.content.mapping import codes, errors, maps_of, of_type, the

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "mappings/county_health/samples/claims"


def claims(name: str, *changes: tuple[str, str]) -> list[Mapped]:
    """What each record of a sample becomes, after changes of its text."""
    text = (SAMPLES / name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    maps = maps_of("county_health")
    found = split(Document("claims", name, text.encode()), maps.partner.feeds["claims"], maps.partner)
    return [map_record(piece, maps) for piece in found if not hasattr(piece, "issue")]


@pytest.fixture(scope="module")
def rules():
    return content(load_settings({"EXCHANGE_HOME": str(ROOT)}))[2].rules


def labels(found: Mapped, rules, **program) -> dict[str, set[str]]:
    """Labels by resource type; of several of a type, of all of them together."""
    source = Source("county_health", "public-health", program.get("part2", False), "claims")
    together: dict[str, set[str]] = {}
    for resource, given in zip(found.resources, label_all(found.resources, source, rules, {}), strict=True):
        together.setdefault(resource["resourceType"], set()).update(given.codes)
    return together


def test_a_professional_claim_is_an_encounter_with_diagnoses_procedures_coverage_and_the_claim():
    found = claims("professional.x12")[0]
    claim = the(found, "Claim")
    assert sorted(codes(c["code"])[0] for c in of_type(found, "Condition")) == ["F11.20", "Z59.0"]
    assert codes(the(found, "Encounter")["type"][0]) == ["99213"]
    assert [codes(p["code"]) for p in of_type(found, "Procedure")] == [["H0020"], ["G0480"]]
    assert [line["diagnosisSequence"] for line in claim["item"]] == [[1, 2], [1], [1]]
    assert claim["total"] == {"value": 235, "currency": "USD"}
    assert codes(the(found, "Coverage")["type"]) == ["2", "MC"]
    assert errors(found) == []


def test_the_group_of_a_coverage_is_a_class_of_it():
    text = (SAMPLES / "professional.x12").read_text()
    old = text[text.index("SBR*") : text.index("~", text.index("SBR*"))]
    parts = [*old.split("*"), *[""] * 9][:10]
    parts[3:5] = ["G77", "Mill workers"]
    coverage = the(claims("professional.x12", (old, "*".join(parts)))[0], "Coverage")
    assert [(codes(each["type"]), each["value"], each["name"]) for each in coverage["class"]] == [
        (["group"], "G77", "Mill workers")
    ]


def test_the_patient_of_a_claim_is_the_dependent_where_there_is_one():
    found = claims("professional.x12")[1]
    assert the(found, "Patient")["name"][0]["given"] == ["Eli"]
    assert codes(of_type(found, "Coverage")[0]["relationship"]) == ["child", "19"]
    assert the(found, "Claim")["related"][0]["reference"]["value"] == "GL-88110"
    assert errors(found) == []


def test_two_of_a_family_under_one_member_number_are_two_patients():
    one = the(claims("professional.x12")[0], "Patient")
    other = the(claims("professional.x12", ("DELGADO*ROSA", "DELGADO*JUAN"))[0], "Patient")
    assert one["id"] != other["id"]


def test_a_claim_taken_back_is_cancelled_and_tells_of_no_care():
    found = claims("professional.x12", ("235***11:B:1", "235***11:B:8"))[0]
    assert the(found, "Claim")["status"] == "cancelled"
    assert of_type(found, "Encounter") + of_type(found, "Condition") + of_type(found, "Procedure") == []


def test_an_institutional_claim_tells_the_stay_and_what_was_only_suspected():
    (found,) = claims("institutional.x12")
    encounter = the(found, "Encounter")
    assert (encounter["class"]["code"], encounter["period"]) == (
        "IMP",
        {"start": "2026-10-20", "end": "2026-10-24"},
    )
    suspected = [c for c in of_type(found, "Condition") if "verificationStatus" in c]
    assert [codes(c["code"]) for c in suspected] == [["R06.02"]]
    assert [codes(p["code"]) for p in of_type(found, "Procedure")] == [["0BH17EZ"]]
    assert the(found, "Claim")["item"][2]["revenue"]["coding"][0]["code"] == "0250"
    assert errors(found) == []


def test_a_remittance_is_an_explanation_of_benefit_whose_lines_add_up():
    found, reversal = claims("remittance.x12")
    benefit = the(found, "ExplanationOfBenefit")
    for line in benefit["item"]:
        amounts = {}
        for each in line["adjudication"]:
            amounts.setdefault(each["category"]["coding"][0]["code"], []).append(
                each.get("amount", {}).get("value", 0)
            )
        assert amounts["submitted"][0] == pytest.approx(
            amounts["benefit"][0] + sum(amounts.get("CO", [])) + sum(amounts.get("PR", []))
        )
    assert benefit["payment"]["amount"]["value"] == 152.4
    assert found.conditional == {
        f"{r['resourceType']}/{r['id']}"
        for r in found.resources
        if r["resourceType"] in ("Patient", "Coverage")
    }
    assert the(reversal, "ExplanationOfBenefit")["status"] == "cancelled"
    assert errors(found) == []


def test_the_patient_of_a_remittance_is_the_patient_of_its_claim():
    assert (
        the(claims("remittance.x12")[0], "Patient")["id"]
        == the(claims("professional.x12")[0], "Patient")["id"]
    )


def test_codes_of_a_claim_label_everything_that_tells_them(rules):
    given = labels(claims("professional.x12")[0], rules)
    assert {"SUD", "OPIOIDUD"} <= given["Claim"]
    assert all("OPIOIDUD" in given[kind] for kind in ("Encounter", "Condition", "Procedure"))
    assert given["Coverage"] == given["Patient"] == set()
    paid = labels(claims("remittance.x12")[0], rules)
    assert {"SUD", "OPIOIDUD"} <= paid["ExplanationOfBenefit"]


@pytest.mark.parametrize(
    ("old", "new", "label"),
    [
        ("ABF:F329", "ABF:I251", None),
        ("*65~", "*01~", "MH"),
        ("HC:85025", "HC:86703", "HIV"),
        ("SV2*0120", "SV2*0126", "SUD"),
        ("ABK:J189", "ABK:B20", "HIV"),
    ],
)
def test_each_kind_of_code_of_an_institutional_claim_counts(old, new, label, rules):
    plain = [("ABF:F329", "ABF:I251"), ("*65~", "*01~")]
    changes = [(a, b) for a, b in plain if a != old] if label != "MH" else []
    given = labels(claims("institutional.x12", *changes, (old, new))[0], rules)["Claim"]
    assert given == ({label} if label else set())


def test_the_modifier_of_a_program_alone_tells_the_program(rules):
    changes = [("ABK:F1120*ABF:Z590", "ABK:Z0000"), ("HC:H0020:HG", "HC:99214:HF"), ("HC:G0480", "HC:36415")]
    taxonomy = ("207QA0401X", "207Q00000X")
    assert labels(claims("professional.x12", *changes, taxonomy)[0], rules)["Claim"] == {"SUD"}
    unmarked = labels(claims("professional.x12", *changes, taxonomy, (":HF", ""))[0], rules)
    assert unmarked["Claim"] == set()


def test_every_claim_of_a_substance_use_program_follows_the_program(rules):
    changes = [("ABK:F1120*ABF:Z590", "ABK:Z0000"), ("HC:H0020:HG", "HC:99214"), ("HC:G0480", "HC:36415")]
    found = claims("professional.x12", *changes, ("207QA0401X", "207Q00000X"))[0]
    given = labels(found, rules, part2=True)
    assert all(
        "42CFRPart2" in given[kind] for kind in ("Patient", "Claim", "Coverage", "Encounter", "Condition")
    )


def test_condition_occurrence_and_value_codes_are_information_of_the_claim():
    claim = the(claims("institutional.x12")[0], "Claim")
    told = {
        codes(each["code"])[0]: each for each in claim["supportingInfo"] if "coding" in each.get("code", {})
    }
    assert told["02"]["code"]["coding"][0]["system"] == "https://www.nubc.org/CodeSystem/ConditionCodes"
    assert told["11"]["timingDate"] == "2026-10-19"
    assert told["70"]["timingPeriod"] == {"start": "2026-10-20", "end": "2026-10-23"}
    assert told["01"]["valueQuantity"] == {"value": 450}
    assert len({each["sequence"] for each in claim["supportingInfo"]}) == len(claim["supportingInfo"])


def test_a_code_of_a_kind_that_no_row_knows_is_kept_by_its_qualifier():
    found = claims("institutional.x12", ("HI*BG:02*BG:C5~", "HI*TC:A1*BP:00840~"))[0]
    texts = [
        each["code"]["text"]
        for each in the(found, "Claim")["supportingInfo"]
        if "text" in each.get("code", {})
    ]
    assert texts == ["HI TC A1", "HI BP 00840"]
    assert errors(found) == []


def test_an_adjustment_of_the_provider_belongs_to_no_patient_and_is_told_as_never_read():
    maps = maps_of("county_health")
    text = (SAMPLES / "remittance.x12").read_bytes()
    piece = next(iter(split(Document("claims", "r.x12", text), maps.partner.feeds["claims"], maps.partner)))
    assert "PLB.PLB03-1" in unread(positions(piece, observed_maps(maps)))


def test_a_condition_code_labels_the_claim_that_tells_it(rules):
    plain = [("ABF:F329", "ABF:I251"), ("*65~", "*01~")]
    told = labels(claims("institutional.x12", *plain, ("BG:C5", "BG:AA"))[0], rules)["Claim"]
    assert told == {"SEX", "SDV"}


def test_a_claim_the_patient_pays_is_kept_from_the_health_plan_with_all_it_is_about(rules):
    """45 CFR 164.522(a)(1)(vi): claim filing indicator 09, self-pay."""
    found = claims("professional.x12", ("*MC~", "*09~"))[0]
    paid = {kind for kind, codes in labels(found, rules).items() if "HIPAASelfPay" in codes}
    assert {"Coverage", "Claim"} <= paid
    assert "Patient" not in paid
    insured = labels(claims("professional.x12")[0], rules)
    assert not any("HIPAASelfPay" in codes for codes in insured.values())


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("TE*2175550100*EX*12", [("phone", "2175550100", "12")]),
        ("TE*2175550100*FX*2175550101*EX*9", [("phone", "2175550100", ""), ("fax", "2175550101", "9")]),
        ("TE*1*EM*a@b.example*FX*2", [("phone", "1", ""), ("email", "a@b.example", ""), ("fax", "2", "")]),
        ("HP*2175550100", [("other", "2175550100", "")]),
    ],
)
def test_an_extension_belongs_to_the_number_before_it(sent, told):
    tax = "REF*EI*376000001~"
    found = claims("professional.x12", (tax, f"{tax}PER*IC*DESK*{sent}~"), ("SE*69*", "SE*70*"))[0]
    (office,) = [each for each in of_type(found, "Organization") if "telecom" in each]
    assert [
        (each["system"], each["value"], each.get("extension", [{"valueString": ""}])[0]["valueString"])
        for each in office["telecom"]
    ] == told
    assert errors(found) == []


def test_a_payer_may_correct_number_and_name_of_the_patient():
    given = "NM1*QC*1*DELGADO*ROSA*M***MI*IL300200100~"
    found = claims(
        "remittance.x12", (given, f"{given}NM1*74*1*DELGADO-RUIZ*****C*IL300200199~"), ("SE*29*", "SE*30*")
    )[0]
    patient = the(found, "Patient")
    assert [each["value"] for each in patient["identifier"]] == ["IL300200100", "IL300200199"]
    assert [each["family"] for each in patient["name"]] == ["Delgado", "Delgado-Ruiz"]
    assert errors(found) == []


def test_the_envelope_and_qualifiers_of_a_claim_are_no_clinical_content():
    maps = maps_of("county_health")
    text = (SAMPLES / "professional.x12").read_text()
    observed = observed_maps(maps)
    pieces = split(Document("claims", "c.x12", text.encode()), maps.partner.feeds["claims"], maps.partner)
    held = [each for piece in pieces if not hasattr(piece, "issue") for each in positions(piece, observed)]
    assert "ISA.ISA06" in unread(held)
    assert [name for name in lost(held) if name.startswith(("ISA", "GS", "ST", "BHT", "L1000"))] == []
    assert {"L2300.HI.HI01-2", "L2300.CLM.CLM02"} <= {each.name for each in held if each.clinical}


def test_a_line_keeps_its_note_its_words_and_that_it_was_an_emergency():
    noted = "SV1*HC:H0020:HG::::Dose in the van*75*UN*1***1**Y~\nNTE*ADD*Given at the door~"
    found = claims("professional.x12", ("SV1*HC:H0020:HG*75*UN*1***1~", noted))[0]
    claim = the(found, "Claim")

    (note,) = [each for each in claim["supportingInfo"] if "valueString" in each]
    assert note["valueString"] == "Given at the door"
    assert [line.get("informationSequence") for line in claim["item"]] == [None, [note["sequence"]], None]
    assert claim["item"][1]["productOrService"]["text"] == "Dose in the van"
    assert "Dose in the van" in [each["code"].get("text") for each in of_type(found, "Procedure")]
    assert codes(the(found, "Encounter")["priority"]) == ["EM"]
    assert errors(found) == []


def test_the_member_number_of_each_other_coverage_is_that_of_its_own_payer():
    second = "SBR*{}*18*******CI~\nNM1*IL*1*DOE*JO****MI*{}~\nNM1*PR*2*P*****PI*{}~\n"
    line = "LX*1~\nSV1*HC:99213:25*"
    found = claims(
        "professional.x12", (line, second.format("S", "M1", "AAA") + second.format("T", "M2", "BBB") + line)
    )[0]
    others = {each["subscriberId"]: each for each in of_type(found, "Coverage")}
    systems = [others[number]["identifier"][0]["system"].rpartition("/")[2] for number in ("M1", "M2")]
    assert [each.upper() for each in systems] == ["AAA", "BBB"]
