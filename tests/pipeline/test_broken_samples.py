"""Samples of every format, broken at random: each piece becomes resources or a reason, nothing crashes."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.content import load_partners, read_tree
from exchange.formats import Rejected, split
from exchange.mapping import Maps, load_maps
from exchange.mapping.golden import shared_maps
from exchange.model.partner import Partner
from exchange.model.records import Document
from exchange.pipeline.map import map_source
from tests.pipeline.coalition import ROOT

FILES = read_tree(ROOT / "mappings")
PARTNERS: dict[str, Partner] = {**load_partners(FILES), "_shared": shared_maps(FILES)}
SAMPLES = sorted((ROOT / "mappings").glob("*/samples/*/*"))
FORMATS = ("hl7v2", "ccda", "delimited", "fhir_json", "hsds_json", "x12")
WEDGES = (
    *(
        b'"',
        b"'",
        b"<",
        b">",
        b"{",
        b"[",
        b"]",
        b"}",
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xc3",
        b"|",
        b"~",
    ),
    *(b"*", b"^", b"null", b"-1e999", b"\xef\xbb\xbf", b"&#0;", b"<!--", b"\\u0000", b"\\ud800", b"9" * 400),
)
VALUES = (b"[]", b"{}", b"null", b'""', b"0", b"[[[]]]", b'{"a":{"b":[1]}}')
_QUOTED = re.compile(rb'"[^"\n]{0,40}"')


def partner_of(path: Path) -> tuple[Partner, str]:
    return PARTNERS[path.parts[-4]], path.parent.name


@pytest.fixture(scope="module")
def maps() -> dict[str, Maps]:
    return {name: load_maps(FILES, partner) for name, partner in PARTNERS.items()}


def broken(payload: bytes, draw: random.Random) -> bytes:
    """Pieces cut out, repeated, overwritten or wedged in; a quoted value of another kind; the end lost."""
    out = bytearray(payload)
    for _ in range(draw.randint(1, 10)):
        at, length = draw.randrange(len(out) + 1), draw.choice((1, 2, 7, 60, 500))
        change = draw.randrange(6)
        if change == 0:
            del out[at : at + length]
        elif change == 1:
            out[at:at] = out[at : at + length] * 2
        elif change == 2:
            out[at : at + length] = draw.randbytes(min(length, len(out) - at))
        elif change == 3:
            out[at:at] = draw.choice(WEDGES)
        elif change == 4 and (quoted := list(_QUOTED.finditer(bytes(out)))):
            found = draw.choice(quoted)
            out[found.start() : found.end()] = draw.choice(VALUES)
        elif change == 5:
            del out[max(at, len(out) // 2) :]
    return bytes(out)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_broken_is_told_and_breaks_nothing(kind: str, maps: dict[str, Maps]) -> None:
    samples = [path for path in SAMPLES if partner_of(path)[0].feeds[partner_of(path)[1]].format == kind]

    @settings(max_examples=30, derandomize=True)
    @given(sample=st.sampled_from(samples), seed=st.integers(0, 2**32))
    def holds(sample: Path, seed: int) -> None:
        partner, feed = partner_of(sample)
        beside = {
            join.file: next(sample.parents[1].rglob(join.file)).read_bytes()
            for join in partner.feeds[feed].joins()
        }
        document = Document(
            feed, sample.name, broken(sample.read_bytes(), random.Random(seed)), beside=beside
        )
        pieces = list(split(document, partner.feeds[feed], partner))
        assert pieces or kind == "delimited"  # a table without rows holds no record
        for piece in pieces:
            if isinstance(piece, Rejected):
                assert piece.issue.severity == "error"
                assert piece.issue.detail
                continue
            mapped, _ = map_source(piece, maps[partner.code])
            assert "exception" not in {issue.code for issue in mapped.issues}, piece.payload
            assert piece.deleted or mapped.resources or mapped.deleted or mapped.issues

    holds()
