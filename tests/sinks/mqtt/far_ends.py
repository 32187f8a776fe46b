"""A broker and a station without a network and by a fake clock, and a sink between them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Self

from paho.mqtt.client import topic_matches_sub

from tests.fakes import NOON_MS, FakeClock, recording_log
from weatherd.backoff import full_jitter, slowly
from weatherd.errors import NoSuchCommand, SinkError, Unreachable
from weatherd.happenings import Happenings
from weatherd.model import Event, Heard, Infrared, Observation, Quality, Station
from weatherd.processing.documents import Document, DocumentEncoder, decode
from weatherd.queueing import BoundedQueue
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.answers import Refusal
from weatherd.sinks.mqtt.connection import Received
from weatherd.sinks.mqtt.messages import Message
from weatherd.sinks.mqtt.port import Fresh, InfraredNow, SensorNow
from weatherd.sinks.mqtt.sink import MqttSink, Wishes
from weatherd.sinks.mqtt.topics import Topics

PERIOD_S = 10.0
SILENCE = Unreachable("mqtt at mqtt://a did not answer within 10 s", "look at the network")


class FakeBroker:
    """
    A broker that is there, or not.

    Attributes:
        error: What a connection meets, while it is set; those that there are end by it.
        refused: By topic, the reason for which nothing is taken there.
        taken: What it took, in order, and how much at once.
        unheard: The topics that it lets nobody subscribe to.
        subscribed: What was subscribed to, by all connections.
        attempts_s: When a connection was tried.
        takes_s: How long it takes to let somebody in.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.error: SinkError | None = None
        self.refused: dict[str, int] = {}
        self.taken: list[Message] = []
        self.at_once: list[int] = []
        self.subscribed: list[str] = []
        self.unheard: set[str] = set()
        self.attempts_s: list[float] = []
        self.client_ids: list[str] = []
        self.takes_s = 0.0
        self._clock = clock
        self._inboxes: dict[asyncio.Queue[Received | SinkError], list[str]] = {}

    def connect(self, _: Address, client_id: str, __: Message) -> "FakeConnection":
        self.client_ids.append(client_id)
        return FakeConnection(self)

    def fail(self, error: SinkError) -> None:
        """Be gone from now on, and end what there is."""
        self.error = error
        self.end(error)

    def end(self, error: SinkError) -> None:
        """End the connections that there are."""
        for inbox in self._inboxes:
            inbox.put_nowait(error)
        self._inboxes.clear()

    def say(self, topic: str, payload: bytes, *, retained: bool = False, response: str | None = None) -> None:
        """Let somebody publish; whoever has subscribed hears it."""
        for inbox, subscribed in self._inboxes.items():
            if any(topic_matches_sub(one, topic) for one in subscribed):
                inbox.put_nowait(Received(topic, payload, retained, response, None))

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.taken if message.topic == topic]


class FakeConnection:
    """One connection to it; keeps the promise of `weatherd.sinks.mqtt.connection.Connection`."""

    shown = "mqtt at mqtt://a"

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._inbox: asyncio.Queue[Received | SinkError] = asyncio.Queue()

    async def open(self) -> None:
        self._broker.attempts_s.append(self._broker._clock.boottime_s())
        if self._broker.takes_s:
            await self._broker._clock.sleep(self._broker.takes_s)
        if self._broker.error is not None:
            raise self._broker.error
        self._broker._inboxes[self._inbox] = []

    async def subscribe(self, topics: Sequence[str]) -> Sequence[str]:
        self._broker.subscribed += topics
        self._broker._inboxes[self._inbox] += topics
        return [topic for topic in topics if topic in self._broker.unheard]

    async def send(self, messages: Sequence[Message], *, correlation: bytes | None = None) -> Sequence[Refusal]:
        del correlation
        await asyncio.sleep(0)
        if self._broker.error is not None:
            raise self._broker.error
        self._broker.at_once.append(len(messages))
        refused = self._broker.refused
        self._broker.taken += [message for message in messages if message.topic not in refused]
        return [Refusal(one.topic, refused[one.topic], "why") for one in messages if one.topic in refused]

    async def messages(self) -> AsyncIterator[Received]:
        while True:
            said = await self._inbox.get()
            if isinstance(said, SinkError):
                raise said
            yield said

    async def close(self, last: Sequence[Message] = ()) -> None:
        self._broker.taken += last

    def drop(self) -> None:
        self._broker._inboxes.pop(self._inbox, None)


class FakeStation:
    """
    A station with a barometer, whose journal is a list.

    Attributes:
        work: Reporting waits for it.
        is_configured: Whether the barometer is.
        unreadable_count: So many entries at the end of the journal cannot be read.
    """

    version = "1.0"
    run_id = "3f9c2a71"
    station = Station("s")

    def __init__(self, clock: FakeClock) -> None:
        self.is_there = True
        self.is_synchronized = True
        self.work = asyncio.Event()
        self.work.set()
        self.reports_count = 0
        self.documents: list[bytes] = []
        self.emits = False
        self.is_configured = True
        self.unreadable_count = 0
        self.emitted: list[tuple[Sequence[int], int]] = []
        self._heard: list[Heard] = []
        self._clock = clock
        self._newest: dict[str, Observation] = {}
        self._grew = asyncio.Event()
        self._encoder = DocumentEncoder(self.station, self.run_id)

    def observe(self, value: float) -> None:
        """Observe a pressure now."""
        now_ms = self._clock.now_ms()
        observation = Observation(
            "barometer",
            "BMP280",
            now_ms,
            now_ms,
            values={"air_pressure": value},
            quality={"air_pressure": Quality.GOOD},
            clock_synchronized=True,
        )
        self._newest["air_pressure"] = observation
        self.documents.append(self._encoder.encode(observation, len(self.documents) + 1))
        self._grew.set()
        self._grew = asyncio.Event()

    @property
    def last_seq(self) -> int:
        return len(self.documents)

    async def wait_beyond(self, seq: int) -> None:
        while self.last_seq <= seq:
            await self._grew.wait()

    async def fresh(self, seq: int) -> Fresh:
        entries: list[tuple[int, Document]] = [
            (number, decode(document)) for number, document in enumerate(self.documents[seq - 1 :], seq)
        ]
        return Fresh(entries[: len(entries) - self.unreadable_count], self.last_seq)

    def sensors(self) -> Sequence[SensorNow]:
        barometer = SensorNow("barometer", None, self._newest, self.is_there, 60.0, PERIOD_S + 5)
        return [barometer] if self.is_configured else []

    def status(self) -> Mapping[str, Any]:
        return {
            "lag": 0,
            "clock_synchronized": self.is_synchronized,
            "started_at": "",
            "version": self.version,
            "run_id": self.run_id,
        }

    async def report(self, sensor: str | None) -> int:
        if sensor not in {None, "barometer"}:
            raise KeyError(sensor)
        await self.work.wait()
        self.reports_count += 1
        return 1

    async def requeue(self) -> int:
        return 7

    def hear(self, infrared: Infrared) -> None:
        """Hear a remote now."""
        self._heard.append(Heard(self.heard_count + 1, "remote", self._clock.now_ms(), infrared))
        self._grew.set()
        self._grew = asyncio.Event()

    @property
    def heard_count(self) -> int:
        return len(self._heard)

    def heard(self, number: int) -> Sequence[Heard]:
        return self._heard[number:]

    async def wait_heard(self, number: int) -> None:
        while self.heard_count <= number:
            await self._grew.wait()

    def infrared(self) -> InfraredNow:
        return InfraredNow(emits=self.emits)

    async def send_infrared(self, name: str) -> None:
        raise NoSuchCommand(f"there is no infrared command {name!r}", "add it")

    async def send_timings(self, timings_us: Sequence[int], carrier_hz: int) -> None:
        await self.work.wait()
        self.emitted.append((timings_us, carrier_hz))


class Rig:
    """A sink between the two, which runs until it is left."""

    def __init__(
        self,
        *,
        commands: bool = False,
        home_assistant: bool = False,
        emits: bool = False,
        delay_s_max: float = 30.0,
    ) -> None:
        self.clock = FakeClock(NOON_MS)
        self.broker = FakeBroker(self.clock)
        self.station = FakeStation(self.clock)
        self.station.emits = emits
        self.log, self.lines = recording_log()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        self.sink = MqttSink(
            Address("mqtt://a"),
            Topics("weatherd/s"),
            Wishes("homeassistant" if home_assistant else None, commands),
            self.station,
            clock=self.clock,
            log=self.log,
            happenings=Happenings(self.queue, self.clock, self.log),
            delays=lambda: full_jitter(min(2.0, delay_s_max), delay_s_max),
            delays_unwelcome=lambda: slowly(delay_s_max),
            connect=self.broker.connect,  # type: ignore[arg-type]  # a fake
        )
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.sink.run())
        await self.clock.advance(1.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def observe(self, values: Iterator[float] | Sequence[float]) -> None:
        """Let the station observe each of some values, one a period."""
        for value in values:
            self.station.observe(value)
            await self.clock.advance(PERIOD_S)

    def events(self) -> list[str]:
        return [entry.action for entry in self.queue.take(1000) if isinstance(entry, Event)]

    def logged(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line["event"] == event]
