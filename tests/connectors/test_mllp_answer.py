"""Acknowledgements speak the sender's dialect and name its message."""

from datetime import UTC, datetime

from exchange.connectors.mllp_answer import (
    NO_CONTROL_ID,
    NOT_HL7,
    NOT_KEPT,
    TOO_LONG,
    answer,
    problem_of,
    read_header,
)
from exchange.connectors.mllp_frames import Block
from exchange.formats import hl7v2

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ADT = b"MSH|^~\\&|EPIC|LAKE|MOSAIC|HIE|20261123||ADT^A01^ADT_A01|M1|T|2.5.1\rPID|1\r"


def lines(block: bytes) -> list[bytes]:
    assert block[:1] == b"\x0b"
    assert block[-2:] == b"\x1c\r"
    return block[1:-2].rstrip(b"\r").split(b"\r")


def test_an_acceptance_swaps_sender_and_receiver_and_names_the_message() -> None:
    msh, msa = lines(answer(read_header(ADT), "AA", None, "C1", AT))
    assert msh == b"MSH|^~\\&|MOSAIC|HIE|EPIC|LAKE|20261123090000+0000||ACK^A01^ACK|C1|T|2.5.1"
    assert msa == b"MSA|AA|M1"


def test_the_senders_own_delimiters_are_used() -> None:
    message = ADT.replace(b"|^~\\&|", b"#*~\\&#").replace(b"|", b"#").replace(b"ADT^A01^ADT_A01", b"ADT*A01")
    msh, msa, err = lines(answer(read_header(message), "AE", NOT_KEPT, "C1", AT))
    assert msh.startswith(b"MSH#*~\\&#MOSAIC#HIE#EPIC#LAKE#")
    assert b"#ACK*A01*ACK#" in msh
    assert msa == b"MSA#AE#M1"
    assert err == b"ERR###207*Application internal error*HL70357#E"


def test_what_is_not_hl7_is_refused_without_naming_a_message() -> None:
    msh, msa, err = lines(answer(None, "AR", NOT_HL7, "C1", AT))
    assert msh == b"MSH|^~\\&|||||20261123090000+0000||ACK|C1|P|2.5.1"
    assert (msa, err) == (b"MSA|AR|", b"ERR|||100^Segment sequence error^HL70357|E")


def test_a_message_without_control_id_is_refused_with_the_field_named() -> None:
    header = read_header(ADT.replace(b"|M1|", b"||"))
    assert problem_of(Block(ADT), header) == NO_CONTROL_ID
    assert b"ERR||MSH^1^10|101^" in answer(header, "AR", NO_CONTROL_ID, "C1", AT)


def test_what_may_be_kept_and_what_not() -> None:
    assert problem_of(Block(ADT), read_header(ADT)) is None
    assert problem_of(Block(ADT, is_oversize=True), read_header(ADT)) == TOO_LONG
    for content in (
        b"",
        b"MSH",
        b"MSH|",
        b"PID|1||x",
        b"<xml/>",
        b"MSHA^~\\&AxAxAxAxAxAxAxA",
        b"\xff\xfeM\0S\0H\0",
    ):
        assert problem_of(Block(content), read_header(content)) == NOT_HL7


def test_a_byte_order_mark_and_line_feeds_do_no_harm() -> None:
    for content in (b"\xef\xbb\xbf" + ADT, b"\r\n" + ADT, ADT.replace(b"\r", b"\n")):
        header = read_header(content)
        assert header is not None
        assert header.field(10) == b"M1"


def test_our_own_parser_reads_the_acknowledgement() -> None:
    block = answer(read_header(ADT), "AR", TOO_LONG, "C1", AT)
    assert [segment[:3] for segment in lines(block)] == [b"MSH", b"MSA", b"ERR"]
    assert hl7v2.parse(block[1:-2]) is not None
