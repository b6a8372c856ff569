from __future__ import annotations

import pytest

from exchange.formats import hl7v2
from exchange.model.errors import RecordRejected


def test_fields_count_as_the_standard_counts_them():
    message = hl7v2.parse(b"MSH|^~\\&|APP|FAC\rPID|1||7")
    assert message.segments[0][1:5] == ["|", "^~\\&", "APP", "FAC"]
    assert message.segments[1][3] == "7"


def test_a_message_brings_its_own_delimiters():
    delimiters = hl7v2.parse(b"MSH#*+/%#APP\rPID#1").delimiters
    assert delimiters == hl7v2.Delimiters("#", "*", "+", "/", "%")


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n"])
def test_segments_end_as_the_sender_ends_them(ends):
    message = hl7v2.parse(ends.join([r"MSH|^~\&|APP", "PID|1", "PV1|1", ""]).encode())
    assert [segment[0] for segment in message.segments] == ["MSH", "PID", "PV1"]


def test_a_line_that_is_no_segment_continues_the_text_before_it():
    message = hl7v2.parse(b"MSH|^~\\&|APP\rOBX|1|TX|||first\nsecond line\nOBX|2")
    assert message.segments[1][5] == "first\nsecond line"
    assert message.segments[2] == ["OBX", "2"]


@pytest.mark.parametrize(
    "payload", [b"", b"PID|1", b"MSH", b"MSH|", b"MSH|^^^^|APP", b"garbage\x00", b"\x0b\x1c\r"]
)
def test_what_is_no_message_is_rejected_with_a_place(payload):
    with pytest.raises(RecordRejected) as error:
        hl7v2.parse(payload)
    assert error.value.code == "structure"


def test_bytes_that_are_not_in_the_declared_character_set_are_rejected():
    with pytest.raises(RecordRejected, match="MSH-18"):
        hl7v2.parse("MSH|^~\\&|APP\rPID|||||Nuñez".encode("latin-1"))


def test_utf_16_is_read_by_its_mark():
    assert hl7v2.parse("MSH|^~\\&|APP\rPID|||||Ївга".encode("utf-16")).segments[1][5] == "Ївга"


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"\X41C3A9\!", "Aé!"),
        (r"one\.br\two\.sp\three", "one\ntwo\nthree"),
        (r"\H\bold\N\ \.in+2\text", "bold text"),
        (r"C:\path\to", r"C:\path\to"),
        (r"50\% \Zlocal\ x", r"50\% \Zlocal\ x"),
    ],
)
def test_escapes_become_the_characters_they_stand_for(escaped, plain):
    assert hl7v2.unescape(escaped, hl7v2.Delimiters()) == plain


def test_a_batch_gives_its_messages_without_the_envelopes():
    payload = b"\xef\xbb\xbfFHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\r\rMSH|^~\\&|2\rBTS|2\rFTS|1\r"
    found = [(number, body.split(b"\r")[0]) for number, body in hl7v2.messages(payload)]
    assert found == [(1, b"MSH|^~\\&|1"), (2, b"MSH|^~\\&|2")]


def test_minimal_lower_layer_frames_in_a_file_are_messages():
    payload = b"\x0bMSH|^~\\&|1\rPID|1\r\x1c\r\x0bMSH|^~\\&|2\r\x1c\r"
    assert [body for _, body in hl7v2.messages(payload)] == [b"MSH|^~\\&|1\rPID|1", b"MSH|^~\\&|2"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", "2024-01-01T00:00:00+00:00"),
        ("20240102030405.678+0200", "2024-01-02T03:04:05+02:00"),
        ("20240231", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_timestamp_is_an_instant_or_nothing(text, moment):
    found = hl7v2.timestamp(text)
    assert (found.isoformat() if found else None) == moment
