"""However the network cuts the bytes, the same blocks come out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exchange.connectors.mllp_frames import Block, BlockReader

CONTENT = st.binary(max_size=60).map(lambda b: b.replace(b"\x0b", b"").replace(b"\x1c", b""))


@given(
    contents=st.lists(CONTENT, max_size=6), cuts=st.lists(st.integers(0, 400), max_size=12), cr=st.booleans()
)
def test_fragments_and_packets_of_several_give_the_same_blocks(
    contents: list[bytes], cuts: list[int], cr: bool
) -> None:
    stream = b"".join(b"\x0b" + content + b"\x1c" + b"\r" * cr for content in contents)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = BlockReader(1000)
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert [block.content for piece in pieces for block in reader.feed(piece)] == contents


def test_noise_between_blocks_is_skipped() -> None:
    assert BlockReader(100).feed(b"GET / HTTP/1.1\r\n\x0bA\x1c\r\r\n\x00\x0bB\x1c\r") == [
        Block(b"A"),
        Block(b"B"),
    ]


def test_an_oversize_block_is_dropped_as_it_comes_and_the_next_is_whole() -> None:
    reader = BlockReader(10_000)
    for _ in range(100):
        assert reader.feed(b"\x0bMSH|" + b"x" * 1000 if _ == 0 else b"x" * 1000) == []
        assert len(reader._held) <= 11_000
    oversize, following = reader.feed(b"x\x1c\r\x0bB\x1c\r")
    assert oversize.is_oversize
    assert oversize.content.startswith(b"MSH|xxx")
    assert len(oversize.content) <= 4096
    assert following == Block(b"B")


def test_a_block_of_exactly_the_largest_size_is_whole() -> None:
    assert BlockReader(3).feed(b"\x0babc\x1c\x0babcd\x1c") == [
        Block(b"abc"),
        Block(b"abcd", is_oversize=True),
    ]
