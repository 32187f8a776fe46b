import asyncio

from tests.fakes import NOON_MS, FakeClock, settle
from weatherd.daemon.hearing import HEARD_MAX, Hearing
from weatherd.model import Heard, Infrared

KEY = Infrared("nec", "0x40bf")


async def test_who_listens_is_told_at_once_and_each_thing_once() -> None:
    """He waits behind the number of the last that he has, and finds what came since."""
    hearing = Hearing(FakeClock())
    waiting = asyncio.create_task(hearing.wait_beyond(0))
    await settle()
    assert not waiting.done()
    hearing.tell("remote", KEY)
    await asyncio.wait_for(waiting, 1)
    assert hearing.behind(0) == [Heard(1, "remote", NOON_MS, KEY)]
    assert hearing.behind(1) == []
    assert hearing.count == 1


async def test_only_what_came_lately_is_remembered() -> None:
    """Who is late misses the oldest, and is told the number of the first that is left."""
    hearing = Hearing(FakeClock())
    for _ in range(HEARD_MAX + 5):
        hearing.tell("remote", KEY)
    numbers = [one.number for one in hearing.behind(0)]
    assert numbers == list(range(6, HEARD_MAX + 6))
    await asyncio.wait_for(hearing.wait_beyond(HEARD_MAX), 1)
