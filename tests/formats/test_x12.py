"""Claims and remittances out of X12 interchanges; what is broken is told with its segment."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.formats import Rejected, split
from exchange.model.partner import Feed, Partner
from exchange.model.records import Document

SAMPLES = Path(__file__).parents[2] / "mappings/county_health/samples/claims"
PARTNER = Partner.model_validate(
    {
        "code": "maple_clinic",
        "namespace": "https://maple.example/",
        "organization": {"name": "Maple", "type": "clinic"},
        "agreement": {"type": "participation", "signed": "2026-01-01"},
        "connector": {"type": "folder", "options": {"path": "/files"}},
        "feeds": {"claims": {"format": "x12", "map": "x"}},
    }
)
HEAD = (
    "ISA*00*          *00*          *ZZ*A              *ZZ*B              "
    "*261103*0930*^*00501*000000101*0*P*:~"
    "GS*HC*A*B*20261103*0930*1*X*005010X222A1~"
)
TOP = "BHT*0019*00*B1*20261103*0930*CH~HL*1**20*1~NM1*85*2*CLINIC*****XX*1999999943~"
SUBSCRIBER = "HL*{own}*1*22*0~SBR*P*18*******MC~NM1*IL*1*DOE*{given}****MI*{member}~"


def pieces(text: str | bytes, **feed):
    payload = text if isinstance(text, bytes) else text.encode()
    return list(split(Document("claims", "file", payload), Feed(format="x12", map="x", **feed), PARTNER))


def interchange(*bodies: str, counted: int | None = None, head: str = HEAD) -> str:
    sets = ""
    for number, body in enumerate(bodies, start=1):
        size = counted or body.count("~") + 2
        sets += f"ST*837*{number:04}*005010X222A1~{body}SE*{size}*{number:04}~"
    return f"{head}{sets}GE*{len(bodies)}*1~IEA*1*000000101~"


def claim(number: str = "C1", own: int = 2, member: str = "M1") -> str:
    return f"{SUBSCRIBER.format(own=own, given='ANN', member=member)}CLM*{number}*10***11:B:1~HI*ABK:I10~"


def told(found) -> list[tuple[str, str]]:
    return [(p.issue.detail, p.issue.position) for p in found if isinstance(p, Rejected)]


def test_each_claim_is_a_record_with_the_loops_it_hangs_on():
    found = pieces(interchange(TOP + claim("C1") + claim("C2", 3, "M2")))
    bodies = [orjson.loads(record.payload) for record in found]
    assert [record.key for record in found] == ["837P|1999999943|C1|M1", "837P|1999999943|C2|M2"]
    assert [body["L2000B"]["L2010BA"]["NM1"]["NM109"] for body in bodies] == ["M1", "M2"]
    assert found[0].event_time is not None
    assert "ISA02" not in bodies[0]["ISA"]


def test_a_claim_stands_under_the_subscriber_its_level_names_and_not_the_last_one():
    dependent = "HL*4*2*23*0~PAT*19~NM1*QC*1*DOE*KIM~CLM*C3*5***11:B:1~"
    found = pieces(interchange(TOP + claim("C1") + claim("C2", 3, "M2") + dependent))
    body = orjson.loads(found[-1].payload)
    assert body["L2000B"]["L2010BA"]["NM1"]["NM109"] == "M1"
    assert body["L2000C"]["L2010CA"]["NM1"]["NM104"] == "KIM"


def test_a_claim_under_a_level_that_is_not_there_is_nobodys():
    found = pieces(interchange(TOP + claim().replace("HL*2*1*", "HL*2*9*") + claim("C2", 3, "M2")))
    assert told(found) == [("HL02 names no level above this one", "file segment 10")]
    assert found[1].key.endswith("C2|M2")


def test_codes_and_adjustments_are_spread_out_and_numbered_as_lines_point_to_them():
    text = claim().replace("HI*ABK:I10~", "HI*ABJ:R05~HI*ABK:I10*ABF:E119~LX*1~SV1*HC:99213*9*UN*1***2:1~")
    (found,) = pieces(interchange(TOP + text))
    codes = orjson.loads(found.payload)["L2300"]["HI"]
    assert [(code["HI01-2"], code["ordinal"]) for code in codes] == [("I10", 1), ("E119", 2), ("R05", 3)]
    paid = orjson.loads(pieces((SAMPLES / "remittance.x12").read_text())[0].payload)
    assert [(each["CAS02"], each["CAS03"]) for each in paid["L2100"]["CAS"]] == [
        ("45", "22.6"),
        ("253", "50"),
    ]


GOOD = interchange(TOP + claim())
FEWER = "SE01 does not say 10, the number of segments: it says fewer, so nothing is missing"
NAMELESS = "segment 11 has no name a segment can have"
NO_ISA = "ISA is not one of its fixed 106 characters and of version 00401 or 00501"
NO_LEVEL = "HL02 names no level above this one"


@pytest.mark.parametrize(
    ("text", "detail", "position"),
    [
        (GOOD.replace("SE*10*", "SE*11*"), "SE01 does not say 10, the number of segments", "segment 3"),
        (GOOD.replace("SE*10*", "SE*X*"), "SE01 does not say 10, the number of segments", "segment 3"),
        (interchange(TOP + claim(), counted=4), FEWER, "segment 12"),
        (GOOD.replace("GE*1*", "GE*2*"), "GE01 does not say 1, the number of transaction sets", "segment 13"),
        (
            GOOD.replace("IEA*1*", "IEA*3*"),
            "IEA01 does not say 1, the number of functional groups",
            "segment 14",
        ),
        (GOOD.split("SE*")[0], "the transaction set has no SE: it was cut off", "segment 3"),
        (interchange(TOP + claim("")), "a claim needs a number", "segment 10"),
        (interchange(TOP), "the transaction set holds no claim", "segment 3"),
        (GOOD.replace("ST*837", "ST*270"), "transaction set 270 is not mapped", "segment 3"),
        (GOOD.replace("SE*10*0001", "SE*10*0009"), "SE02 is not ST02", "segment 3"),
        (GOOD.replace("HI*", "H I*"), NAMELESS, "segment 10"),
        (interchange(claim().replace("*1*22", "**22")), NO_LEVEL, "segment 7"),
        (GOOD.replace("00501*", "00200*"), NO_ISA, "segment 1"),
        ("x" + GOOD, "an X12 document starts with an ISA segment", "segment 1"),
        (GOOD.split("GE*")[0], "here the interchange cannot be read any further", "segment 13"),
        (GOOD.split("ST*")[0], "here the interchange cannot be read any further", "segment 3"),
        (GOOD.replace("GE*1", "CLM*7~GE*1"), "a segment outside of any transaction set", "segment 13"),
    ],
)
def test_what_is_broken_is_told_with_its_segment_and_kept(text, detail, position):
    (rejection,) = [piece for piece in pieces(text) if isinstance(piece, Rejected)]
    assert rejection.issue.detail == detail
    assert rejection.issue.position.endswith(position)
    assert rejection.record.payload


def test_a_broken_transaction_set_takes_no_other_with_it():
    text = interchange(TOP + claim("C1"), TOP + claim("C2", member="M2"))
    found = pieces(text.replace("SE*10*0001", "SE*12*0001"))
    assert [isinstance(piece, Rejected) for piece in found] == [True, False]


def test_claims_of_a_set_that_says_too_few_segments_are_taken():
    """Nothing is missing of it; where SE01 says more than came, something may be."""
    found = pieces(interchange(TOP + claim("C1") + claim("C2", 3, "M2"), counted=4))
    assert [isinstance(piece, Rejected) for piece in found] == [False, False, True]
    assert found[-1].record.payload.startswith(b"SE*4*")


def test_interchanges_follow_one_another_each_with_its_own_delimiters():
    other = interchange(TOP + claim("C2")).replace("*", "|").replace("~", "\n")
    found = pieces(interchange(TOP + claim("C1")) + "\r\n" + other)
    assert [record.key.split("|")[2] for record in found] == ["C1", "C2"]
    assert [record.position for record in found] == ["file segment 10", "file segment 24"]


def test_a_claim_sent_twice_in_one_file_is_two_records():
    assert len({record.key for record in pieces(interchange(TOP + claim() + claim("C1", 3)))}) == 2


def test_bytes_in_another_encoding_say_which_one_was_declared():
    text = interchange(TOP + claim()).replace("DOE", "NUÑEZ").encode("latin-1")
    assert "utf-8" in told(pieces(text))[0][0]
    assert len(pieces(text, encoding="latin-1")) == 1


WHOLE = (SAMPLES / "professional.x12").read_bytes() + (SAMPLES / "remittance.x12").read_bytes()


@given(st.integers(0, len(WHOLE)), st.integers(0, 80), st.binary(max_size=6))
def test_damage_anywhere_is_told_and_never_crashes(start, length, other):
    found = pieces(WHOLE[:start] + other + WHOLE[start + length :], encoding="latin-1")
    assert found
    bodies = [orjson.loads(piece.payload) for piece in found if not isinstance(piece, Rejected)]
    assert all({"L2300", "L2100"} & body.keys() for body in bodies)


@given(st.permutations(range(8)))
def test_segments_in_any_order_are_records_or_told(order):
    segments = (TOP + claim()).split("~")[:8]
    found = pieces(interchange("~".join(segments[place] for place in order) + "~"))
    assert found


def test_levels_deeper_than_any_guide_has_are_not_followed():
    def nested(levels):
        return "".join(f"HL*{n}*{n - 1 or ''}*{22 if n > 1 else 20}*1~" for n in range(1, levels))

    found = pieces(interchange(f"{nested(1000)}CLM*1*100~"))
    assert all(isinstance(item, Rejected) for item in found)
    assert {piece.issue.detail for piece in found} == {
        "more than 20 levels of HL lie in one another: the guides know three"
    }
    assert not any(
        "any further" in item.issue.detail for item in pieces(interchange(f"{nested(10)}CLM*1*100~"))
    )
