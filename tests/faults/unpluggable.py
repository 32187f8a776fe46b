"""The daemon with emulated chips whose plugs can be pulled: SIGUSR1 pulls all of them, SIGUSR2 puts them back."""

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

from weatherd import config
from weatherd.cli.run import heed_signals, run_loop
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon
from weatherd.logs import make_log
from weatherd.testing.chips import SimulatedBus
from weatherd.testing.weather import simulated_bus

MESSAGES = 2
"""That a chip still answers: so its plug is pulled in the middle of a measurement."""


def pull(bus: SimulatedBus) -> None:
    for chip in bus.chips.values():
        chip.unplug_after(MESSAGES)


def put_back(bus: SimulatedBus) -> None:
    for chip in bus.chips.values():
        chip.fault = None


async def main(configuration: Path) -> None:
    clock = SystemClock()
    settings = config.load(configuration)
    bus = simulated_bus(clock.now_ms)
    daemon = Daemon(settings, make_log(settings.log.level, "json"), clock=clock, simulated=bus)
    heed_signals(daemon)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, partial(pull, bus))
    loop.add_signal_handler(signal.SIGUSR2, partial(put_back, bus))
    await daemon.run()


if __name__ == "__main__":
    run_loop(main(Path(sys.argv[sys.argv.index("--config") + 1])))
