"""What is written to a tail: documents, and how far the sinks have come."""

import itertools
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from weatherd.journal.rows import Estimate, Run, join
from weatherd.ranges import NOTHING, Ranges

Spans = list[tuple[int, int]]

TRIED = ""
"""Where positions have a sink's name: the entries that any sink was given for an attempt."""

TRIED_RANGES_MAX = 300
"""With more ranges of tried entries, the gaps between the oldest count as tried, too."""


class Standing(msgspec.Struct, frozen=True):
    """
    How far the sinks have come.

    Attributes:
        delivered: By sink, what it has; former sinks included.
        tried: What any sink was given for an attempt: its bytes are frozen.
        next_seq: The lowest seq that was never given to an entry.
    """

    delivered: Mapping[str, Ranges] = {}
    tried: Ranges = Ranges()
    next_seq: int = 1

    @property
    def positions(self) -> Mapping[str, Ranges]:
        """What the table of positions says: by sink, and under `TRIED` what was tried; nothing is left out."""
        return {sink: ranges for sink, ranges in {**self.delivered, TRIED: self.tried}.items() if ranges}

    def merge(self, other: "Standing") -> "Standing":
        """Return what is known by either; each only ever learns more."""
        delivered = {
            sink: self.delivered.get(sink, NOTHING) | other.delivered.get(sink, NOTHING)
            for sink in {**self.delivered, **other.delivered}
        }
        return Standing(delivered, self.tried | other.tried, max(self.next_seq, other.next_seq))

    def delivered_to_all(self, sinks: Sequence[str]) -> Ranges:
        """Return what all of these sinks have; with no sink, nothing."""
        common: Ranges | None = None
        for sink in sinks:
            ranges = self.delivered.get(sink, NOTHING)
            common = ranges if common is None else common & ranges
        return common or NOTHING


class Found(NamedTuple):
    """
    What tails held.

    Attributes:
        runs: Every run, also those that the database has.
        standing: What is known of the sinks.
        epoch: The highest of any record; 0 if there is none.
    """

    runs: Sequence[Run]
    standing: Standing
    epoch: int


class _Standing(msgspec.Struct, array_like=True, tag="s"):
    epoch: int
    delivered: dict[str, Spans]
    tried: Spans
    next_seq: int


class _Documents(msgspec.Struct, array_like=True, tag="d"):
    epoch: int
    first_seq: int
    recorded_at_ms: int
    boot_id: str | None
    offset_ms: int | None
    compressed: bool
    lines: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Standing | _Documents])


def encode(runs: Iterable[Run], standing: Standing | None, epoch: int, *, compress: bool) -> bytes:
    """
    Write one payload, which is kept as a whole or not at all.

    Args:
        runs: Documents, if any.
        standing: How far the sinks have come, if that is to be kept.
        epoch: How often the database has taken in the tails.
        compress: Whether documents are compressed, as for a card.
    """
    written: list[_Standing | _Documents] = [_documents(run, epoch, compress=compress) for run in runs]
    if standing is not None:
        delivered = {sink: list(ranges) for sink, ranges in standing.delivered.items()}
        written.append(_Standing(epoch, delivered, list(standing.tried), standing.next_seq))
    return _encoder.encode(written)


def decode(payloads: Iterable[bytes], epoch: int) -> Found:
    """
    Read what `encode` wrote.

    Args:
        payloads: Of a tail.
        epoch: How often the database has taken in the tails; earlier epochs know nothing of the sinks any more.
    """
    runs: list[Run] = []
    standing = Standing()
    epoch_max = 0
    for record in itertools.chain.from_iterable(map(_decoder.decode, payloads)):
        epoch_max = max(epoch_max, record.epoch)
        if isinstance(record, _Documents):
            runs.append(_run(record))
        elif record.epoch >= epoch:
            delivered = {sink: Ranges.of(spans) for sink, spans in record.delivered.items()}
            standing = standing.merge(Standing(delivered, Ranges.of(record.tried), record.next_seq))
    return Found(runs, standing, epoch_max)


def _documents(run: Run, epoch: int, *, compress: bool) -> _Documents:
    boot_id, offset_ms = run.estimate or (None, None)
    lines = join(run.documents)
    if compress:
        lines = zlib.compress(lines)
    return _Documents(epoch, run.first_seq, run.recorded_at_ms, boot_id, offset_ms, compress, lines)


def _run(record: _Documents) -> Run:
    lines = zlib.decompress(record.lines) if record.compressed else record.lines
    estimate = (
        None if record.boot_id is None or record.offset_ms is None else Estimate(record.boot_id, record.offset_ms)
    )
    return Run(record.first_seq, record.recorded_at_ms, estimate, lines.split(b"\n"))


def few(tried: Ranges) -> Ranges:
    """Return a set of few ranges that has at least all that were tried; what is more may be left as it is."""
    if len(tried) <= TRIED_RANGES_MAX:
        return tried
    spans = list(tried)
    joined = len(spans) - TRIED_RANGES_MAX
    return Ranges([(spans[0][0], spans[joined][1]), *spans[joined + 1 :]])
