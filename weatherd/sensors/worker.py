"""
A thread for calls that the kernel may hold for as long as it likes, one call after the other.

The thread is a daemon and its queue holds at most one job: a call that hangs blocks neither the event loop nor the end
of the process, and whoever asks in the meantime is refused at once.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from weatherd.errors import WeatherdError

Result = TypeVar("Result")


class Worker:
    """
    One thread, and the turns that jobs take on it.

    Args:
        name: What people call it: ``/dev/i2c-1``.
        hangs: Makes what is raised when a job does not come back.
    """

    def __init__(self, name: str, hangs: Callable[[], WeatherdError]) -> None:
        self.name = name
        self._hangs = hangs
        self._turn = asyncio.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] | None = None
        self._job: asyncio.Future[Any] | None = None
        self._give_up_at_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether a job runs, be it one that nobody waits for any more."""
        return self._job is not None and not self._job.done()

    async def run(self, job: Callable[[], Result], limit_s: float) -> Result:
        """
        Run a job on the thread, when all that asked before have had their turn.

        Args:
            job: While it runs nobody else does, even if whoever asked for it is cancelled.
            limit_s: Seconds from its start after which the wait for it ends, though not the job itself.

        Raises:
            WeatherdError: What `hangs` makes, if this job, or one before it, does not come back.
            Exception: Whatever the job raised.
        """
        async with self._turn:
            await self._come_back()  # a caller that was cancelled leaves its job behind
            running = self._start(job, limit_s)
            await self._come_back()
            return running.result()

    async def close(self, last: Callable[[], None], limit_s: float) -> None:
        """Run a last job if one was run before, and end the thread; a later job starts it again. Raises nothing."""
        async with self._turn:
            if self._jobs is None:
                return
            if await self._is_back():
                self._start(last, limit_s)
                await self._is_back()
            self._jobs.put(None)
            self._jobs = self._job = None

    async def _come_back(self) -> None:
        if not await self._is_back():
            raise self._hangs()

    async def _is_back(self) -> bool:
        """Wait for the job that runs, if one does, and tell whether it ended in time."""
        if self._job is None:
            return True
        left_s = self._give_up_at_s - asyncio.get_running_loop().time()
        await asyncio.wait({self._job}, timeout=max(left_s, 0.0))
        return self._job.done()

    def _start(self, job: Callable[[], Result], limit_s: float) -> asyncio.Future[Result]:
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name=self.name, daemon=True).start()
        outcome: futures.Future[Result] = futures.Future()

        def complete() -> None:
            try:
                outcome.set_result(job())
            except Exception as error:  # noqa: BLE001 - goes to the caller, whatever it is
                outcome.set_exception(error)

        self._give_up_at_s = asyncio.get_running_loop().time() + limit_s
        self._job = running = asyncio.wrap_future(outcome)
        running.add_done_callback(_look_at)
        self._jobs.put(complete)
        return running


def _work(jobs: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()


def _look_at(running: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody waits for any more, or asyncio complains that it was never seen."""
    if not running.cancelled():
        running.exception()
