"""The bus: whatever chip, kernel or driver does, `run` ends in time with a value or an error that has a name."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from smbus2 import i2c_msg

from weatherd.errors import BadChecksum, BusUnavailable, DeadlineExceeded, DriverFailed, NoAnswer, SensorError
from weatherd.sensors import i2c
from weatherd.sensors.i2c import Bus, DriverBus

ADDRESS = 0x40


class FakeAdapter:
    """An adapter that does as told: each call takes the next of some errors, then it answers with 2A."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.messages: list[tuple[int, bytes, int]] = []
        self.closed = 0

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        self.messages.extend((message.addr, bytes(message), message.flags) for message in i2c_msgs)
        code = self.errors.pop(0) if self.errors else 0
        if code:
            raise OSError(code, os.strerror(code))
        for message in i2c_msgs:
            if message.flags:
                for index in range(message.len):
                    message.buf[index] = b"\x2a"

    def close(self) -> None:
        self.closed += 1


class Nobody(FakeAdapter):
    """An empty bus; or with `silent_reads`, a chip that acknowledges writes only: one that is busy."""

    def __init__(self, *, silent_reads: bool = False, no_empty_writes: bool = False) -> None:
        super().__init__()
        self.silent_reads = silent_reads
        self.no_empty_writes = no_empty_writes

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        if self.no_empty_writes and any(not message.flags and not message.len for message in i2c_msgs):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if not self.silent_reads or any(message.flags for message in i2c_msgs):
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))


class HangingAdapter(FakeAdapter):
    """A kernel that does not come back until `released`."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        self.released.wait(10)


@contextlib.asynccontextmanager
async def opened(adapter: i2c.Adapter) -> AsyncIterator[Bus]:
    bus = Bus(lambda: adapter, "the test bus")
    try:
        yield bus
    finally:
        await bus.close()


def read_for_ever(line: DriverBus) -> Callable[[], None]:
    """Do as Adafruit's HTU21D driver does: read again after every OSError."""

    def job() -> None:
        while True:
            try:
                line.readfrom_into(ADDRESS, bytearray(3))
            except OSError:
                continue

    return job


async def test_transfers_reach_the_adapter_as_messages() -> None:
    """Writes, reads and both in one become smbus2's messages, and slices are honoured."""
    adapter = FakeAdapter()
    answer = bytearray(6)
    async with opened(adapter) as bus:
        line = DriverBus(bus)

        def job() -> None:
            line.writeto(ADDRESS, bytearray(b"abcd"), start=1, end=3)
            line.readfrom_into(ADDRESS, answer, start=1, end=3)
            line.writeto_then_readfrom(ADDRESS, b"xyz", answer, out_end=1, in_start=4)
            line.writeto(ADDRESS, b"")

        await line.run(job, 1.0)
    assert answer.hex() == "002a2a002a2a"
    assert adapter.messages == [
        (ADDRESS, b"bc", 0),
        (ADDRESS, b"\0\0", 1),
        (ADDRESS, b"x", 0),
        (ADDRESS, b"\0\0", 1),
        (ADDRESS, b"", 0),
    ]


async def test_the_watch_sees_what_was_written_and_read() -> None:
    """A read comes with the bytes last written to the chip, a mere write without any read; a probe is not shown."""
    seen: list[tuple[bytes, bytes]] = []
    async with opened(FakeAdapter()) as bus:
        line = DriverBus(bus, lambda written, read: seen.append((written, read)))

        def job() -> None:
            line.writeto(ADDRESS, b"")
            line.writeto(ADDRESS, b"\xf7")
            line.readfrom_into(ADDRESS, bytearray(2))
            line.read_register(ADDRESS, 0xD0)

        await line.run(job, 1.0)
    assert seen == [(b"\xf7", b""), (b"\xf7", b"\x2a\x2a"), (b"\xd0", b"\x2a")]


async def test_what_the_watch_names_reaches_the_caller() -> None:
    """An error of the watch goes through a driver that swallows OSError."""

    def watch(written: bytes, read: bytes) -> None:
        raise BadChecksum("no")

    async with opened(FakeAdapter()) as bus:
        line = DriverBus(bus, watch)
        with pytest.raises(BadChecksum):
            await line.run(read_for_ever(line), 1.0)


@pytest.mark.parametrize("code", [errno.EREMOTEIO, errno.ENXIO])
async def test_a_missing_acknowledge_is_an_oserror_to_the_driver(code: int) -> None:
    """While there is time the driver decides, and may read again."""
    async with opened(FakeAdapter(code, code)) as bus:
        line = DriverBus(bus)
        tries: list[int | None] = []

        def job() -> int:
            while True:
                try:
                    return line.read_register(ADDRESS, 0)
                except OSError as error:
                    tries.append(error.errno)

        assert await line.run(job, 1.0) == 0x2A
    assert tries == [code, code]


async def test_a_driver_that_spins_is_slowed_down() -> None:
    """In a tenth of a second it tries some fifty times, not thousands."""
    tries = 0
    async with opened(Nobody()) as bus:
        line = DriverBus(bus)

        def job() -> None:
            nonlocal tries
            while True:
                tries += 1
                with contextlib.suppress(OSError):
                    line.readfrom_into(ADDRESS, bytearray(3))

        with pytest.raises(NoAnswer):
            await line.run(job, 0.1)
    assert 2 < tries < 60


@pytest.mark.parametrize(
    ("adapter", "error"),
    [
        (Nobody(), NoAnswer),
        (Nobody(silent_reads=True), DeadlineExceeded),
        (Nobody(no_empty_writes=True), NoAnswer),
    ],
)
async def test_at_the_deadline_busy_and_gone_are_told_apart(adapter: Nobody, error: type[SensorError]) -> None:
    """Who still acknowledges an empty write is stuck; who does not is gone."""
    async with opened(adapter) as bus:
        line = DriverBus(bus)
        begun_s = time.monotonic()
        with pytest.raises(error, match="0x40"):
            await asyncio.wait_for(line.run(read_for_ever(line), 0.1), 10.0)
        assert time.monotonic() - begun_s >= 0.1


async def test_an_adapter_without_empty_writes_asks_by_a_read() -> None:
    """A chip that answers the one-byte read is there, so the measurement only took too long."""
    adapter = FakeAdapter()
    async with opened(adapter) as bus:
        line = DriverBus(bus)

        def job() -> None:
            while True:
                line.writeto(ADDRESS, b"\xf3")
                time.sleep(0.01)
                adapter.errors = [errno.EOPNOTSUPP] if time.monotonic() > line._deadline_s else []

        with pytest.raises(DeadlineExceeded):
            await line.run(job, 0.05)


async def test_an_adapter_without_empty_writes_lets_a_driver_find_its_chip() -> None:
    """The driver's own probe passes; whether the chip is there shows at the next transfer."""
    async with opened(FakeAdapter(errno.EOPNOTSUPP)) as bus:
        line = DriverBus(bus)
        await line.run(lambda: line.writeto(ADDRESS, b""), 1.0)


@pytest.mark.parametrize("code", [errno.ETIMEDOUT, errno.EIO, errno.EAGAIN])
async def test_a_bus_that_fails_as_a_whole_is_opened_anew(code: int) -> None:
    """A line held low is told from a missing chip, at once, and the next job opens the bus again."""
    adapter = FakeAdapter(code)
    opens = 0

    def opener() -> FakeAdapter:
        nonlocal opens
        opens += 1
        return adapter

    bus = Bus(opener, "the test bus")
    line = DriverBus(bus)
    with pytest.raises(BusUnavailable, match="a transfer on the test bus failed") as caught:
        await line.run(read_for_ever(line), 5.0)
    assert "low" in caught.value.hint
    assert (adapter.closed, opens) == (1, 1)
    assert await line.run(lambda: line.read_register(ADDRESS, 0), 1.0) == 0x2A
    assert opens == 2
    await bus.close()
    assert adapter.closed == 2


async def test_a_bus_that_is_not_there_is_named_with_a_hint() -> None:
    """Without /dev/i2c-N the hint says how to turn I2C on; each call tries again."""
    bus = Bus.of_linux(4096)
    for _ in range(2):
        with pytest.raises(BusUnavailable, match="/dev/i2c-4096 cannot be opened: No such file") as caught:
            await bus.run(lambda adapter: adapter, 1.0)
        assert "raspi-config" in caught.value.hint
    await bus.close()


async def test_a_bus_that_may_not_be_opened_is_named_with_a_hint() -> None:
    """Without permission the hint names the group."""

    def opener() -> FakeAdapter:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    bus = Bus(opener, "/dev/i2c-1")
    with pytest.raises(BusUnavailable, match="Permission denied") as caught:
        await bus.run(lambda adapter: adapter, 1.0)
    assert "usermod -aG i2c" in caught.value.hint
    await bus.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("CRC mismatch"), "ValueError: CRC mismatch"),
        (ArithmeticError("Invalid result"), "ArithmeticError: Invalid result"),
        (RuntimeError(), "RuntimeError: no words"),
        (ModuleNotFoundError("No module named 'board'"), "No module named 'board'"),
    ],
)
async def test_a_drivers_own_errors_keep_their_words(error: Exception, said: str) -> None:
    """Whatever a driver raises becomes one named error."""

    def job() -> None:
        raise error

    async with opened(FakeAdapter()) as bus:
        with pytest.raises(DriverFailed, match=said):
            await DriverBus(bus).run(job, 1.0)


@pytest.mark.parametrize("own_words", [True, False])
async def test_a_driver_that_found_nobody_means_no_answer(*, own_words: bool) -> None:
    """Whether it lets the OSError through or says so in its own words."""
    async with opened(Nobody()) as bus:
        line = DriverBus(bus)

        def job() -> None:
            try:
                line.writeto(ADDRESS, b"")
            except OSError as error:
                if own_words:
                    raise ValueError("No I2C device at address: 0x40") from error
                raise

        with pytest.raises(NoAnswer, match="nobody acknowledges at 0x40 on the test bus"):
            await line.run(job, 1.0)


async def test_a_missing_acknowledge_that_was_overcome_is_forgotten() -> None:
    """What a driver says after a good transfer, or in the next measurement, is its own."""
    async with opened(FakeAdapter(errno.EREMOTEIO, 0, errno.EREMOTEIO)) as bus:
        line = DriverBus(bus)

        def recovers() -> None:
            with contextlib.suppress(OSError):
                line.read_register(ADDRESS, 0)
            line.read_register(ADDRESS, 0)
            raise ValueError("CRC mismatch")

        def fails() -> None:
            raise ValueError("no transfer at all")

        with pytest.raises(DriverFailed, match="CRC mismatch"):
            await line.run(recovers, 1.0)
        with pytest.raises(NoAnswer):
            await line.run(lambda: line.read_register(ADDRESS, 0), 1.0)
        with pytest.raises(DriverFailed, match="no transfer at all"):
            await line.run(fails, 1.0)


async def test_measurements_take_turns() -> None:
    """No transfer of one lies between two of another, and time is counted from the start of each."""
    adapter = FakeAdapter()
    async with opened(adapter) as bus:

        def measurement(address: int) -> Callable[[], None]:
            def job() -> None:
                for _ in range(5):
                    line.writeto(address, b"a")
                    time.sleep(0.01)

            line = DriverBus(bus)
            lines[address] = line
            return job

        lines: dict[int, DriverBus] = {}
        jobs = {address: measurement(address) for address in range(0x10, 0x18)}
        await asyncio.gather(*(lines[address].run(job, 0.3) for address, job in jobs.items()))
    addresses = [address for address, _, _ in adapter.messages]
    assert addresses == sorted(addresses)
    assert len(addresses) == 40


async def test_all_of_a_bus_happens_on_one_thread() -> None:
    """Opening, jobs and their transfers share a daemon thread, which ends with the bus."""
    async with opened(FakeAdapter()) as bus:
        threads = {await bus.run(lambda _adapter: threading.current_thread(), 1.0) for _ in range(3)}
        (thread,) = threads
        assert thread.daemon
        assert thread is not threading.current_thread()
    thread.join(5)
    assert not thread.is_alive()


async def test_a_bus_can_be_closed_twice_and_used_again() -> None:
    """Closing gives the adapter back once for each time it was opened."""
    adapter = FakeAdapter()
    bus = Bus(lambda: adapter, "the test bus")
    await bus.close()
    for closed in (1, 2):
        await bus.run(lambda adapter: adapter, 1.0)
        await bus.close()
        await bus.close()
        assert adapter.closed == closed


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(i2c, "GRACE_S", 0.05)
    return


@pytest.mark.usefixtures("short_grace")
async def test_a_transfer_that_hangs_in_the_kernel_blocks_nobody() -> None:
    """The wait ends in time and says which bus; who comes meanwhile is refused at once; then all is well again."""
    adapter = HangingAdapter()
    bus = Bus(lambda: adapter, "the test bus")
    line = DriverBus(bus)
    ran: list[str] = []
    async with asyncio.timeout(10.0):
        with pytest.raises(DeadlineExceeded, match="the test bus does not come back"):
            await line.run(lambda: line.writeto(ADDRESS, b"a"), 0.05)
        for _ in range(100):
            with pytest.raises(DeadlineExceeded):
                await bus.run(lambda _adapter: ran.append("late"), 1.0)
    adapter.released.set()
    while True:
        with contextlib.suppress(DeadlineExceeded):
            await bus.run(lambda _adapter: ran.append("now"), 1.0)
            break
        await asyncio.sleep(0.001)
    assert ran == ["now"]
    await bus.close()


@pytest.mark.usefixtures("short_grace")
async def test_an_error_that_comes_too_late_is_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """What a job raises when nobody waits for it any more is dropped without a complaint of asyncio."""
    released = threading.Event()

    def job(_adapter: i2c.Adapter) -> None:
        released.wait(5)
        raise BadChecksum("too late")

    bus = Bus(FakeAdapter, "the test bus")
    with pytest.raises(DeadlineExceeded):
        await bus.run(job, 0.01)
    released.set()
    await asyncio.sleep(0.02)
    await bus.close()
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("short_grace")
async def test_a_hanging_bus_can_be_closed() -> None:
    """Closing gives up in time, and raises nothing."""
    adapter = HangingAdapter()
    bus = Bus(lambda: adapter, "the test bus")
    line = DriverBus(bus)
    with pytest.raises(DeadlineExceeded):
        await line.run(lambda: line.writeto(ADDRESS, b"a"), 0.01)
    async with asyncio.timeout(10.0):
        await bus.close()
    adapter.released.set()


async def test_a_caller_that_is_cancelled_leaves_no_mess() -> None:
    """Its job runs to its end before the next one starts, and the bus is free again."""
    events: list[str] = []
    started = threading.Event()

    def slow(_adapter: i2c.Adapter) -> None:
        started.set()
        time.sleep(0.05)
        events.append("slow")

    async with opened(FakeAdapter()) as bus:
        caller = asyncio.create_task(bus.run(slow, 1.0))
        await asyncio.to_thread(started.wait)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await bus.run(lambda _adapter: events.append("next"), 1.0)
    assert events == ["slow", "next"]


def test_a_hanging_transfer_does_not_hold_up_the_end_of_the_process() -> None:
    """A process whose bus thread sleeps for a minute still ends as soon as its loop does."""
    program = """
import asyncio, time
from weatherd.errors import DeadlineExceeded
from weatherd.sensors.i2c import Bus

class Adapter:
    def i2c_rdwr(self, *messages): time.sleep(60)
    def close(self): pass

async def main():
    try:
        await Bus(Adapter, "bus").run(lambda adapter: adapter.i2c_rdwr(), 0.05)
    except DeadlineExceeded as error:
        print(error.code)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "sensor.deadline_exceeded\n", "")


async def test_whether_anybody_is_at_an_address_can_be_asked() -> None:
    """A scan needs no more than this."""
    for adapter, answer in (
        (FakeAdapter(), True),
        (Nobody(), False),
        (Nobody(no_empty_writes=True), False),
        (FakeAdapter(errno.EOPNOTSUPP), True),
        (FakeAdapter(errno.EOPNOTSUPP, errno.EOPNOTSUPP), False),
    ):
        async with opened(adapter) as bus:
            line = DriverBus(bus)
            assert await line.run(lambda line=line: line.acknowledges(ADDRESS), 1.0) is answer
