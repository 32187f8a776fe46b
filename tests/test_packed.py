import gzip
import itertools
import json
import random
import shutil
import subprocess
import zlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.packed import FRAGMENT_COUNT_MAX, Packed, compress

lines = st.binary(min_size=1, max_size=300).filter(lambda line: b"\n" not in line)
many_lines = st.builds(
    lambda some, times: (some * times)[: 3 * FRAGMENT_COUNT_MAX],
    st.lists(lines, min_size=1, max_size=20),
    st.integers(1, 3 * FRAGMENT_COUNT_MAX),
)


def documents(first: int, count: int) -> list[bytes]:
    noise = random.Random(first)
    return [b'{"seq":%d,"noise":"%x"}' % (seq, noise.getrandbits(400)) for seq in range(first, first + count)]


def packed(documents: Sequence[bytes]) -> Packed:
    return Packed(compress(documents))


def inflated_by_zlib(member: bytes) -> bytes:
    """Inflate the first member alone, as what Logstash is built on does."""
    inflating = zlib.decompressobj(16 + zlib.MAX_WBITS)
    content = inflating.decompress(member)
    assert inflating.eof
    assert not inflating.unused_data
    return content


def inflated_by_gzip(member: bytes) -> bytes:
    program = shutil.which("gzip")
    assert program is not None
    return subprocess.run([program, "-dc"], input=member, capture_output=True, check=True).stdout


@given(many_lines)
def test_what_is_compressed_comes_back(some: list[bytes]) -> None:
    """Documents of any bytes but line breaks, in fragments that are about equal and never too large."""
    fragments = compress(some)
    assert list(Packed(fragments)) == some
    counts = [fragment.documents_count for fragment in fragments]
    assert max(counts) <= FRAGMENT_COUNT_MAX
    assert min(counts) * 2 >= max(counts) or len(counts) == 1


@given(st.integers(1, 600), st.slices(600), st.slices(600))
def test_a_slice_is_that_of_a_list(count: int, first: slice, second: slice) -> None:
    """Also a slice of a slice, and each document by its index."""
    first, second = slice(first.start, first.stop), slice(second.start, second.stop)
    numbers = [b"%d" % number for number in range(count)]
    sliced = packed(numbers)[first][second]
    expected = numbers[first][second]
    assert list(sliced) == expected
    assert len(sliced) == len(expected)
    assert [sliced[index] for index in (0, -1) if expected] == [expected[index] for index in (0, -1) if expected]
    with pytest.raises(IndexError):
        sliced[len(expected)]


def test_documents_are_taken_in_their_order() -> None:
    """No other step makes sense."""
    with pytest.raises(ValueError, match="in their order"):
        packed(documents(1, 9))[::2]


@pytest.mark.parametrize("inflate", [gzip.decompress, inflated_by_zlib, inflated_by_gzip])
@pytest.mark.parametrize("counts", [[1], [1, 1], [250], [500], [600, 32, 1, 999], [40] * 12])
def test_fragments_make_one_member(inflate: Callable[[bytes], bytes], counts: list[int]) -> None:
    """Any that were compressed by themselves are one JSON array in one gzip member, with its length and checksum."""
    firsts = [1, *itertools.accumulate(counts, initial=1)][1:-1]
    parts = [documents(first, count) for first, count in zip(firsts, counts, strict=True)]
    member = Packed.of(map(packed, parts)).gzipped()
    assert inflate(member) == b"[" + b",\n".join(itertools.chain(*parts)) + b"]"
    assert [one["seq"] for one in json.loads(inflate(member))] == list(range(1, sum(counts) + 1))


@given(many_lines, many_lines)
def test_the_checksum_is_that_of_all_bytes(some: list[bytes], others: list[bytes]) -> None:
    """It is combined of those of the fragments, and a decoder compares it."""
    assert (
        inflated_by_zlib(Packed.of([packed(some), packed(others)]).gzipped())
        == b"[" + b",\n".join([*some, *others]) + b"]"
    )


def test_a_part_of_a_fragment_is_not_sent_as_it_is() -> None:
    """A slice at the borders of fragments is whole, and is; another one has to be inflated."""
    some = documents(1, 3 * FRAGMENT_COUNT_MAX)
    half = packed(some)[FRAGMENT_COUNT_MAX:]
    assert half.is_whole
    assert gzip.decompress(half.gzipped()) == b"[" + b",\n".join(some[FRAGMENT_COUNT_MAX:]) + b"]"
    part = packed(some)[FRAGMENT_COUNT_MAX + 1 :]
    assert not part.is_whole
    with pytest.raises(AssertionError):
        part.gzipped()


def test_a_line_break_is_a_programmers_error() -> None:
    """It would end the document."""
    with pytest.raises(AssertionError):
        compress([b"two\nlines"])
