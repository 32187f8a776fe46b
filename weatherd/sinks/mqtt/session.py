"""
What goes on over one connection: presence, discovery, what is fresh, and what others say to us.

Everything is told by one loop, in this order, so that nobody hears of a value before he hears of its sensor:

    online, sensors' availability, discovery, status     when the connection is made, and when they change
    the current values                                   when the connection is made, and after Home Assistant's birth
    what the journal takes                               as it comes
    what is heard by infrared                            at once, or never
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec

from weatherd.errors import JournalError, SinkError, Unwelcome
from weatherd.ports import Clock
from weatherd.processing.documents import Document
from weatherd.sinks.mqtt.answers import refused_message
from weatherd.sinks.mqtt.commanding import Commander
from weatherd.sinks.mqtt.commands import BURST_MAX
from weatherd.sinks.mqtt.connection import Connection, Received
from weatherd.sinks.mqtt.emitting import Emitter
from weatherd.sinks.mqtt.ledger import Ledger
from weatherd.sinks.mqtt.messages import (
    OFFLINE,
    ONLINE,
    Message,
    availability,
    current,
    fresh,
    heard_key,
    heard_timings,
    nothing,
    run_of,
)
from weatherd.sinks.mqtt.port import SensorNow, StationNow
from weatherd.sinks.mqtt.presenting import Presentation
from weatherd.sinks.mqtt.telling import Teller
from weatherd.sinks.mqtt.topics import Topics
from weatherd.throttling import Allowance
from weatherd.waiting import first_of

LOOK_PERIOD_S = 1.0
"""Between two looks at what may change by itself, such as a sensor that falls silent."""

STATUS_PERIOD_S = 60.0
"""Between two messages of how the station is, unless its clock changes; a twin is noticed within this time."""

FRESH_MAX = 200
"""Entries that may wait to be published; of more, the newest."""

BIRTH_DELAY_S_MAX = 5.0
"""Home Assistant is answered within this time, at random: a thousand stations hear its birth message at once."""

SETTLE_S = 2.0
"""For Home Assistant to subscribe, between discovery and the current values, which are not retained."""

HEARD_BURST_MAX, HEARD_PERIOD_S = 50, 0.1
"""Messages of what is heard by infrared that may go out at once, and then one in each of these; others are left out."""

AT_ONCE_MAX = 20
"""Entries that are published together: over a slow line each would else wait for the answer to the one before it."""

DUE_MAX = 1000
"""Messages that wait to be said in answer to others'."""


class Session:
    """
    Talk over a connection until it ends.

    Args:
        connection: Open.
        station: What there is to tell.
        topics: Where.
        birth: Home Assistant's birth topic; None without Home Assistant.
        presentation: Tells it of the station; None likewise.
        commander: Follows commands; None if they are off.
        emitter: Sends by infrared for Home Assistant; None without it.
        ledger: Keeps count.
        teller: Where people hear of it.
        clock: The station's clock.
        uniform: Draws the delay behind a birth message; tests pass their own.
    """

    def __init__(
        self,
        connection: Connection,
        station: StationNow,
        topics: Topics,
        *,
        birth: str | None,
        presentation: Presentation | None,
        commander: Commander | None,
        emitter: Emitter | None,
        ledger: Ledger,
        teller: Teller,
        clock: Clock,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._connection = connection
        self._station = station
        self._topics = topics
        self._birth = birth
        self._presentation = presentation
        self._commander = commander
        self._emitter = emitter
        self._heard_number = station.heard_count
        self._heard_allowance = Allowance(clock.boottime_s(), HEARD_BURST_MAX, HEARD_PERIOD_S)
        self._ledger = ledger
        self._teller = teller
        self._clock = clock
        self._uniform = uniform
        self._there: dict[str, bool] = {}
        self._due: list[Message] = []
        self._commands: asyncio.Queue[Received] = asyncio.Queue(BURST_MAX)
        self._signals: asyncio.Queue[Received] = asyncio.Queue(BURST_MAX)
        self._birth_due_s: float | None = None
        self._values_due_s: float | None = None
        self._status_due_s = 0.0
        self._synchronized: bool | None = None
        self._stirred = asyncio.Event()
        self._went_on = asyncio.Event()

    async def run(self) -> None:
        """
        Talk until cancelled.

        Raises:
            Unreachable: When the connection ends.
            Unwelcome: When the broker ends it for good.
        """
        self._ledger.begin(self._station.last_seq)
        await self._subscribe(list(self._subscriptions()))
        if self._presentation is not None:
            self._presentation.forget()
        self._values_due_s = self._clock.boottime_s() + (SETTLE_S if self._presentation else 0)
        self._due.append(availability(self._topics.availability, is_there=True))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                if self._commander is not None:
                    group.create_task(self._follow(self._commander))
                if self._emitter is not None:
                    group.create_task(self._emit(self._emitter))
                group.create_task(self._tell())
        except ExceptionGroup as failures:  # a connection that ends is noticed by both
            ended, mistakes = failures.split(SinkError)
            if ended is None or mistakes is not None:
                raise
            raise ended.exceptions[0] from None

    def farewell(self, *, is_moving: bool) -> Sequence[Message]:
        """Return the last words of a station that stops, or that goes to another topic and leaves nothing behind."""
        gone = availability(self._topics.availability, is_there=False)
        left = [gone.topic, *map(self._topics.available, self._there)] if is_moving else []
        return [gone, *map(nothing, left)]

    async def wait_until(self, seq: int) -> None:
        """Wait until everything up to a seq was looked at; cancel it if the connection ends."""
        while self._ledger.position < seq:
            self._went_on.clear()
            await self._went_on.wait()

    async def send(self, messages: Sequence[Message], *, correlation: bytes | None = None) -> bool:
        """Publish; tell whether the broker has taken everything. Raises Unreachable."""
        return not await self._publish(messages, correlation)

    async def _publish(self, messages: Sequence[Message], correlation: bytes | None = None) -> Collection[str]:
        """Publish; return the topics on which the broker has not taken everything. Raises Unreachable."""
        refusals = await self._connection.send(messages, correlation=correlation)
        refused = {refusal.topic for refusal in refusals}
        for message in messages:
            if message.topic not in refused:
                self._ledger.taken(message.topic)
        for refusal in refusals:
            error = refused_message(self._connection.shown, refusal)
            self._ledger.not_taken(refusal.topic, error)
            self._teller.not_taken(refusal.topic, error)
        return refused

    async def _subscribe(self, topics: Sequence[str]) -> None:
        for topic in await self._connection.subscribe(topics) if topics else ():
            self._teller.not_heard(topic)

    def _subscriptions(self) -> Iterator[str]:
        yield self._topics.availability
        yield self._topics.available("+")
        yield self._topics.status
        if self._birth is not None and self._presentation is not None:
            yield self._birth
            yield self._presentation.topic
            yield from self._presentation.left[:1]
        if self._commander is not None:
            yield self._topics.command
        if self._emitter is not None:
            yield self._topics.emit

    async def _tell(self) -> None:
        while True:
            self._stirred.clear()
            sensors = {sensor.name: sensor for sensor in self._station.sensors()}
            are_values_due = self._is_due(self._values_due_s)
            if are_values_due and self._presentation is not None:
                self._status_due_s = 0.0  # Home Assistant may not have known of it when it was told first
            messages = [*self._take_due(), *self._presence(sensors), *self._discovery(), *self._status()]
            if messages:
                await self.send(messages)
            if are_values_due:
                self._values_due_s = None
                await self.send(list(current(self._topics, sensors, self._clock.now_ms())))
            await self._tell_heard()
            try:
                await self._tell_fresh(sensors)
            except JournalError:  # `weatherd status` tells it
                await self._clock.sleep(LOOK_PERIOD_S)
            await first_of(
                self._station.wait_beyond(self._ledger.position),
                self._station.wait_heard(self._heard_number),
                self._stirred.wait(),
                self._clock.sleep(LOOK_PERIOD_S),
            )

    def _take_due(self) -> Sequence[Message]:
        due, self._due = self._due, []
        return due

    def _is_due(self, at_s: float | None) -> bool:
        return at_s is not None and self._clock.boottime_s() >= at_s

    def _presence(self, sensors: Mapping[str, SensorNow]) -> Iterator[Message]:
        for name, sensor in sensors.items():
            if self._there.get(name) is not sensor.is_there:
                self._there[name] = sensor.is_there
                yield availability(self._topics.available(name), is_there=sensor.is_there)
        for name in self._there.keys() - sensors.keys():
            del self._there[name]
            yield nothing(self._topics.available(name))

    def _discovery(self) -> Sequence[Message]:
        if self._presentation is None:
            return []
        if self._is_due(self._birth_due_s):
            self._birth_due_s = None
            self._presentation.forget()
            self._values_due_s = self._clock.boottime_s() + SETTLE_S
        return self._presentation.due()

    def _status(self) -> Iterator[Message]:
        status = self._station.status()
        synchronized = bool(status["clock_synchronized"])
        if self._is_due(self._status_due_s) or synchronized is not self._synchronized:
            self._status_due_s = self._clock.boottime_s() + STATUS_PERIOD_S
            self._synchronized = synchronized
            yield Message(self._topics.status, msgspec.json.encode(status))

    async def _tell_fresh(self, sensors: Mapping[str, SensorNow]) -> None:
        ledger = self._ledger
        last_seq = self._station.last_seq
        ledger.position = min(ledger.position, last_seq)  # another journal is in its place
        ledger.position = max(ledger.position, last_seq - FRESH_MAX)
        while ledger.position < last_seq:
            read = await self._station.fresh(ledger.position + 1)
            for start in range(0, len(read.entries), AT_ONCE_MAX):
                await self._tell_entries(read.entries[start : start + AT_ONCE_MAX], sensors)
            ledger.position = read.last_seq
            self._went_on.set()

    async def _tell_heard(self) -> None:
        messages: list[Message] = []
        for heard in self._station.heard(self._heard_number):
            self._heard_number = heard.number
            if self._heard_allowance.take(self._clock.boottime_s()):
                tell = heard_timings if heard.infrared.timings_us else heard_key
                messages.append(tell(self._topics, heard))
        if messages:
            await self.send(messages)

    async def _tell_entries(self, entries: Sequence[tuple[int, Document]], sensors: Mapping[str, SensorNow]) -> None:
        now_ms = self._clock.now_ms()
        told = [(seq, list(fresh(self._topics, document, sensors, now_ms))) for seq, document in entries]
        messages = [message for _, of_one in told for message in of_one]
        refused = await self._publish(messages) if messages else ()
        for seq, of_one in told:
            if of_one and not any(message.topic in refused for message in of_one):
                self._ledger.published(seq)

    async def _listen(self) -> None:
        async for message in self._connection.messages():
            await self._hear(message)

    async def _follow(self, commander: Commander) -> None:
        """Follow commands beside all else: one that takes its time makes us deaf to nobody."""
        while True:
            await commander.follow(await self._commands.get(), self.send)

    async def _emit(self, emitter: Emitter) -> None:
        """Send by infrared, beside all else as well."""
        while True:
            await emitter.follow(await self._signals.get())

    def _say_soon(self, messages: Sequence[Message]) -> None:
        """Have something said by the loop that says everything; the same once, however often it is asked for."""
        for message in messages:
            if message not in self._due and len(self._due) < DUE_MAX:
                self._due.append(message)
        self._stirred.set()

    async def _hear(self, message: Received) -> None:
        topics, presentation = self._topics, self._presentation
        if self._commander is not None and message.topic == topics.command:
            if self._commander.lets_in(message, is_busy=self._commands.full()):
                self._commands.put_nowait(message)
        elif self._emitter is not None and message.topic == topics.emit:
            if self._emitter.lets_in(message, is_busy=self._signals.full()):
                self._signals.put_nowait(message)
        elif message.topic == topics.status:
            self._hear_status(message)
        elif message.topic.endswith("/availability"):
            self._hear_availability(message)
        elif presentation is not None and message.topic == presentation.topic:
            if message.is_retained:
                self._say_soon(presentation.take_back(message.payload))
                await self._subscribe(presentation.left[:1])
        elif message.topic == self._birth and message.payload == ONLINE and not message.is_retained:
            self._birth_due_s = self._clock.boottime_s() + self._uniform(0.0, BIRTH_DELAY_S_MAX)

    def _hear_availability(self, message: Received) -> None:
        """Take back what is not so, be it a last will that comes late, a twin's, or of a sensor that is gone."""
        topic = message.topic
        left = () if self._presentation is None else self._presentation.left
        if topic == self._topics.availability:
            if message.payload != ONLINE and not message.is_retained:
                self._teller.corrected(topic)
                self._say_soon([availability(topic, is_there=True)])
        elif topic in left[:1]:
            self._hear_left(message.payload)
        elif message.is_retained and message.payload:
            known = {self._topics.available(sensor.name) for sensor in self._station.sensors()}
            if topic not in known:
                self._say_soon([nothing(topic)])

    def _hear_left(self, payload: bytes) -> None:
        """
        Remove what an earlier configuration left behind, once it says that nobody is there.

        Else another daemon may be: and should one begin there later, it says all of it anew.
        """
        assert self._presentation is not None
        if payload == OFFLINE:
            self._say_soon([nothing(topic) for topic in self._presentation.left])
            self._teller.moved(self._presentation.left[0])
            self._presentation.left = ()

    def _hear_status(self, message: Received) -> None:
        run_id = run_of(message.payload)
        if run_id in {None, self._station.run_id} or message.is_retained:
            return
        error = Unwelcome(
            f"another weatherd publishes on {self._topics.base} as well: its run is {run_id[:16]!r}",
            "give each station its own station.id, or its own topic in [sinks.mqtt]",
        )
        self._ledger.twin(error, self._clock.boottime_s())
        if self._teller.twin(run_id[:16], error):
            self._status_due_s = 0.0  # it has to hear of us, too
            self._stirred.set()
