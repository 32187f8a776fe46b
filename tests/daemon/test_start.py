"""The last of a start."""

import asyncio
import gc
from pathlib import Path

from tests.fakes import recording_log
from weatherd import config
from weatherd.daemon import Daemon
from weatherd.systemd import Notifier

STATION = """
[station]
id = "s"
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{folder}/in.sock"
report_period_s = 0
quantities = {{ air_temperature = "t" }}
[journal]
path = "{folder}/journal.db"
[clock]
hold_max_s = 0
[panel]
listen = ""
"""


class FakeNotifier(Notifier):
    """Notes how many objects the collector leaves alone when a service manager would hear of the station."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_counts: list[int] = []

    def ready(self) -> None:
        self.frozen_counts.append(gc.get_freeze_count())


async def test_memory_is_tidied_before_the_station_says_that_it_is_ready(tmp_path: Path) -> None:
    """It holds up the loop, and with it the first of what programs write that wait for READY."""
    frozen_before_count = gc.get_freeze_count()  # by stations of other tests in this process
    log, _ = recording_log()
    daemon = Daemon(config.parse(STATION.format(folder=tmp_path), tmp_path), log, runtime_folder=tmp_path)
    daemon._notifier = notifier = FakeNotifier()
    running = asyncio.create_task(daemon.run())
    await asyncio.wait_for(daemon.ready.wait(), 20)
    daemon.stop()
    await asyncio.wait_for(running, 20)
    assert len(notifier.frozen_counts) == 1
    assert notifier.frozen_counts[0] > frozen_before_count
