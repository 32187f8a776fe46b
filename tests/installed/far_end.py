"""The stand-in for Logstash outside of the booted Debian, beside tests that wait for commands."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from weatherd.testing.logstash import Accept, Answer, LogstashStandIn

USERNAME = "weatherd"
PASSWORD = "swordfish-4711"

_Result = TypeVar("_Result")


class FarEnd:
    """A stand-in that wants a password, on an event loop of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, logstash: LogstashStandIn) -> None:
        self._loop = loop
        self._logstash = logstash

    @property
    def url(self) -> str:
        """Where to post to."""
        return self._logstash.url

    def seqs(self) -> set[int]:
        """Return the seqs of what has come."""
        return self._ask(lambda: {document["event"]["sequence"] for document in self._logstash.documents.values()})

    def documents(self) -> list[dict[str, Any]]:
        """Return what has come."""
        return self._ask(lambda: list(self._logstash.documents.values()))

    def conflicts_count(self) -> int:
        """Return how many documents came again with other bytes."""
        return self._ask(lambda: self._logstash.conflicts_count)

    def duplicates_count(self) -> int:
        """Return how many documents came again."""
        return self._ask(lambda: self._logstash.duplicates_count)

    def refuse(self) -> None:
        """Answer 503 to everybody, until `accept`."""
        self._ask(lambda: self._logstash.behave(Answer(503)))

    def accept(self) -> None:
        """Take what comes."""
        self._ask(lambda: self._logstash.behave(Accept()))

    def _ask(self, question: Callable[[], _Result]) -> _Result:
        async def asked() -> _Result:
            return question()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(10.0)


@contextlib.contextmanager
def far_end() -> Iterator[FarEnd]:
    """Let it listen, and stop it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    logstash = LogstashStandIn(username=USERNAME, password=PASSWORD)
    try:
        asyncio.run_coroutine_threadsafe(logstash.start(), loop).result(10.0)
        yield FarEnd(loop, logstash)
        asyncio.run_coroutine_threadsafe(logstash.stop(), loop).result(10.0)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
