import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import QUANTITIES, Event, Observation, Quality, Reduction, Station, Statistics
from weatherd.processing.documents import DocumentEncoder, corrected, is_estimated
from weatherd.processing.thinning import thin

STATION = Station("porto-alegre-01", "Porto Alegre", -30.03, -51.23, 10.0)
ENCODER = DocumentEncoder(STATION, "3f9c2a71")
PREFIX = "porto-alegre-01-0badcafe-"
TEN_S = range(10_000, 70_000, 10_000)  # the report periods of one minute

Documents = list[tuple[int, bytes]]


def observation(values: Mapping[str, float], at_ms: int = 10_000, **fields: Any) -> Observation:
    """Make an observation some milliseconds after noon."""
    given = {
        "sensor": "mast",
        "model": "BMP280",
        "observed_at_ms": NOON_MS + at_ms,
        "recorded_at_ms": NOON_MS + at_ms + 412,
        "values": values,
        "quality": dict.fromkeys(values, Quality.UNCHECKED),
        "clock_synchronized": True,
    }
    return Observation(**(given | fields))


def encoded(*entries: Observation | Event) -> Documents:
    return [(seq, ENCODER.encode(entry, seq)) for seq, entry in enumerate(entries, 1)]


def decoded(documents: Documents) -> list[dict]:
    return [msgspec.json.decode(document) for _, document in documents]


def thinned_to_one(*entries: Observation | Event) -> dict:
    (document,) = decoded(thin(encoded(*entries), PREFIX))
    return document


def minute_of(quantity: str, *values: float, counts: tuple[int, ...] | None = None) -> dict:
    """Thin several values of one quantity within one minute."""
    spreads = [{}] * len(values) if counts is None else [{quantity: Statistics(count)} for count in counts]
    return thinned_to_one(
        *(
            observation({quantity: value}, at_ms, statistics=spread)
            for at_ms, value, spread in zip(range(1_000, 60_000, 1_000), values, spreads, strict=False)
        )
    )


def test_six_observations_become_one() -> None:
    """Field by field: the last one's place and seq, an id of its own, the minute's end, the mean and its spread."""
    entries = [
        observation(
            {"air_pressure": 1012.0 + number / 10},
            at_ms,
            statistics={"air_pressure": Statistics(10, 1011.9 + number / 10, 1012.1 + number / 10)},
            quality={"air_pressure": Quality.GOOD},
            labels={"channel": "A"},
        )
        for number, at_ms in enumerate(TEN_S)
    ]
    (one,) = thin(encoded(*entries), PREFIX)
    assert one[0] == 6
    assert msgspec.json.decode(one[1]) == {
        "@timestamp": "2026-11-23T12:01:00.000Z",
        "ecs": {"version": "8.11"},
        "event": {
            "id": "porto-alegre-01-0badcafe-000000000006",
            "sequence": 6,
            "kind": "metric",
            "dataset": "weatherd.observation.reduced",
            "created": "2026-11-23T12:01:00.412Z",
        },
        "station": {
            "id": "porto-alegre-01",
            "name": "Porto Alegre",
            "location": {"lat": -30.03, "lon": -51.23},
            "elevation_m": 10.0,
        },
        "clock": {"synchronized": True},
        "sensor": {"name": "mast", "model": "BMP280"},
        "weather": {"air_pressure": 1012.25},
        "statistics": {"air_pressure": {"count": 60, "min": 1011.9, "max": 1012.6}},
        "quality": {"air_pressure": "good"},
        "labels": {"channel": "A"},
    }


def test_a_reduced_document_is_written_as_any_other() -> None:
    """But for its id and its dataset it has the very bytes of an observation of one minute."""
    members = encoded(*(observation({"air_pressure": 1012.0, "rainfall_amount": 0.1}, at_ms) for at_ms in TEN_S))
    ((seq, document),) = thin(members, PREFIX)
    of_one_minute = observation(
        {"air_pressure": 1012.0, "rainfall_amount": 0.6},
        60_000,
        statistics={"air_pressure": Statistics(6, 1012.0, 1012.0), "rainfall_amount": Statistics(6)},
    )
    expected = DocumentEncoder(STATION, "0badcafe").encode(of_one_minute, seq)
    assert document == expected.replace(b"weatherd.observation", b"weatherd.observation.reduced")


def test_a_mean_is_weighted_by_count() -> None:
    """A first, partial period counts for as much as was measured in it."""
    found = minute_of("air_temperature", 10.0, 20.0, counts=(1, 9))
    assert found["weather"] == {"air_temperature": 19.0}
    assert found["statistics"] == {"air_temperature": {"count": 10, "min": 10.0, "max": 20.0}}


def test_a_value_without_statistics_counts_once() -> None:
    """What a source sent by itself is one measurement, also beside one that was reduced from three."""
    found = thinned_to_one(
        observation({"air_temperature": 10.0}, 10_000),
        observation({"air_temperature": 20.0}, 20_000, statistics={"air_temperature": Statistics(3, 19.0, 21.5)}),
    )
    assert found["weather"] == {"air_temperature": 17.5}
    assert found["statistics"] == {"air_temperature": {"count": 4, "min": 10.0, "max": 21.5}}


def test_means_are_rounded_as_their_quantity_is() -> None:
    """No decimals that no sensor has."""
    assert minute_of("air_temperature", 20.0, 20.0, 20.1)["weather"] == {"air_temperature": 20.03}
    assert minute_of("rainfall_rate", 1.0, 1.0, 2.0)["weather"] == {"rainfall_rate": 1.333}


def test_extremes_are_rounded_as_the_mean_is() -> None:
    """The more decimals of another version do not leave a mean of 20.0 below a least value of 20.004."""
    documents = [
        (seq, document.replace(b"20.0", b"20.004"))
        for seq, document in encoded(*[observation({"air_temperature": 20.0})] * 2)
    ]
    (found,) = decoded(thin(documents, PREFIX))
    assert found["weather"] == {"air_temperature": 20.0}
    assert found["statistics"] == {"air_temperature": {"count": 2, "min": 20.0, "max": 20.0}}


def test_rejected_samples_add_up() -> None:
    """How many samples were not plausible is known of the minute, too."""
    spreads = [Statistics(8, 1.0, 2.0, rejected=2), Statistics(10, 1.0, 2.0), Statistics(9, 1.0, 2.0, rejected=1)]
    found = thinned_to_one(
        *(
            observation({"air_temperature": 1.5}, at_ms, statistics={"air_temperature": spread})
            for at_ms, spread in zip(TEN_S, spreads, strict=False)
        )
    )
    assert found["statistics"] == {"air_temperature": {"count": 27, "min": 1.0, "max": 2.0, "rejected": 3}}


def test_rain_is_added_up_whatever_the_counts() -> None:
    """The rain of a minute is what fell in it: amounts are not weighted, and have no extremes."""
    found = minute_of("rainfall_amount", 0.2, 0.0, 0.4, counts=(10, 10, 5))
    assert found["weather"] == {"rainfall_amount": 0.6}
    assert found["statistics"] == {"rainfall_amount": {"count": 25}}


def test_the_strongest_gust_of_the_minute_counts() -> None:
    """A gust is a maximum, however few measurements are behind it."""
    found = minute_of("wind_speed_of_gust", 3.0, 11.5, 4.0, counts=(40, 1, 40))
    assert found["weather"] == {"wind_speed_of_gust": 11.5}
    assert found["statistics"] == {"wind_speed_of_gust": {"count": 81}}


@pytest.mark.parametrize(
    ("directions", "counts", "mean"),
    [((350.0, 20.0), None, 5.0), ((80.0, 100.0), (7, 7), 90.0), ((0.0, 90.0), (1, 3), 71.6), ((0.0, 180.0), (3, 1), 0)],
)
def test_directions_are_averaged_as_weighted_vectors(
    directions: tuple[float, ...], counts: tuple[int, ...] | None, mean: float
) -> None:
    """Across north the mean is north, and what was measured more often pulls harder."""
    found = minute_of("wind_from_direction", *directions, counts=counts)
    assert found["weather"]["wind_from_direction"] % 360 == pytest.approx(mean)
    assert found["statistics"] == {"wind_from_direction": {"count": sum(counts or (1, 1))}}


def test_opposite_directions_have_no_mean() -> None:
    """Wind from everywhere has no direction, and the minute says why."""
    found = minute_of("wind_from_direction", 90.0, 270.0)
    assert found["weather"] == {}
    assert found["quality"] == {"wind_from_direction": "missing"}
    assert found["quality_reasons"] == {"wind_from_direction": "no_mean_direction"}
    assert "statistics" not in found


def test_a_quantity_of_another_version_is_averaged() -> None:
    """A journal may outlive a version that knew more: its numbers are not lost, and not rounded either."""
    found = minute_of("soil_moisture", 0.5, 0.0625)
    assert found["weather"] == {"soil_moisture": 0.28125}
    assert found["statistics"] == {"soil_moisture": {"count": 2, "min": 0.0625, "max": 0.5}}
    assert found["quality"] == {"soil_moisture": "unchecked"}


def flagged(*flags: tuple[Quality, str]) -> dict:
    """Thin observations that differ in the flag of their pressure; a missing one has no value."""
    return thinned_to_one(
        *(
            observation(
                {} if flag is Quality.MISSING else {"air_pressure": 1012.0},
                at_ms,
                quality={"air_pressure": flag},
                quality_reasons={"air_pressure": reason} if reason else {},
            )
            for at_ms, (flag, reason) in zip(TEN_S, flags, strict=False)
        )
    )


@pytest.mark.parametrize(
    ("better", "worse"),
    [("good", "unchecked"), ("unchecked", "inconsistent"), ("inconsistent", "doubtful")],
)
def test_a_minute_is_as_good_as_its_worst_member(better: str, worse: str) -> None:
    """A flag is not averaged away, wherever in the minute it stands."""
    one, other = (Quality(better), "b"), (Quality(worse), "w")
    for found in (flagged(one, other, one), flagged(other, one, one)):
        assert found["quality"] == {"air_pressure": worse}
        assert found["quality_reasons"] == {"air_pressure": "w"}


def test_the_last_reason_of_the_worst_flag_is_told() -> None:
    """Of several reasons for one flag the last counts, and no reason of a better flag."""
    doubtful = Quality.DOUBTFUL
    found = flagged((doubtful, "step"), (doubtful, "stuck"), (doubtful, ""), (Quality.GOOD, "why_ever"))
    assert found["quality_reasons"] == {"air_pressure": "stuck"}
    assert "quality_reasons" not in flagged((doubtful, ""), (Quality.GOOD, "why_ever"))


def three(quantity: str, spike: float, reason: str, spread: Statistics | None = None) -> dict:
    """Thin a good value of 10, an erroneous one, and a good value of 12."""
    spreads = [Statistics(10, 9.0, 11.0), spread or Statistics(10, spike, spike), Statistics(10, 11.0, 12.0)]
    flags = [Quality.GOOD, Quality.ERRONEOUS, Quality.GOOD]
    return thinned_to_one(
        *(
            observation(
                {quantity: value},
                at_ms,
                statistics={quantity: its_spread},
                quality={quantity: flag},
                quality_reasons={quantity: reason} if flag is Quality.ERRONEOUS else {},
            )
            for at_ms, value, flag, its_spread in zip(TEN_S, (10.0, spike, 12.0), flags, spreads, strict=False)
        )
    )


def test_an_erroneous_value_does_not_enter_the_mean_of_the_minute() -> None:
    """A spike among good values neither pulls their mean nor their flag; what was measured for it is counted."""
    found = three("air_temperature", 40.0, "step")
    assert found["weather"] == {"air_temperature": 11.0}
    assert found["statistics"] == {"air_temperature": {"count": 20, "min": 9.0, "max": 12.0, "rejected": 10}}
    assert found["quality"] == {"air_temperature": "good"}
    assert "quality_reasons" not in found


def test_samples_that_were_rejected_already_are_counted_once() -> None:
    """A period of nothing but implausible samples has them as count and as rejected; one of a step may have both."""
    of_rejected = three("air_temperature", 90.0, "range", Statistics(10, 90.0, 90.0, rejected=10))
    assert of_rejected["statistics"]["air_temperature"]["rejected"] == 10
    of_both = three("air_temperature", 40.0, "step", Statistics(5, 40.0, 40.0, rejected=5))
    assert of_both["statistics"]["air_temperature"]["rejected"] == 10
    alone = thinned_to_one(
        observation({"air_temperature": 10.0}, 10_000),
        observation({"air_temperature": 90.0}, 20_000, quality={"air_temperature": Quality.ERRONEOUS}),
    )
    assert alone["statistics"]["air_temperature"] == {"count": 1, "min": 10.0, "max": 10.0, "rejected": 1}


@pytest.mark.parametrize(("quantity", "kept"), [("wind_speed_of_gust", 12.0), ("wind_from_direction", 11.0)])
def test_no_erroneous_value_is_the_strongest_gust_or_turns_the_wind(quantity: str, kept: float) -> None:
    """However a quantity is reduced, it is reduced from what was believed."""
    assert three(quantity, 130.0, "range")["weather"][quantity] == pytest.approx(kept)


def test_a_minute_of_erroneous_values_keeps_them() -> None:
    """Nothing is deleted: where there is no other value, these make the minute, and it is erroneous."""
    found = flagged((Quality.ERRONEOUS, "range"), (Quality.MISSING, "no_answer"), (Quality.ERRONEOUS, "step"))
    assert found["weather"] == {"air_pressure": 1012.0}
    assert found["statistics"]["air_pressure"]["count"] == 2
    assert found["quality"] == {"air_pressure": "erroneous"}
    assert found["quality_reasons"] == {"air_pressure": "step"}


def test_no_rain_is_left_out_of_the_sum() -> None:
    """An amount that nobody believes is still part of what the gauge has counted, and makes the minute erroneous."""
    found = three("rainfall_amount", 50.0, "range", Statistics(1, total=180))
    assert found["weather"] == {"rainfall_amount": 72.0}
    assert found["statistics"]["rainfall_amount"]["total"] == 180
    assert found["quality"] == {"rainfall_amount": "erroneous"}


def test_a_mean_above_the_strongest_gust_that_is_left_is_inconsistent() -> None:
    """Where only the gust of a windy period was not believed, the minute contradicts itself, and says so."""
    found = thinned_to_one(
        observation(
            {"wind_speed": 20.0, "wind_speed_of_gust": 130.0},
            10_000,
            quality={"wind_speed": Quality.GOOD, "wind_speed_of_gust": Quality.ERRONEOUS},
        ),
        observation(
            {"wind_speed": 2.0, "wind_speed_of_gust": 3.0},
            20_000,
            quality={"wind_speed": Quality.GOOD, "wind_speed_of_gust": Quality.GOOD},
        ),
    )
    assert found["weather"] == {"wind_speed": 11.0, "wind_speed_of_gust": 3.0}
    assert set(found["quality"].values()) == {"inconsistent"}


def test_a_failed_period_is_not_filled_in() -> None:
    """One missing period among others makes the minute neither missing nor worse, and is not counted."""
    found = flagged((Quality.GOOD, ""), (Quality.MISSING, "bad_checksum"))
    assert found["weather"] == {"air_pressure": 1012.0}
    assert found["statistics"]["air_pressure"]["count"] == 1
    assert found["quality"] == {"air_pressure": "good"}
    assert "quality_reasons" not in found


def test_a_minute_of_failures_is_missing_with_the_last_reason() -> None:
    """Where no member has a value, the minute has none."""
    found = flagged((Quality.MISSING, "bad_checksum"), (Quality.MISSING, "no_answer"))
    assert found["weather"] == {}
    assert found["quality"] == {"air_pressure": "missing"}
    assert found["quality_reasons"] == {"air_pressure": "no_answer"}


def test_a_value_is_never_missing() -> None:
    """A value keeps the minute from being missing even beside a flag that contradicts it, or none."""
    contradictory = observation({"air_pressure": 1012.0}, quality={"air_pressure": Quality.MISSING})
    without_flag = observation({"air_pressure": 1012.0}, quality={})
    assert thinned_to_one(contradictory, contradictory)["quality"] == {"air_pressure": "unchecked"}
    assert thinned_to_one(without_flag, without_flag)["quality"] == {"air_pressure": "unchecked"}


def test_members_may_tell_of_different_quantities() -> None:
    """A source that sends what it likes gets each quantity reduced over those members that have it."""
    found = thinned_to_one(
        observation({"air_temperature": 20.0}, 10_000),
        observation({"air_temperature": 22.0, "wind_speed": 3.0}, 20_000),
    )
    assert found["weather"] == {"air_temperature": 21.0, "wind_speed": 3.0}
    assert [found["statistics"][name]["count"] for name in found["weather"]] == [2, 1]


@pytest.mark.parametrize(
    "difference",
    [
        {"sensor": "garden"},
        {"model": "HTU21D"},
        {"labels": {"channel": "B"}},
        {"clock_synchronized": False},
        {"observed_at_ms": NOON_MS + 60_001},
    ],
    ids=str,
)
def test_what_differs_is_kept_apart(difference: dict) -> None:
    """Another sensor, part, transmitter, word on the clock or minute makes a group of its own."""
    here = {"labels": {"channel": "A"}}
    entries = [observation({"air_pressure": 1012.0}, at_ms, **here) for at_ms in (10_000, 20_000)]
    others = [observation({"air_pressure": 990.0}, **(here | difference)) for _ in range(2)]
    found = thin(encoded(entries[0], others[0], entries[1], others[1]), PREFIX)
    assert [seq for seq, _ in found] == [3, 4]
    assert [document["weather"]["air_pressure"] for document in decoded(found)] == [1012.0, 990.0]


def test_estimates_are_kept_apart_and_stay_estimates() -> None:
    """A minute of stamps that can still be corrected is one that can be, and takes in none that is final."""
    final, estimate = (
        observation({"air_pressure": 1012.0}, clock_synchronized=False, clock_offset_ms=offset_ms)
        for offset_ms in (None, 5_000)
    )
    found = thin(encoded(final, estimate, final, estimate), PREFIX)
    assert [is_estimated(document) for _, document in found] == [False, True]
    (correct,) = decoded([(4, corrected(found[1][1], 3_600_000))])
    assert correct["@timestamp"] == "2026-11-23T13:01:00.000Z"
    assert correct["event"]["dataset"] == "weatherd.observation.reduced"


def test_labels_may_come_in_any_order() -> None:
    """The same labels are the same transmitter."""
    one, other = {"channel": "A", "battery_ok": "1"}, {"battery_ok": "1", "channel": "A"}
    assert (
        thinned_to_one(
            observation({"air_pressure": 1012.0}, labels=one), observation({"air_pressure": 1012.0}, labels=other)
        )["labels"]
        == one
    )


@pytest.mark.parametrize(
    ("at_ms", "end"),
    [(-1, "12:00:00"), (0, "12:00:00"), (1, "12:01:00"), (59_999, "12:01:00"), (60_000, "12:01:00")],
)
def test_a_whole_minute_belongs_to_the_minute_that_ends_with_it(at_ms: int, end: str) -> None:
    """An observation of 12:01:00 tells of the time before it, to the millisecond."""
    found = thinned_to_one(*[observation({"air_pressure": 1012.0}, at_ms)] * 2)
    assert found["@timestamp"] == f"2026-11-23T{end}.000Z"


def test_the_station_is_that_of_the_last_member() -> None:
    """A station that was moved within the minute is where it is now."""
    moved = DocumentEncoder(msgspec.structs.replace(STATION, elevation_m=22.0), "3f9c2a71")
    here, there = (observation({"air_pressure": 1012.0}, at_ms) for at_ms in (10_000, 20_000))
    (found,) = decoded(thin([(1, ENCODER.encode(here, 1)), (2, moved.encode(there, 2))], PREFIX))
    assert found["station"]["elevation_m"] == 22.0


def test_created_is_the_latest_of_the_members() -> None:
    """The last entry is not always the one that was formed last: the wall clock may have stepped back."""
    found = thinned_to_one(
        observation({"air_pressure": 1012.0}, 20_000, recorded_at_ms=NOON_MS + 99_000),
        observation({"air_pressure": 1012.0}, 10_000),
    )
    assert found["event"]["created"] == "2026-11-23T12:01:39.000Z"


def same(found: Documents, documents: Documents) -> bool:
    """Tell whether nothing has changed; the journal takes the very object to say so."""
    return found == documents and all(one is other for (_, one), (_, other) in zip(found, documents, strict=True))


def test_events_stay() -> None:
    """What happened to the station is not weather, and is not averaged."""
    event = Event("sensor_lost", "barometer is lost", NOON_MS + 10_000, clock_synchronized=True, sensor="mast")
    documents = encoded(event, event)
    assert same(thin(documents, PREFIX), documents)


def test_one_alone_in_its_minute_stays() -> None:
    """There is nothing to reduce, so its id and its bytes are what they were."""
    documents = encoded(*(observation({"air_pressure": 1012.0}, minute * 60_000) for minute in range(4)))
    assert same(thin(documents, PREFIX), documents)


def test_what_was_reduced_stays() -> None:
    """One-minute means of the same minute are not reduced again, under whatever prefix."""
    reduced = thin(encoded(*[observation({"air_pressure": 1012.0})] * 2), PREFIX)
    documents = reduced + [(seq + 10, document) for seq, document in reduced]
    assert same(thin(documents, "another-"), documents)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b'{"@timestamp"', b'{"@timestamp'),
        (b"2026-11-23T", b"2026-11-31T"),
        (b"2026-11-23T12:00", b"9999-12-31T23:59"),
        (b"1012.0", b'"high"'),
        (b"1012.0", b"1e999"),
        (b"unchecked", b"splendid"),
        (b"BMP280", b"\xff\xfe"),
    ],
    ids=str,
)
def test_what_cannot_be_decoded_stays(right: bytes, wrong: bytes) -> None:
    """What this version does not understand it does not touch, and reduces what stands around it."""
    documents = encoded(*(observation({"air_pressure": 1012.0}, at_ms) for at_ms in (10_000, 20_000, 30_000, 40_000)))
    for place in (1, 2):
        seq, document = documents[place]
        assert right in document
        documents[place] = (seq, document.replace(right, wrong))
    found = thin(documents, PREFIX)
    assert [seq for seq, _ in found] == [2, 3, 4]
    assert same(found[:2], documents[1:3])


@pytest.mark.parametrize("quantity", ["rainfall_amount", "air_pressure"])
def test_what_cannot_be_added_up_stays(quantity: str) -> None:
    """A source that sends absurd numbers gets no infinity, which JSON does not have."""
    found = [1.5e308, 1.5e308, -1.5e308] if quantity == "air_pressure" else [1e308, 1e308]
    counts = {quantity: Statistics(2)}
    documents = encoded(*(observation({quantity: value}, statistics=counts) for value in found))
    assert same(thin(documents, PREFIX), documents)


def test_nothing_makes_nothing() -> None:
    """A row without any document is none afterwards."""
    assert thin([], PREFIX) == []


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Draw one of a few sensors and transmitters within three minutes, with what its reduction could have left."""
    values, spreads, quality = {}, {}, {}
    for name in draw(st.lists(st.sampled_from(sorted(QUANTITIES)), unique=True, max_size=3)):
        flag = quality[name] = draw(st.sampled_from(Quality))
        if flag is Quality.MISSING:
            continue
        # Within half a circle, so that no directions cancel out and every measurement stays counted.
        value = values[name] = draw(st.floats(0, 170))
        if draw(st.booleans()):
            count = draw(st.integers(1, 60))
            least, greatest = value - draw(st.floats(0, 5)), value + draw(st.floats(0, 5))
            averaged = QUANTITIES[name].reduction is Reduction.MEAN
            spreads[name] = Statistics(count, least, greatest) if averaged else Statistics(count)
    return observation(
        values,
        draw(st.integers(0, 18)) * 10_000 + draw(st.sampled_from([0, 0, 1, 9_999])),
        sensor=draw(st.sampled_from(["mast", "garden"])),
        statistics=spreads,
        quality=quality,
        quality_reasons={name: "reason" for name in quality if draw(st.booleans())},
        labels=draw(st.sampled_from([{}, {"channel": "A"}, {"channel": "B"}])),
        clock_synchronized=draw(st.booleans()),
    )


EVENTS = st.just(Event("clock_stepped", "-", NOON_MS + 10_000, clock_synchronized=True))
JOURNALS = st.lists(observations() | EVENTS, max_size=40).map(lambda entries: encoded(*entries))


def counts(documents: Documents) -> Counter[str]:
    """Count the measurements behind each quantity."""
    counted: Counter[str] = Counter()
    for document in decoded(documents):
        statistics = document.get("statistics", {})
        for name in document.get("weather", {}):
            spread = statistics.get(name, {"count": 1})
            counted[name] += spread["count"] + spread.get("rejected", 0)
    return counted


@given(JOURNALS)
def test_every_measurement_stays_counted(documents: Documents) -> None:
    """Thinning loses detail, but no measurement: the counts of each quantity add up to what they were."""
    assert counts(thin(documents, PREFIX)) == counts(documents)


@given(JOURNALS)
def test_rain_and_gusts_survive_thinning(documents: Documents) -> None:
    """The rain of the day and its strongest gust are what they were, but for the rounding."""
    for name, total in (("rainfall_amount", sum), ("wind_speed_of_gust", max)):
        before, after = (
            total(
                [
                    0,
                    *(
                        document["weather"][name]
                        for document in decoded(some)
                        if name in document.get("weather", {})
                        and (name == "rainfall_amount" or document["quality"][name] != "erroneous")
                    ),
                ]
            )
            for some in (documents, thin(documents, PREFIX))
        )
        assert after == pytest.approx(before, abs=1e-6)


@given(JOURNALS)
def test_reduced_means_lie_between_their_extremes(documents: Documents) -> None:
    """However floats round, least <= mean <= greatest, and the members' own extremes are the minute's."""
    for document in decoded(thin(documents, PREFIX)):
        for name, value in document.get("weather", {}).items():
            spread = document.get("statistics", {}).get(name, {})
            if "min" in spread:
                assert spread["min"] <= value <= spread["max"]
            assert document["quality"][name] != "missing"


@given(JOURNALS)
def test_seqs_ascend_and_ids_are_unique(documents: Documents) -> None:
    """What remains stands where it stood, each document under its own seq and an id that no other has."""
    found = thin(documents, PREFIX)
    seqs = [seq for seq, _ in found]
    assert seqs == sorted(set(seqs))
    assert set(seqs) <= {seq for seq, _ in documents}
    assert [document["event"]["sequence"] for document in decoded(found)] == seqs
    assert len({document["event"]["id"] for document in decoded(found)}) == len(found)


@given(JOURNALS)
def test_one_observation_a_minute_remains(documents: Documents) -> None:
    """Afterwards no two observations of one group share a minute, and all the events are still there."""
    found = decoded(thin(documents, PREFIX))
    groups = Counter(
        (
            math.ceil(dt.datetime.fromisoformat(document["@timestamp"]).timestamp() / 60),
            document["sensor"]["name"],
            document.get("labels", {}).get("channel"),
            document["clock"]["synchronized"],
        )
        for document in found
        if document["event"]["kind"] == "metric"
    )
    assert set(groups.values()) <= {1}
    before, after = (
        [document["event"]["id"] for document in some if document["event"]["kind"] == "event"]
        for some in (decoded(documents), found)
    )
    assert after == before


@given(JOURNALS)
def test_thinning_twice_changes_nothing_more(documents: Documents) -> None:
    """What is thinned is as thin as it gets, byte for byte, also under another prefix."""
    once = thin(documents, PREFIX)
    assert same(thin(once, "another-"), once)
