"""
Thinning: the oldest observations of a long outage become one-minute means, so that a full journal drops none of them.

Only what differs in nothing but its time is put together: one sensor, the same labels, the same word on the clock. The
new document takes the place, and the seq, of the last observation that went into it, under an id of its own, because
other bytes under an id that a sink may know would be two truths. What cannot be decoded, or not be added up, stays.

As no erroneous sample enters the mean of a period, no erroneous value enters that of a minute: what was measured for it
is counted as rejected. Where there is no other, the minute is reduced from these, and erroneous. Only amounts are added
up whatever their flags: rain that is left out of a sum would be missing from the day.
"""

import functools
import math
from collections.abc import Hashable, Sequence

import msgspec

from weatherd.model import QUANTITIES, Quality, Reduction, Statistics
from weatherd.processing.documents import (
    DATASET_OBSERVATION,
    DATASET_REDUCED,
    Document,
    iso_8601,
    rounded,
    rounded_statistics,
    time_ms_of,
)
from weatherd.processing.limits import AMOUNTS, RANGE
from weatherd.processing.past import worse
from weatherd.processing.quality import check_consistency
from weatherd.processing.reduction import NO_MEAN_DIRECTION, Accumulator, Reduced

_MINUTE_MS = 60_000
_ALONE = Statistics(1)

_decoder = msgspec.json.Decoder(Document)
_encoder = msgspec.json.Encoder()


def thin(documents: Sequence[tuple[int, bytes]], id_prefix: str) -> list[tuple[int, bytes]]:
    """
    Reduce observations to one-minute means.

    Events, what was reduced before and an observation that is alone in its minute stay as they are.

    Args:
        documents: Seq and encoded document, ascending by seq; none that a sink was given, for its bytes are frozen.
        id_prefix: Begins the ids of the new documents, before their seq; never used before.

    Returns:
        What remains, ascending by seq.
    """
    remaining = dict(documents)
    minutes: dict[Hashable, list[tuple[int, Document]]] = {}
    for seq, encoded in documents:
        try:
            document = _decoder.decode(encoded)
            if document.event.dataset == DATASET_OBSERVATION:
                minutes.setdefault(_belonging(document), []).append((seq, document))
        except (msgspec.DecodeError, ValueError):  # the first is one of the second only since msgspec 0.21
            continue
    for group in minutes.values():
        members = [document for _, document in group]
        reduced = _reduced(members) if len(members) > 1 else None
        if reduced is None or not all(map(math.isfinite, reduced.values.values())):
            continue
        last_seq, _ = group.pop()
        remaining[last_seq] = _encode(members, reduced, last_seq, id_prefix)
        for seq, _ in group:
            del remaining[seq]
    return list(remaining.items())


def _belonging(document: Document) -> Hashable:
    """Return what is equal in all observations that are reduced to one. Raises ValueError if the stamp is none."""
    return _minute_end(document.timestamp), document.sensor, document.clock, frozenset(document.labels.items())


def _minute_end(stamp: str) -> str:
    """Return the end of the minute that a stamp lies in, which belongs to it, as an observation's period does."""
    time_ms = time_ms_of(stamp)
    return iso_8601(-(-time_ms // _MINUTE_MS) * _MINUTE_MS)


def _reduced(members: Sequence[Document]) -> Reduced:
    observed: dict[str, list[tuple[float, Document]]] = {}
    for member in members:
        for quantity, value in (member.weather or {}).items():
            observed.setdefault(quantity, []).append((value, member))
        for quantity in member.quality:
            observed.setdefault(quantity, [])
    reduced = Reduced()
    for quantity, values in observed.items():
        if values:
            _reduce(quantity, values, reduced)
        else:
            _flag(quantity, Quality.MISSING, members, reduced)
    check_consistency(reduced)  # of a minute's mean wind and strongest gust, each may have lost another member
    return reduced


def _reduce(quantity: str, values: Sequence[tuple[float, Document]], reduced: Reduced) -> None:
    accumulator = Accumulator(QUANTITIES[quantity].reduction if quantity in QUANTITIES else Reduction.MEAN)
    believed = [(value, member) for value, member in values if not _is_left_out(quantity, member)] or values
    for value, member in believed:
        accumulator.add(value, member.statistics.get(quantity, _ALONE))
    if len(believed) < len(values):
        accumulator.reject(
            sum(_rejected_count(quantity, member) for _, member in values if _is_left_out(quantity, member))
        )
    value_or_none = accumulator.value()
    if value_or_none is None:
        reduced.miss(quantity, NO_MEAN_DIRECTION)
        return
    reduced.values[quantity] = rounded(quantity, value_or_none)
    reduced.statistics[quantity] = rounded_statistics(quantity, accumulator.statistics())
    flags = {member.quality.get(quantity, Quality.UNCHECKED) for _, member in believed} - {Quality.MISSING}
    worst = functools.reduce(worse, flags or {Quality.UNCHECKED})
    _flag(quantity, worst, [member for _, member in believed], reduced)


def _is_left_out(quantity: str, member: Document) -> bool:
    return quantity not in AMOUNTS and member.quality.get(quantity) is Quality.ERRONEOUS


def _rejected_count(quantity: str, member: Document) -> int:
    """Return how many measurements go with a value left out; one of rejected samples alone holds them twice."""
    spread = member.statistics.get(quantity, _ALONE)
    is_of_rejected = member.quality_reasons.get(quantity) == RANGE and spread.count == spread.rejected
    return spread.count if is_of_rejected else spread.count + spread.rejected


def _flag(quantity: str, flag: Quality, members: Sequence[Document], reduced: Reduced) -> None:
    """Flag a quantity, with the last reason that a member gave for this very flag."""
    reduced.quality[quantity] = flag
    for member in members:
        if member.quality.get(quantity) is flag and (reason := member.quality_reasons.get(quantity)):
            reduced.reasons[quantity] = reason


def _encode(members: Sequence[Document], reduced: Reduced, seq: int, id_prefix: str) -> bytes:
    last = members[-1]
    return _encoder.encode(
        msgspec.structs.replace(
            last,
            timestamp=_minute_end(last.timestamp),
            event=msgspec.structs.replace(
                last.event,
                id=f"{id_prefix}{seq:012d}",
                sequence=seq,
                dataset=DATASET_REDUCED,
                created=max(member.event.created for member in members),
            ),
            weather=reduced.values,
            statistics=reduced.statistics,
            quality=reduced.quality,
            quality_reasons=reduced.reasons,
        )
    )
