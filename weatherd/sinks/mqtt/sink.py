"""
The sink: one connection after the other, and the backlog if that is wanted.

    run       connects, talks, and after a break connects again with backoff; what is fresh goes out meanwhile
    deliver   for the journal's forwarder: what was sent while fresh is settled; the rest goes to the backlog topic

Each run of the daemon has a client id of its own. So two stations with one id do not push each other out for ever, and
hear of each other instead; and when a broken connection's last will comes late, we are there to take it back.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from weatherd.errors import SinkError, Unreachable, Unwelcome
from weatherd.happenings import Happenings
from weatherd.ports import Clock
from weatherd.processing.documents import DATASET_REDUCED
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.commanding import Commander
from weatherd.sinks.mqtt.connection import Connection
from weatherd.sinks.mqtt.emitting import Emitter
from weatherd.sinks.mqtt.ledger import Ledger
from weatherd.sinks.mqtt.messages import Message, availability
from weatherd.sinks.mqtt.port import StationNow
from weatherd.sinks.mqtt.presenting import Presentation
from weatherd.sinks.mqtt.session import Session
from weatherd.sinks.mqtt.telling import Teller
from weatherd.sinks.mqtt.topics import Topics, birth_topic

NAME = "mqtt"

HEALTHY_S = 60.0
"""A connection that lasted so long is tried again as if for the first time."""


class Wishes(NamedTuple):
    """
    What is wanted beyond the values.

    Attributes:
        discovery_prefix: Home Assistant's; None without it.
        commands: Whether commands are followed.
    """

    discovery_prefix: str | None = "homeassistant"
    commands: bool = False


class MqttSink:
    """
    The station at a broker.

    Args:
        address: Where to connect, and as whom.
        topics: Where to publish.
        wishes: What else is wanted.
        station: What there is to tell.
        clock: The station's clock.
        log: Where people read.
        happenings: For what only a person can mend.
        delays: Makes the delays between attempts at a broker that does not answer.
        delays_unwelcome: Makes those between attempts at one that wants other settings.
        connect: Makes a connection that is not open yet; tests pass their own.
    """

    name = NAME

    def __init__(
        self,
        address: Address,
        topics: Topics,
        wishes: Wishes,
        station: StationNow,
        *,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        happenings: Happenings,
        delays: Callable[[], Iterator[float]],
        delays_unwelcome: Callable[[], Iterator[float]],
        connect: Callable[[Address, str, Message], Connection] = Connection,
    ) -> None:
        self.attempt_next_s: float | None = None
        self.error_since_ms: int | None = None
        self.ledger = Ledger()
        self._address = address
        self._topics = topics
        self._station = station
        self._clock = clock
        self._connect = connect
        self._connected_s: float | None = None
        self._teller = Teller(log, happenings, clock)
        self._new_delays = delays
        self._delays_unwelcome = delays_unwelcome()
        self._error: SinkError | None = None
        self._attempts: Counter[str] = Counter()
        self._session: Session | None = None
        self._takeovers_count = 0
        self._is_moving = False
        prefix = wishes.discovery_prefix
        self._birth = None if prefix is None else birth_topic(prefix)
        self._presentation = None if prefix is None else Presentation(station, topics, prefix)
        self._emitter = Emitter(station, self._teller)
        self._commander = Commander(station, topics, clock, self._teller) if wishes.commands else None

    @property
    def attempts(self) -> Mapping[str, int]:
        """How many connections were tried, by what became of them."""
        return dict(self._attempts)

    @property
    def error(self) -> SinkError | None:
        """What is wrong: with the connection, or with what is published over it."""
        return self._error or self.ledger.error(self._clock.boottime_s())

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._session is not None

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        delays = self._new_delays()
        while True:
            self._connected_s = None
            try:
                await self._live()
            except (Unreachable, Unwelcome) as error:
                self._went_down(error)
            if self._was_healthy():
                delays = self._new_delays()
            delay_s = next(self._delays_unwelcome if isinstance(self._error, Unwelcome) else delays)
            self.attempt_next_s = self._clock.boottime_s() + delay_s
            await self._clock.sleep(delay_s)
            self.attempt_next_s = None

    async def finish(self) -> None:
        """Return when what the journal holds by now is told, or there is no connection."""
        session = self._session
        if session is not None:
            await session.wait_until(self._station.last_seq)

    def moves(self) -> None:
        """Leave nothing behind in the end: whoever takes our place has other topics."""
        self._is_moving = True

    async def deliver(self, documents: Sequence[bytes]) -> None:
        """
        Publish, as a backlog, what was not published while it was fresh; return when the broker has it.

        Raises:
            Unreachable: If there is no connection, or the broker is full.
            Unwelcome: If the broker wants other settings, or does not let us publish a backlog.
        """
        session = self._session
        if session is None:
            raise self._error or Unreachable(f"{self._address.shown} was not reached yet", "look at the network")
        events = [msgspec.json.decode(document, type=_Sequenced).event for document in documents]
        await self._look_at(session, max((event.sequence for event in events), default=0))
        old = [document for event, document in zip(events, documents, strict=True) if not self._was_sent(event)]
        if old and not await session.send([Message(self._topics.backlog, one, expires=False) for one in old]):
            raise self.ledger.error(self._clock.boottime_s()) or Unreachable(f"{self._address.shown} took no backlog")

    async def close(self) -> None:
        """Give nothing back: `run` does so when it is cancelled."""

    def _was_sent(self, event: "_Event") -> bool:
        """Tell whether a document was published while it was fresh; thinning gives several the seq of the last."""
        return event.sequence in self.ledger.sent and event.dataset != DATASET_REDUCED

    async def _look_at(self, session: Session, seq: int) -> None:
        """Wait until what is fresh has been published, so that it does not go out twice."""
        try:
            async with asyncio.timeout(self._address.timeout_s):
                await session.wait_until(seq)
        except TimeoutError:
            raise Unreachable(f"{self._address.shown} is slow", "look at the network") from None

    async def _live(self) -> None:
        """Connect, and talk until the connection ends."""
        will = availability(self._topics.availability, is_there=False)
        connection = self._connect(self._address, self._client_id(), will)
        try:
            await connection.open()
        except SinkError as error:
            self._attempts[error.reason] += 1
            raise
        self._attempts["connected"] += 1
        self._connected_s = self._clock.boottime_s()
        self._came_up()
        session = Session(
            connection,
            self._station,
            self._topics,
            birth=self._birth,
            presentation=self._presentation,
            commander=self._commander,
            emitter=None if self._presentation is None or not self._station.infrared().emits else self._emitter,
            ledger=self.ledger,
            teller=self._teller,
            clock=self._clock,
        )
        self._session = session
        try:
            await session.run()
        except asyncio.CancelledError:
            await connection.close(session.farewell(is_moving=self._is_moving))
            raise
        except Unwelcome:
            self._takeovers_count += 1
            raise
        finally:
            self._session = None
            connection.drop()

    def _was_healthy(self) -> bool:
        return self._connected_s is not None and self._clock.boottime_s() - self._connected_s >= HEALTHY_S

    def _client_id(self) -> str:
        again = f"-{self._takeovers_count}" if self._takeovers_count else ""
        return f"weatherd-{self._station.station.id}-{self._station.run_id}{again}"

    def _went_down(self, error: SinkError) -> None:
        if self._error is None or self._error.code != error.code:
            self._teller.lost(error)
        if self._error is None:
            self.error_since_ms = self._clock.now_ms()
        self._error = error.with_traceback(None)

    def _came_up(self) -> None:
        if self._error is not None:
            self._teller.found(self._address.shown)
        self._error = self.error_since_ms = None


class _Event(msgspec.Struct):
    sequence: int
    dataset: str


class _Sequenced(msgspec.Struct):
    event: _Event
