"""
Documents that stay compressed from the journal to the far end. Pure.

The journal compresses documents in fragments that can stand side by side in one gzip member. So a backlog goes out as
it lies on the card: to inflate it and to compress it anew would cost four times as much as all the rest.

    ┌ gzip ┬─ stored ─┬─ fragment ──────────┬─ stored ─┬─ fragment ──┬─ stored ─┬ CRC-32, ┐
    │ head │    [     │ {…},⏎{…},⏎ … {…}    │   ,⏎     │ {…},⏎ … {…} │    ]     │ length  │
    └──────┴──────────┴─────────────────────┴──────────┴─────────────┴──────────┴─────────┘

It is one member and not several: what Logstash inflates with stops behind the first, and the rest would be lost behind
a 200. Its CRC-32 is combined of those of the fragments.

Source:
    RFC 1951 (deflate), section 3.2.4: a stored block begins and ends at a byte. RFC 1952 (gzip), section 2.3.
"""

import functools
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

FRAGMENT_COUNT_MAX = 250
"""
Documents in one fragment: half a batch. Each begins without the memory of those before it, which makes a row of four
8 % larger than one of a thousand would be, and what is sent 5 to 25 % smaller than at `COMPRESSION_LEVEL` of the sink.
"""

_INFLATED_MAX = 4
"""Fragments that stay inflated: some readers go through the journal in small bites, each at its own place."""

_SEPARATOR = b",\n"  # of JSON's array; and a document has no line break

_POLYNOMIAL = 0xEDB88320  # RFC 1952, section 8
_ALL_ONES = 0xFFFFFFFF
_X_TO_0 = 1 << 31

_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no time, no name, any system


class Fragment(NamedTuple):
    """
    Some documents, compressed so that they can stand between others.

    Attributes:
        documents_count: Of documents, 1 to `FRAGMENT_COUNT_MAX`.
        size: Bytes of the documents, and two for each comma and line break between them.
        crc: CRC-32 of these bytes.
        shift: What their number does to the CRC-32 of what stands before them.
        deflated: Blocks of raw deflate, none of them the last one; it ends at a byte.
    """

    documents_count: int
    size: int
    crc: int
    shift: int
    deflated: bytes


class Part(NamedTuple):
    """Documents of a fragment from one on, and before another one."""

    fragment: Fragment
    first: int
    end: int

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the fragment."""
        return self.end - self.first == self.fragment.documents_count


def compress(documents: Sequence[bytes]) -> list[Fragment]:
    """Compress documents, of which none is empty or has a line break, in fragments that are about equal."""
    each = -(-len(documents) // -(-len(documents) // FRAGMENT_COUNT_MAX))
    return [_deflate(documents[first : first + each]) for first in range(0, len(documents), each)]


class Packed(Sequence[bytes]):
    """
    A sequence of documents that is inflated only where it is looked at. A slice of it is another one.

    Args:
        parts: Fragments; none for no documents.

    Attributes:
        parts: Those, and of a slice those that are not whole.
    """

    def __init__(self, parts: Iterable[Fragment | Part]) -> None:
        self.parts = [part if isinstance(part, Part) else Part(part, 0, part.documents_count) for part in parts]
        self._count = sum(part.end - part.first for part in self.parts)

    @classmethod
    def of(cls, pieces: "Iterable[Packed]") -> "Packed":
        """Return the documents of several, one behind the other."""
        return cls(part for piece in pieces for part in piece.parts)

    @property
    def is_whole(self) -> bool:
        """Whether it begins and ends with a fragment, and has all of those between."""
        return all(part.is_whole for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of the fragments, inflated: at least those of the documents."""
        return sum(part.fragment.size for part in self.parts)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain.from_iterable(_inflate(part.fragment)[part.first : part.end] for part in self.parts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> "Packed": ...

    def __getitem__(self, index: int | slice) -> "bytes | Packed":
        if isinstance(index, int):
            first = range(self._count)[index]
            (document,) = self._between(first, first + 1)
            return document
        first, end, step = index.indices(self._count)
        if step != 1:
            raise ValueError("documents are taken in their order, each of them")
        return self._between(first, end)

    def pieces(self) -> "Iterator[Packed]":
        """Yield it by fragments, as far as each is in it."""
        return (Packed([part]) for part in self.parts)

    def gzipped(self) -> bytes:
        """Return a JSON array of the documents as one gzip member; it is whole, and not of none."""
        assert self.is_whole, "a part of a fragment is not sent as it is"
        chunks = [_HEAD]
        before = b"["
        crc = size = 0
        for fragment, _, _ in self.parts:
            chunks += _stored(before), fragment.deflated
            crc = _times(zlib.crc32(before, crc), fragment.shift) ^ fragment.crc
            size += len(before) + fragment.size
            before = _SEPARATOR
        end = struct.pack("<II", zlib.crc32(b"]", crc), size + 1 & _ALL_ONES)
        return b"".join((*chunks, _stored(b"]", is_last=True), end))

    def _between(self, first: int, end: int) -> "Packed":
        parts = []
        for part in self.parts:
            start, stop = max(part.first + first, part.first), min(part.first + end, part.end)
            if start < stop:
                parts.append(Part(part.fragment, start, stop))
            first, end = first - (part.end - part.first), end - (part.end - part.first)
        return Packed(parts)


def _deflate(documents: Sequence[bytes]) -> Fragment:
    written = _SEPARATOR.join(documents)
    assert written.count(b"\n") == len(documents) - 1, "a line break would end the document"
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflating.compress(written) + deflating.flush(zlib.Z_FULL_FLUSH)
    # The CRC-32 register, without the inversions around it, once a byte of zeros for each of ours has gone through it.
    shift = zlib.crc32(bytes(len(written)), _X_TO_0 ^ _ALL_ONES) ^ _ALL_ONES
    return Fragment(len(documents), len(written), zlib.crc32(written), shift, deflated)


@functools.lru_cache(maxsize=_INFLATED_MAX)
def _inflate(fragment: Fragment) -> Sequence[bytes]:
    written = zlib.decompressobj(-zlib.MAX_WBITS).decompress(fragment.deflated)
    return tuple(written.split(_SEPARATOR))


def _stored(content: bytes, *, is_last: bool = False) -> bytes:
    """Return a block that is not compressed; it begins at a byte."""
    return struct.pack("<BHH", is_last, len(content), len(content) ^ 0xFFFF) + content


def _times(one: int, other: int) -> int:
    """
    Multiply as CRC-32 counts: polynomials over bits, the highest power in the lowest bit, less the polynomial.

    Source:
        zlib's crc32.c, `multmodp`: the CRC-32 of A and B behind it is that of A times x to the power of B's bits, plus
        that of B.
    """
    product = 0
    while one:
        if one & _X_TO_0:
            product ^= other
        one = one << 1 & _ALL_ONES
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product
