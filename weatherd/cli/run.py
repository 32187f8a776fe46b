"""`weatherd run`: the daemon in the foreground, as systemd and containers want it."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from weatherd import config
from weatherd.daemon import Daemon
from weatherd.logs import Format, make_log

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_THREADS_S_MAX = 1.0


def run(path: Path, log_format: Format) -> int:
    """Run the station of a configuration until a signal; return 0."""
    settings = config.load(path)
    log = make_log(settings.log.level, log_format)

    async def station() -> None:
        daemon = Daemon(settings, log)
        stop_on_signals(daemon)
        await daemon.run()

    asyncio.run(station())
    leave_stuck_threads_behind()
    return os.EX_OK


def stop_on_signals(daemon: Daemon) -> None:
    """Let the first SIGTERM or SIGINT stop a daemon in good order, and a second one end the process at once."""
    loop = asyncio.get_running_loop()

    def stop(signum: signal.Signals) -> None:
        daemon.stop()
        for each in STOP_SIGNALS:
            loop.add_signal_handler(each, os._exit, 128 + signum)

    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stop, each)


def leave_stuck_threads_behind() -> None:
    """
    End the process if a thread does not end: the journal is closed, nothing is left to lose.

    A look-up of a name, or a transfer on a bus, can hang in the kernel for minutes, and the interpreter would wait.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(_THREADS_S_MAX)
            if thread.is_alive():
                sys.stdout.flush()
                os._exit(os.EX_OK)
