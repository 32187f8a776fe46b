"""`weatherd run`: the daemon in the foreground, as systemd and containers want it."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from weatherd import config
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon
from weatherd.logs import Format, Printed, make_log
from weatherd.looping import TimedLoop
from weatherd.systemd import Notifier

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_THREADS_S_MAX = 1.0

Result = TypeVar("Result")


def run(settings: config.Config, path: Path, log_format: Format) -> int:
    """
    Run a station until a signal; return 0.

    Args:
        settings: Its configuration, for which asyncio was imported.
        path: The file with it, which is read again when that is asked for.
        log_format: What its log looks like.
    """

    async def station() -> None:
        clock = SystemClock()
        stdout = sys.stdout
        upcoming: config.Config | None = settings
        while upcoming is not None:
            log = make_log(upcoming.log.level, log_format, stdout)
            with contextlib.redirect_stdout(Printed(log)):  # drivers of other people's print
                daemon = Daemon(upcoming, log, reread=partial(config.load, path), clock=clock)
                heed_signals(daemon)
                upcoming = await daemon.run()
            if upcoming is not None and config.may_speak_tls(upcoming) and not config.may_speak_tls(settings):
                become_another()

    run_loop(station())
    return os.EX_OK


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """
    Run a coroutine on a new event loop.

    Unlike `asyncio.run` this does not wait for the threads in which names are looked up: that can take a minute, and
    everything is kept already.
    """
    loop = TimedLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def heed_signals(daemon: Daemon) -> None:
    """
    Let the first SIGTERM or SIGINT stop a daemon in good order, and a second one end the process at once.

    SIGHUP makes it read its configuration again.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        daemon.stop()
        for each in STOP_SIGNALS:
            loop.add_signal_handler(each, os._exit, 128 + each)

    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)


def become_another() -> NoReturn:
    """
    Begin this very command anew, under the same process id: what was imported without TLS can be had with it no more.

    Source:
        execve(2): a signal that is ignored stays so. SIGHUP would end the process until the new program heeds it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Notifier().alive()  # the imports take seconds on a slow Pi
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  -- what somebody has already started


def leave_stuck_threads_behind(code: int) -> None:
    """
    End the process if a thread does not end: nothing is left that could be kept.

    A look-up of a name, a write to a dying card or a transfer on a bus can hang in the kernel for minutes, and the
    interpreter would wait for it.

    Args:
        code: With which the process ends.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(_THREADS_S_MAX)
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
