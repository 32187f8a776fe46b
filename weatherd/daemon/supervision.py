"""The supervisor: what keeps one part's mistake from stopping the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog

from weatherd.ports import Clock


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    clock: Clock,
    log: structlog.typing.FilteringBoundLogger,
    delays: Iterator[float],
) -> None:
    """
    Run a loop until it returns; after an error that nobody expected, log all of it, wait, and run it again.

    Args:
        name: Of the loop, for the log.
        run: Starts the loop anew.
        clock: The station's clock.
        log: Where the error goes, with its traceback.
        delays: Seconds to wait before each new start; without end.
    """
    for delay_s in delays:
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("supervision.loop_failed", message=f"{name} failed by a mistake of ours and starts anew")
        else:
            return
        await clock.sleep(delay_s)
