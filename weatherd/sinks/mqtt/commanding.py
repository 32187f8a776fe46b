"""Following commands: each is logged and answered, and none is worth more than a little time."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from weatherd.errors import WeatherdError
from weatherd.ports import Clock
from weatherd.sinks.mqtt.commands import (
    BURST_MAX,
    PERIOD_S,
    BadCommand,
    Command,
    answer,
    parse,
    response_topic,
    shown,
)
from weatherd.sinks.mqtt.connection import Received
from weatherd.sinks.mqtt.messages import Message
from weatherd.sinks.mqtt.port import StationNow
from weatherd.sinks.mqtt.telling import Teller
from weatherd.sinks.mqtt.topics import Topics
from weatherd.throttling import Allowance

WORK_S_MAX = 10.0
"""For one command."""


class Send(Protocol):
    """Publishes."""

    async def __call__(self, messages: Sequence[Message], *, correlation: bytes | None = None) -> bool:
        """Tell whether the broker has taken everything."""
        ...


class Commander:
    """
    Follow commands, one after the other.

    Args:
        station: Who follows.
        topics: Where it answers.
        clock: The station's clock.
        teller: Where people read of it.
    """

    def __init__(self, station: StationNow, topics: Topics, clock: Clock, teller: Teller) -> None:
        self._station = station
        self._topics = topics
        self._clock = clock
        self._teller = teller
        self._allowance = Allowance(clock.boottime_s(), BURST_MAX, PERIOD_S)

    def lets_in(self, request: Received, *, is_busy: bool) -> bool:
        """Tell whether a command is to be followed; one that comes too soon is answered by nothing but the log."""
        if request.is_retained:
            self._teller.refused(shown(request.payload), "it is retained: nobody knows when it was meant")
            return False
        if is_busy or not self._allowance.take(self._clock.boottime_s()):
            self._teller.refused(shown(request.payload), "too many in too short a time")
            return False
        return True

    async def follow(self, request: Received, send: Send) -> None:
        """
        Follow a command that was let in, and answer.

        Raises:
            Unreachable: If the answer finds no connection.
        """
        body = await self._outcome(request.payload, shown(request.payload))
        topic = response_topic(self._topics, request.response_topic)
        await send([Message(topic, body)], correlation=request.correlation)

    async def _outcome(self, payload: bytes, what: str) -> bytes:
        try:
            command = parse(payload)
            async with asyncio.timeout(WORK_S_MAX):
                count = await self._do(command)
        except (BadCommand, WeatherdError, TimeoutError) as error:
            why = str(error) or f"not done within {WORK_S_MAX:g} s"
            self._teller.refused(what, why)
            return answer(what, error=why)
        self._teller.commanded(what, f"{count} done")
        return answer(command.command, count=count)

    async def _do(self, command: Command) -> int:
        if command.command == "requeue":
            return await self._station.requeue()
        if command.command == "infrared":
            assert command.name is not None
            await self._station.send_infrared(command.name)
            return 1
        try:
            return await self._station.report(command.sensor)
        except KeyError:
            raise BadCommand(f"there is no sensor {command.sensor!r}") from None
