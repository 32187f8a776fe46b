"""What hours do to the sink, by a fake clock; real brokers are in tests/mqtt."""

import asyncio
import itertools
import tracemalloc

import msgspec
import pytest

from tests.sinks.mqtt.far_ends import PERIOD_S, SILENCE, Rig
from weatherd.errors import SinkError, Unwelcome
from weatherd.model import Infrared
from weatherd.processing.thinning import thin
from weatherd.sinks.mqtt.answers import NOT_AUTHORIZED, QUOTA_EXCEEDED, SESSION_TAKEN_OVER, refused_connection
from weatherd.sinks.mqtt.commands import BURST_MAX
from weatherd.sinks.mqtt.home_assistant import Shown, discovery
from weatherd.sinks.mqtt.session import AT_ONCE_MAX, FRESH_MAX, HEARD_BURST_MAX
from weatherd.sinks.mqtt.sink import HEALTHY_S
from weatherd.sinks.mqtt.topics import Topics

STATE = "weatherd/s/barometer/air_pressure"
BACKLOG = "weatherd/s/backlog"
CONFIG = "homeassistant/device/weatherd-s/config"
STATUS = "weatherd/s/status"
HOUR = int(3600 / PERIOD_S)
TAKEN_OVER = refused_connection("mqtt at mqtt://a", SESSION_TAKEN_OVER, "")
PASSWORD = refused_connection("mqtt at mqtt://a", 0x86, "")


async def test_a_broker_that_is_gone_for_an_hour_is_told_once_and_nothing_old_is_shown() -> None:
    """It is in the status all the time, in the log once, tried again within the longest delay, and found at once."""
    async with Rig(delay_s_max=30.0) as rig:
        await rig.observe([1000.0])
        rig.broker.fail(SILENCE)
        began_s = rig.clock.boottime_s()
        for number in range(HOUR):
            await rig.observe([1001.0 + number / 100])
            assert rig.sink.error is not None
            assert rig.sink.error_since_ms is not None
        assert len(rig.logged("mqtt.lost")) == 1
        assert rig.events() == []
        tried_s = [at_s for at_s in rig.broker.attempts_s if at_s >= began_s]
        assert all(after - before <= 30.0 for before, after in itertools.pairwise(tried_s))
        # Two delays in a row are together no less than the longest.
        assert len(tried_s) < 2 * 3600 / 30 + 10
        await rig.clock.advance(2 * PERIOD_S)  # the last of them is not the present one any more
        rig.broker.error = None
        rig.broker.taken.clear()
        await rig.clock.advance(30.0)
        assert (rig.sink.error, rig.sink.error_since_ms) == (None, None)
        await rig.observe([1010.0])
        assert rig.broker.payloads(STATE) == [b"1010.00"]
        assert len(rig.logged("mqtt.found")) == 1


async def test_an_outage_takes_no_memory() -> None:
    """However long it is: the second hour costs nothing, but for what the journal of this test holds."""
    async with Rig() as rig:
        rig.broker.fail(SILENCE)
        rig.station.observe(1000.0)
        await rig.clock.advance(3600.0)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        attempts = len(rig.broker.attempts_s)
        await rig.clock.advance(2 * 3600.0)
        more = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert len(rig.broker.attempts_s) - attempts > 200
        assert more < 100_000


async def test_what_was_missed_follows_once_as_a_backlog() -> None:
    """All of the hour on its own topic, none of it as a value, and nothing that was sent while it was fresh."""
    async with Rig() as rig:
        await rig.observe([1000.0, 1001.0])
        rig.broker.fail(SILENCE)
        await rig.observe([1002.0 + number / 100 for number in range(HOUR)])
        with pytest.raises(SinkError, match="did not answer"):
            await rig.sink.deliver(rig.station.documents)
        await rig.clock.advance(2 * PERIOD_S)  # the last of them is not the present one any more
        rig.broker.error = None
        rig.broker.taken.clear()
        await rig.clock.advance(30.0)
        await rig.observe([1010.0])
        await rig.sink.deliver(rig.station.documents)
        assert rig.broker.payloads(BACKLOG) == rig.station.documents[2:-1]
        assert rig.broker.payloads(STATE) == [b"1010.00"]


@pytest.mark.parametrize(("lasted_s", "is_healthy"), [(HEALTHY_S - 1, False), (HEALTHY_S + 1, True)])
async def test_only_after_a_healthy_minute_the_delays_are_short_again(lasted_s: float, is_healthy: bool) -> None:  # noqa: FBT001
    """A broker that drops us again and again is not asked more and more often."""
    async with Rig(delay_s_max=3600.0) as rig:
        rig.broker.fail(SILENCE)
        await rig.clock.advance(6 * 3600.0)
        rig.broker.error = None
        assert rig.sink.attempt_next_s is not None
        await rig.clock.advance(rig.sink.attempt_next_s - rig.clock.boottime_s())
        assert rig.sink.is_connected
        await rig.clock.advance(lasted_s)
        waits_s = []
        for _ in range(2):
            rig.broker.end(SILENCE)
            await rig.clock.advance(0.0)
            assert rig.sink.attempt_next_s is not None
            waits_s.append(rig.sink.attempt_next_s - rig.clock.boottime_s())
            await rig.clock.advance(waits_s[-1])
        # Of the long delays two in a row make an hour; the first two of all at most 2 and 4 s.
        assert (sum(waits_s) <= 6.0) is is_healthy


async def test_a_connection_that_is_long_in_the_making_is_not_healthy() -> None:
    """An hour of waiting for a broker that then hangs up is no healthy minute."""
    async with Rig(delay_s_max=3600.0) as rig:
        rig.broker.fail(SILENCE)
        await rig.clock.advance(6 * 3600.0)
        rig.broker.error, rig.broker.takes_s = None, 2 * HEALTHY_S
        assert rig.sink.attempt_next_s is not None
        await rig.clock.advance(rig.sink.attempt_next_s - rig.clock.boottime_s() + 2 * HEALTHY_S)
        assert rig.sink.is_connected
        rig.broker.end(SILENCE)
        await rig.clock.advance(0.0)
        assert rig.sink.attempt_next_s is not None
        first_s = rig.sink.attempt_next_s - rig.clock.boottime_s()
        await rig.clock.advance(first_s + 2 * HEALTHY_S)
        rig.broker.end(SILENCE)
        await rig.clock.advance(0.0)
        second_s = rig.sink.attempt_next_s - rig.clock.boottime_s()
        assert first_s + second_s > 6.0


async def test_a_session_that_is_taken_over_again_and_again_is_an_event_an_hour() -> None:
    """Each time with another client id, slowly, and the journal is not filled with it."""
    async with Rig() as rig:
        for _ in range(HOUR):
            rig.broker.end(TAKEN_OVER)
            await rig.clock.advance(30.0)
        assert 2 <= len(rig.events()) <= 4  # three hours
        assert len(rig.logged("mqtt.lost")) <= 3 * 60 * 10
        assert len(set(rig.broker.client_ids)) == len(rig.broker.client_ids) > HOUR / 2


async def test_refusals_that_change_are_an_event_each_and_then_no_more_for_an_hour() -> None:
    """A broker between two mistakes says both; the log has every change."""
    async with Rig() as rig:
        for _ in range(20):
            for error in (PASSWORD, SILENCE, TAKEN_OVER, SILENCE):
                rig.broker.fail(error)
                await rig.clock.advance(30.0)
        assert rig.events() == ["mqtt_unwelcome"] * 2
        assert isinstance(PASSWORD, Unwelcome)


async def test_a_slow_line_carries_many_entries_at_once() -> None:
    """Else each would wait for the answer to the one before it: four a second over a line of 250 ms, and no more."""
    async with Rig() as rig:
        rig.broker.at_once.clear()
        for number in range(AT_ONCE_MAX + 1):
            rig.station.observe(1000.0 + number)
        await rig.clock.advance(1.0)
        assert rig.broker.at_once[:2] == [2 * AT_ONCE_MAX, 2]
        assert len(rig.broker.payloads(STATE)) == AT_ONCE_MAX + 1


async def test_of_more_than_can_be_fresh_the_newest_are_told() -> None:
    """What was jumped over is a backlog."""
    async with Rig() as rig:
        for number in range(FRESH_MAX + 3):
            rig.station.observe(float(number))
        await rig.clock.advance(1.0)
        assert rig.broker.payloads(STATE) == [f"{number}.00".encode() for number in range(3, FRESH_MAX + 3)]
        await rig.sink.deliver(rig.station.documents)
        assert rig.broker.payloads(BACKLOG) == rig.station.documents[:3]


async def test_what_a_full_broker_did_not_take_is_a_backlog() -> None:
    """It was tried while it was fresh, and that is not enough."""
    async with Rig() as rig:
        rig.broker.refused[STATE] = QUOTA_EXCEEDED
        await rig.observe([1000.0])
        rig.broker.refused.clear()
        await rig.observe([1001.0])
        await rig.sink.deliver(rig.station.documents)
        assert rig.broker.payloads(BACKLOG) == rig.station.documents[:1]


async def test_what_thinning_made_of_several_is_a_backlog() -> None:
    """Though it has the seq of one that was sent while it was fresh: what was reduced with it was not."""
    async with Rig() as rig:
        rig.broker.refused[STATE] = QUOTA_EXCEEDED
        await rig.observe([1000.0])
        rig.broker.refused.clear()
        await rig.observe([1002.0])
        ((_, reduced),) = thin(list(enumerate(rig.station.documents, 1)), "s-00000000-")
        await rig.sink.deliver([reduced])
        assert rig.broker.payloads(BACKLOG) == [reduced]


async def test_a_backlog_that_is_not_taken_stays() -> None:
    """The journal keeps it until it is."""
    async with Rig() as rig:
        rig.broker.refused = {STATE: QUOTA_EXCEEDED, BACKLOG: QUOTA_EXCEEDED}
        await rig.observe([1000.0])
        with pytest.raises(SinkError, match="quota exceeded"):
            await rig.sink.deliver(rig.station.documents)
        assert rig.broker.payloads(BACKLOG) == []


async def test_a_sensor_that_was_lost_and_came_back_meanwhile_is_told_as_it_is() -> None:
    """What it was before the outage counts for nothing."""
    topic = "weatherd/s/barometer/availability"
    async with Rig() as rig:
        rig.broker.fail(SILENCE)
        rig.station.is_there = False
        await rig.clock.advance(60.0)
        rig.broker.error = None
        await rig.clock.advance(60.0)
        assert rig.broker.payloads(topic) == [b"online", b"offline"]
        rig.broker.fail(SILENCE)
        rig.station.is_there = True
        await rig.clock.advance(60.0)
        rig.broker.error = None
        await rig.clock.advance(60.0)
        assert rig.broker.payloads(topic) == [b"online", b"offline", b"online"]


async def test_a_command_that_takes_its_time_makes_us_deaf_to_nobody() -> None:
    """A last will that comes late is taken back meanwhile."""
    async with Rig(commands=True) as rig:
        rig.station.work.clear()
        rig.broker.say("weatherd/s/command", b"report")
        rig.broker.say("weatherd/s/availability", b"offline")
        await rig.clock.advance(0.0)
        assert rig.broker.payloads("weatherd/s/availability") == [b"online", b"online"]
        assert rig.broker.payloads("weatherd/s/response") == []
        rig.station.work.set()
        await rig.clock.advance(0.0)
        assert len(rig.broker.payloads("weatherd/s/response")) == 1


async def test_a_flood_costs_a_few_lines_and_no_messages() -> None:
    """Of commands, and of others who say that we are gone."""
    async with Rig(commands=True) as rig:
        for _ in range(10_000):
            rig.broker.say("weatherd/s/command", b"report")
            rig.broker.say("weatherd/s/availability", b"offline")
        await rig.observe([1000.0])
        assert rig.station.reports_count <= 5
        assert len(rig.lines) < 50
        assert rig.broker.payloads(STATE) == [b"1000.00"]
        assert len(rig.broker.payloads("weatherd/s/availability")) < 5


async def test_a_retained_command_and_the_last_words_of_before_are_not_followed() -> None:
    """They were meant for another time."""
    async with Rig(commands=True) as rig:
        rig.broker.say("weatherd/s/command", b"report", retained=True)
        rig.broker.say("weatherd/s/availability", b"offline", retained=True)
        await rig.clock.advance(1.0)
        assert rig.station.reports_count == 0
        (line,) = rig.logged("mqtt.command_refused")
        assert "retained" in str(line["message"])
        assert rig.broker.payloads("weatherd/s/availability") == [b"online"]


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[" * 100_000, b'{"run_id": 1}', b'{"run_id": "3f9c2a71"}', b'{"run_id": null}']
)
async def test_what_is_no_status_of_another_run_is_nothing(payload: bytes) -> None:
    """Be it our own, or garbage."""
    async with Rig() as rig:
        rig.broker.say("weatherd/s/status", payload)
        await rig.clock.advance(1.0)
        assert rig.sink.error is None
        assert rig.sink.is_connected


async def test_after_a_break_all_is_told_anew() -> None:
    """The broker may have been restarted, and have kept nothing."""
    async with Rig(home_assistant=True) as rig:
        await rig.observe([1000.0])
        rig.broker.end(SILENCE)
        rig.broker.taken.clear()
        await rig.clock.advance(2.0)
        for topic in ("weatherd/s/availability", "weatherd/s/barometer/availability", CONFIG, STATUS):
            assert len(rig.broker.payloads(topic)) == 1, topic
        await rig.observe([1001.0])
        assert rig.broker.payloads(STATE)[-1] == b"1001.00"


async def test_a_twin_hears_of_us_at_once_and_is_an_event_once() -> None:
    """Else each of them would be told of the other a minute apart."""
    async with Rig() as rig:
        rig.broker.taken.clear()
        for _ in range(3):
            rig.broker.say(STATUS, b'{"run_id": "other"}')
            await rig.clock.advance(1.0)
        assert len(rig.broker.payloads(STATUS)) == 1
        assert rig.events() == ["mqtt_twin"]
        assert rig.sink.error is not None
        assert "'other'" in rig.sink.error.sentence
        rig.broker.say(STATUS, b'{"run_id": "retained"}', retained=True)
        await rig.clock.advance(1.0)
        assert rig.events() == []


async def test_the_status_is_told_each_minute_and_when_the_clock_is_known() -> None:
    """A clock that is synchronised is news at once."""
    async with Rig() as rig:
        rig.broker.taken.clear()
        await rig.clock.advance(61.0)
        assert len(rig.broker.payloads(STATUS)) == 1
        rig.station.is_synchronized = False
        await rig.clock.advance(1.0)
        assert len(rig.broker.payloads(STATUS)) == 2


async def test_the_status_is_told_again_when_home_assistant_knows_of_the_station() -> None:
    """It is not retained, and Home Assistant listens only when it has read the discovery."""
    async with Rig(home_assistant=True) as rig:
        assert [one.topic for one in rig.broker.taken if one.topic in {CONFIG, STATUS}] == [CONFIG, STATUS]
        await rig.clock.advance(3.0)
        assert len(rig.broker.payloads(STATUS)) == 2
        await rig.clock.advance(50.0)
        assert len(rig.broker.payloads(STATUS)) == 2


async def test_another_journal_in_the_place_of_the_first_is_followed_from_its_beginning() -> None:
    """A damaged one is set aside while the station runs, and the new one counts from one."""
    async with Rig() as rig:
        await rig.observe([1000.0, 1001.0])
        rig.station.documents.clear()
        await rig.clock.advance(1.0)
        await rig.observe([1002.0])
        assert rig.broker.payloads(STATE)[-1] == b"1002.00"


async def test_what_is_left_of_a_sensor_that_is_gone_is_removed_once() -> None:
    """By what the broker has retained; what others say of sensors that there are is theirs."""
    gone, there = "weatherd/s/gone/availability", "weatherd/s/barometer/availability"
    async with Rig() as rig:
        rig.broker.taken.clear()
        rig.broker.say(gone, b"online", retained=True)
        rig.broker.say(there, b"offline", retained=True)
        rig.broker.say("weatherd/s/live/availability", b"online")
        await rig.clock.advance(1.0)
        assert [(one.topic, one.payload, one.is_retained) for one in rig.broker.taken] == [(gone, b"", True)]


def before_it_moved(rig: Rig) -> bytes:
    """Return the discovery of the station of a rig when it was under another topic."""
    shown = Shown("barometer", ["air_pressure"], 60.0)
    return msgspec.json.encode(discovery(rig.station.station, "1", Topics("old"), [shown]))


OLD = ["old/availability", "old/barometer/availability"]


async def test_what_was_left_behind_under_another_topic_is_removed() -> None:
    """Once, as soon as that says that nobody is there; a connection that breaks meanwhile is no matter."""
    async with Rig(home_assistant=True) as rig:
        rig.broker.say(CONFIG, before_it_moved(rig), retained=True)
        await rig.clock.advance(1.0)
        assert rig.broker.subscribed[-1] == OLD[0]
        rig.broker.end(SILENCE)
        await rig.clock.advance(2.0)
        assert rig.broker.subscribed.count(OLD[0]) == 2
        rig.broker.say(OLD[0], b"online", retained=True)
        rig.broker.say(OLD[0], b"")
        await rig.clock.advance(1.0)
        assert not any(one.topic in OLD for one in rig.broker.taken)
        rig.broker.say(OLD[0], b"offline")
        rig.broker.say(OLD[0], b"offline")
        await rig.clock.advance(1.0)
        assert [(one.topic, one.payload, one.is_retained) for one in rig.broker.taken if one.topic in OLD] == [
            (OLD[0], b"", True),
            (OLD[1], b"", True),
        ]
        assert len(rig.logged("mqtt.moved")) == 1


async def test_our_own_discovery_is_no_move() -> None:
    """It is read back at each connection, and needs no answer."""
    async with Rig(home_assistant=True) as rig:
        await rig.observe([1000.0])
        rig.broker.say(CONFIG, rig.broker.payloads(CONFIG)[-1], retained=True)
        rig.broker.subscribed.clear()
        rig.broker.taken.clear()
        await rig.clock.advance(1.0)
        assert rig.broker.subscribed == []
        assert rig.broker.taken == []


async def test_a_sink_that_moves_leaves_nothing_behind() -> None:
    """It says that it is gone, as one does that only stops, and then removes what that was retained for."""
    there = "weatherd/s/availability"
    for moves in (False, True):
        async with Rig() as rig:
            if moves:
                rig.sink.moves()
            rig.broker.taken.clear()
        said = [(one.topic, one.payload, one.is_retained) for one in rig.broker.taken]
        removed = [(there, b"", True), ("weatherd/s/barometer/availability", b"", True)] if moves else []
        assert said == [(there, b"offline", True), *removed]


async def test_who_removes_our_availability_while_we_are_there_is_corrected() -> None:
    """As who says that we are gone; our own word needs no correction."""
    async with Rig() as rig:
        rig.broker.taken.clear()
        for said in (b"", b"online"):
            rig.broker.say("weatherd/s/availability", said)
            await rig.clock.advance(1.0)
        assert rig.broker.payloads("weatherd/s/availability") == [b"online"]
        assert len(rig.logged("mqtt.corrected")) == 1


async def test_a_sensor_that_leaves_the_configuration_leaves_nothing_retained() -> None:
    """What is retained of it is removed once, over the same connection."""
    topic = "weatherd/s/barometer/availability"
    async with Rig() as rig:
        rig.station.is_configured = False
        await rig.clock.advance(10.0)
        assert rig.broker.payloads(topic) == [b"online", b""]
        assert rig.broker.taken[-1].is_retained
        assert rig.sink.attempts == {"connected": 1}


async def test_a_topic_that_the_access_list_forbids_is_an_event_once() -> None:
    """Others go on, and the status names it until it is taken."""
    async with Rig() as rig:
        rig.broker.refused[STATE] = NOT_AUTHORIZED
        await rig.observe([1000.0, 1001.0])
        assert rig.events() == ["mqtt_not_taken"]
        assert rig.sink.error is not None
        assert STATE in rig.sink.error.sentence
        assert len(rig.broker.payloads(f"{STATE}/attributes")) == 2
        rig.broker.refused.clear()
        await rig.observe([1002.0])
        assert rig.sink.error is None


async def test_a_topic_that_the_broker_does_not_let_us_hear_is_told_once() -> None:
    """At the first connection, and with the way to mend it."""
    async with Rig() as rig:
        rig.broker.unheard.add(STATUS)
        for _ in range(3):
            rig.broker.end(SILENCE)
            await rig.clock.advance(60.0)
        (line,) = rig.logged("mqtt.not_heard")
        assert STATUS in str(line["message"])
        assert "access list" in str(line["hint"])


async def test_the_present_value_is_told_anew_after_a_break() -> None:
    """While no newer one is due; who came meanwhile would else know nothing for a period."""
    async with Rig() as rig:
        await rig.observe([1000.0])
        rig.broker.end(SILENCE)
        await rig.clock.advance(3.0)
        assert rig.broker.payloads(STATE) == [b"1000.00", b"1000.00"]
        rig.broker.end(SILENCE)
        await rig.clock.advance(PERIOD_S)
        assert rig.broker.payloads(STATE) == [b"1000.00", b"1000.00"]


async def test_what_cannot_be_read_at_the_end_of_the_journal_holds_up_nobody() -> None:
    """It was looked at, and what comes behind it is told."""
    async with Rig() as rig:
        rig.station.unreadable_count = 1
        await rig.observe([1000.0])
        rig.station.unreadable_count = 0
        await rig.observe([1001.0])
        assert rig.broker.payloads(STATE) == [b"1001.00"]
        await rig.sink.deliver(rig.station.documents)
        assert rig.broker.payloads(BACKLOG) == rig.station.documents[:1]


async def test_commands_that_take_their_time_are_let_in_as_far_as_there_is_room() -> None:
    """One is followed, some wait, and the log tells of the others; the connection lasts."""
    async with Rig(commands=True) as rig:
        rig.station.work.clear()
        for _ in range(BURST_MAX + 10):
            rig.broker.say("weatherd/s/command", b"report")
            await rig.clock.advance(1.0)
        assert rig.sink.attempts == {"connected": 1}
        assert len(rig.logged("mqtt.command_refused")) == 9
        rig.station.work.set()
        await rig.clock.advance(1.0)
        assert rig.station.reports_count == BURST_MAX + 1


async def test_home_assistants_birth_is_answered_unless_it_is_of_before() -> None:
    """Within a few seconds, by discovery, then the status and the present values; a retained one is no news."""
    async with Rig(home_assistant=True) as rig:
        await rig.observe([1000.0])
        rig.broker.taken.clear()
        rig.broker.say("homeassistant/status", b"online", retained=True)
        rig.broker.say("homeassistant/status", b"offline")
        await rig.clock.advance(1.0)
        assert rig.broker.taken == []
        rig.station.observe(1001.0)
        rig.broker.say("homeassistant/status", b"online")
        await rig.clock.advance(8.0)
        assert [one.topic for one in rig.broker.taken if "attributes" not in one.topic] == [
            STATE,
            CONFIG,
            STATUS,
            STATE,
        ]


async def test_a_broker_that_wants_other_settings_is_asked_slowly_from_the_first() -> None:
    """Each wrong password may be one of those that get us banned."""
    async with Rig(delay_s_max=100.0) as rig:
        rig.broker.fail(PASSWORD)
        await rig.clock.advance(600.0)
        waits_s = [after - before for before, after in itertools.pairwise(rig.broker.attempts_s[1:])]
        assert len(waits_s) >= 5
        assert all(50.0 <= wait_s <= 100.0 for wait_s in waits_s)


async def test_a_backlog_waits_until_the_fresh_have_been_told() -> None:
    """The journal's forwarder may come first, and nothing goes out twice."""
    async with Rig() as rig:
        rig.station.observe(1000.0)
        delivering = asyncio.create_task(rig.sink.deliver(rig.station.documents))
        await rig.clock.advance(1.0)
        assert delivering.done()
        assert rig.broker.payloads(BACKLOG) == []
        assert rig.broker.payloads(STATE) == [b"1000.00"]


async def test_the_echo_of_our_own_discovery_is_not_answered() -> None:
    """We subscribe to where we publish it; only what was retained there before us tells what is gone."""
    async with Rig(home_assistant=True) as rig:
        await rig.observe([1000.0])
        rig.broker.taken.clear()
        rig.broker.say(CONFIG, b'{"components": {"gone.air_pressure": {"platform": "sensor"}}}')
        await rig.clock.advance(1.0)
        assert rig.broker.taken == []
        rig.broker.say(CONFIG, b'{"components": {"gone.air_pressure": {"platform": "sensor"}}}', retained=True)
        await rig.clock.advance(1.0)
        assert [one.topic for one in rig.broker.taken] == [CONFIG, CONFIG]
        assert b"gone.air_pressure" not in rig.broker.taken[-1].payload


KEY = Infrared("nec", "0x40bf")


async def test_what_is_heard_goes_out_at_once_or_never() -> None:
    """What a remote said before the connection is not told by it, nor is more than fifty at once and ten a second."""
    async with Rig() as rig:
        rig.station.hear(KEY)
        await rig.clock.advance(0.01)
        assert keys(rig) == 1
        rig.broker.fail(SILENCE)
        await rig.clock.advance(1.0)
        rig.station.hear(KEY)
        rig.broker.error = None
        await rig.clock.advance(60.0)
        assert keys(rig) == 1
        for _ in range(HEARD_BURST_MAX + 20):
            rig.station.hear(KEY)
        await rig.clock.advance(0.01)
        assert keys(rig) == 1 + HEARD_BURST_MAX
        await rig.clock.advance(0.1)
        rig.station.hear(KEY)
        await rig.clock.advance(0.01)
        assert keys(rig) == 2 + HEARD_BURST_MAX


def keys(rig: Rig) -> int:
    return sum(one.topic == "weatherd/s/remote/key" for one in rig.broker.taken)


async def test_signals_that_take_their_time_are_let_in_as_far_as_there_is_room() -> None:
    """One is sent, some wait, and the log tells of the others; values go on meanwhile."""
    signal = b'{"timings": [9000, -4500, 560], "modulation": 38000, "repeat_count": 0}'
    async with Rig(home_assistant=True, emits=True) as rig:
        rig.station.work.clear()
        for _ in range(BURST_MAX + 3):
            rig.broker.say("weatherd/s/infrared", signal)
            await rig.clock.advance(0.5)
        assert len(rig.logged("mqtt.command_refused")) == 2
        rig.station.observe(1000.0)
        await rig.clock.advance(1.0)
        assert any(one.topic == STATE for one in rig.broker.taken)
        rig.station.work.set()
        await rig.clock.advance(1.0)
        assert rig.station.emitted == [([9000, 4500, 560], 38_000)] * (BURST_MAX + 1)
