import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.end_to_end.stations import eventually
from tests.fakes import FakeClock
from tests.panel.stations import Shown, shown, write_lines
from weatherd.errors import JournalUnavailable
from weatherd.panel import routes, stream
from weatherd.panel.stream import RESUMED_MAX, SIGN_PERIOD_S, Stream, Viewer
from weatherd.panel.view import Message, Read, Shape, Wanted
from weatherd.testing.logstash import Accept, Answer, LogstashStandIn

T0_S = 1_790_000_000


class Told:
    """One event of a stream."""

    def __init__(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        self.name = fields.get("event", "")
        self.seq = int(fields["id"]) if "id" in fields else None
        self.body: Any = msgspec.json.decode(fields["data"]) if "data" in fields else None


def told(data: bytes) -> list[Told]:
    """Return the events of a part of a stream."""
    return [one for one in map(Told, data.decode().split("\n\n")) if one.name]


async def events(one: Shown, **headers: str) -> AsyncIterator[Told]:
    """Yield the events of the stream as they come."""
    async with one.session.get("/api/v1/stream", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        block = b""
        async for line in answer.content:
            block += line
            if line == b"\n":
                for event in told(block):
                    yield event
                block = b""


async def until(found: AsyncIterator[Told], name: str, **fields: object) -> Told:
    """Return the first event of a name whose body has such fields."""
    async with asyncio.timeout(20):
        async for event in found:
            if event.name == name and all(event.body.get(key) == value for key, value in fields.items()):
                return event
    raise AssertionError("the stream has ended")


async def test_a_viewer_is_told_state_and_observations(tmp_path: Path) -> None:
    """The state first, then each observation with its seq as soon as the journal has it."""
    async with shown(tmp_path) as one:
        found = events(one)
        first = await anext(found)
        assert first.name == "state"
        assert {"sensors", "sinks", "journal", "clock"} == first.body.keys()
        await write_lines(tmp_path, {"time": T0_S, "t": 21.25, "channel": 3})
        event = await until(found, "observation", sensor="garden")
        assert event.seq == event.body["seq"]
        assert event.body["values"]["air_temperature"]["value"] == 21.25
        assert event.body["labels"] == {"channel": "3"}
        await found.aclose()  # type: ignore[attr-defined]


async def test_who_comes_back_misses_nothing(tmp_path: Path) -> None:
    """With the last id, what came meanwhile comes first, each once and in order; then it goes on live."""
    async with shown(tmp_path) as one:
        found = events(one)
        await write_lines(tmp_path, {"time": T0_S, "t": 1.0})
        last = await until(found, "observation", sensor="garden")
        await found.aclose()  # type: ignore[attr-defined]
        await write_lines(tmp_path, *({"time": T0_S + n, "t": float(n)} for n in range(2, 40)))
        await eventually(lambda: one.daemon.parts.samplers[1].condition.observations_count == 39)
        seqs: list[int] = []
        values: list[float] = []
        async with asyncio.timeout(20), contextlib.aclosing(events(one, **{"Last-Event-ID": str(last.seq)})) as again:
            async for event in again:
                if event.seq is not None:
                    seqs.append(event.seq)
                if event.name == "observation" and event.body["sensor"] == "garden":
                    values.append(event.body["values"]["air_temperature"]["value"])
                    if values[-1] == 39.0:
                        await write_lines(tmp_path, {"time": T0_S + 40, "t": 40.0})
                    if values[-1] == 40.0:
                        break
        assert values == [float(n) for n in range(2, 41)]
        assert last.seq is not None
        assert seqs == list(range(last.seq + 1, last.seq + 1 + len(seqs)))


async def test_a_sink_that_goes_away_and_comes_back_is_a_state(tmp_path: Path) -> None:
    """The page hears of it within a second or two, without asking."""
    async with (
        LogstashStandIn() as logstash,
        shown(tmp_path, logstash=logstash) as one,
        contextlib.aclosing(events(one)) as found,
    ):

        async def sink_is(state: str) -> None:
            async with asyncio.timeout(30):
                while (await until(found, "state")).body["sinks"][0]["state"] != state:
                    pass

        await sink_is("answers")
        logstash.behave(Answer(503))
        await sink_is("lost")
        logstash.behave(Accept())
        await sink_is("answers")


async def test_it_ends_with_the_station(tmp_path: Path) -> None:
    """A viewer sees the end as an end, and keeps no station from stopping."""
    async with shown(tmp_path) as one:
        found = events(one)
        await anext(found)
        one.daemon.stop()
        async with asyncio.timeout(10):
            assert [event async for event in found if event.name == "no such event"] == []


@pytest.mark.parametrize("last", ["", "no number", "-1", "9" * 19])
async def test_an_id_that_is_none_begins_anew(tmp_path: Path, last: str) -> None:
    """A seq that is none, or lies ahead because the journal is another one, is no reason to fail."""
    async with shown(tmp_path) as one, contextlib.aclosing(events(one, **{"Last-Event-ID": last})) as found:
        assert (await anext(found)).name == "state"


async def test_a_viewer_that_does_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while in which nothing can be sent, its place is free."""
    monkeypatch.setattr(routes, "SEND_S_MAX", 0.5)
    async with shown(tmp_path) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port, limit=1024)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one.daemon.parts.showing is not None
        watched = one.daemon.parts.showing.server.stream
        await eventually(lambda: watched.viewers_count == 1)

        def is_over() -> bool:
            watched._push(None, b": " + b"x" * 1_000_000 + b"\n\n")
            return watched.viewers_count == 0

        await eventually(is_over)
        assert (await one.get("/healthz"))[0] == 200
        writer.close()
        del reader


async def test_a_journal_that_fails_ends_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was missed cannot be read now: the viewer comes back later, and finds no second answer within the first."""

    async def fail(seq: int) -> None:
        raise JournalUnavailable("the card is away")

    async with shown(tmp_path) as one:
        await eventually(lambda: one.daemon.parts.journal.last_seq > 2)
        monkeypatch.setattr(one.daemon.parts.journal, "run_at", fail)
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n")
        told_bytes = b""
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(1000), 10):
                told_bytes += part
        assert told_bytes.count(b"HTTP/1.1") == 1
        assert b"problem" not in told_bytes
        writer.close()
        monkeypatch.undo()


async def test_viewers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to come back later."""
    monkeypatch.setattr(stream, "VIEWERS_MAX", 1)
    async with shown(tmp_path) as one, contextlib.aclosing(events(one)) as found:
        await anext(found)
        status, problem = await one.get("/api/v1/stream")
        assert (status, problem["type"]) == (503, "stream.full")


class Station:
    """A view that holds as many observations as it is told to."""

    def __init__(self) -> None:
        self._last_seq = 0
        self._grown = asyncio.Event()
        self.error: JournalUnavailable | None = None
        self.lag = 0
        self.state = "answers"

    @property
    def last_seq(self) -> int:
        return self._last_seq

    @last_seq.setter
    def last_seq(self, seq: int) -> None:
        self._last_seq = seq
        self._grown.set()

    def station(self) -> Shape:
        return {}

    def sensors(self) -> Sequence[Shape]:
        return [{"name": "b", "state": "working", "observations_count": self.last_seq}]

    def sinks(self) -> Sequence[Shape]:
        return [{"name": "l", "state": self.state, "lag": self.lag, "backlog": 0, "attempt_next_in_s": self.last_seq}]

    def journal(self) -> Shape:
        return {"last_seq": self.last_seq}

    def clock(self) -> Shape:
        return {"now": str(self.last_seq), "synchronized": True}

    def problems(self) -> Sequence[str]:
        return []

    async def current(self) -> Shape:
        return {}

    async def history(self, wanted: Wanted) -> Shape:
        return {}

    async def events(self, before_seq: int, count_max: int) -> Sequence[Shape]:
        return []

    async def wait_beyond(self, seq: int) -> None:
        while self.last_seq <= seq:
            self._grown.clear()
            await self._grown.wait()

    async def read(self, seq: int) -> Read:
        if self.error is not None:
            raise self.error
        last_seq = min(seq + 299, self.last_seq)
        return Read([Message(one, "observation", {"seq": one}) for one in range(seq, last_seq + 1)], last_seq)


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.view = Station()
        self.stream = Stream(self.view, self.clock)

    async def names(self, viewer: Viewer) -> list[tuple[str, int | None]]:
        """Return what waits for a viewer: the names, and the seqs."""
        return [(one.name, one.seq) for one in told(await asyncio.wait_for(viewer.take(), 5))]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    one = Bench()
    running = asyncio.create_task(one.stream.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_state_comes_on_change_and_with_signs_of_life(bench: Bench) -> None:
    """Counters that go up with each observation are no change; a sink that is lost is, and so is its lag then."""
    viewer, _ = bench.stream.join()
    assert await bench.names(viewer) == [("state", None)]
    await bench.clock.advance(1.0)
    await bench.names(viewer)  # the first sign of life
    bench.view.last_seq, bench.view.lag = 1, 1
    await bench.clock.advance(2.0)
    assert await bench.names(viewer) == [("observation", 1)]
    bench.view.state = "lost"
    await bench.clock.advance(1.0)
    assert await bench.names(viewer) == [("state", None)]
    bench.view.lag = 2
    await bench.clock.advance(1.0)
    assert await bench.names(viewer) == [("state", None)]
    await bench.clock.advance(SIGN_PERIOD_S)
    data = await viewer.take()
    assert data.startswith(stream.SIGN)
    assert [one.name for one in told(data)] == ["state"]


async def test_a_viewer_that_is_too_slow_finds_a_gap(bench: Bench) -> None:
    """What does not fit gives way to one message that names all that was left out; the newest are there."""
    slow, _ = bench.stream.join()
    quick, _ = bench.stream.join()
    await bench.names(quick)
    for last_seq in range(100, 901, 100):
        bench.view.last_seq = last_seq
        await bench.clock.advance(0.0)
        await eventually(lambda last_seq=last_seq: bench.stream._seq == last_seq)
        assert ("gap", None) not in await bench.names(quick)
    events = told(await slow.take())
    assert events[0].name == "gap"
    assert events[0].body["first_seq"] == 1
    seqs = [one.seq for one in events if one.seq is not None]
    assert seqs == list(range(events[0].body["last_seq"] + 1, 901))


async def test_who_was_away_for_long_is_told_what_is_left_out(bench: Bench) -> None:
    """Of more than a thousand missed entries the newest come, behind a gap that names the others."""
    bench.view.last_seq = 5000
    _, seq = bench.stream.join()
    events = [one async for part in bench.stream.missed(10, seq) for one in told(part)]
    gap, *others = events
    assert gap.body == {"first_seq": 11, "last_seq": 5000 - RESUMED_MAX}
    assert [one.seq for one in others] == list(range(5001 - RESUMED_MAX, 5001))


async def test_a_journal_that_cannot_be_read_is_read_later(bench: Bench) -> None:
    """Nothing is left out for it."""
    viewer, _ = bench.stream.join()
    await bench.names(viewer)
    bench.view.error = JournalUnavailable("the card is away")
    bench.view.last_seq = 2
    await bench.clock.advance(2.0)
    bench.view.error = None
    await bench.clock.advance(3.0)
    names = await bench.names(viewer)
    assert [one for one in names if one[0] == "observation"] == [("observation", 1), ("observation", 2)]


async def test_nothing_is_read_while_nobody_watches(bench: Bench) -> None:
    """The journal is left alone, and who comes then is told what comes from then on."""
    bench.view.last_seq = 700
    bench.view.error = JournalUnavailable("nobody may read")
    await bench.clock.advance(5.0)
    viewer, seq = bench.stream.join()
    assert seq == 700
    bench.stream.leave(viewer)
    assert bench.stream.viewers_count == 0
