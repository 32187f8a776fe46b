"""Who is on the bus: each known part by what it says, the others by their acknowledge, and nobody disturbed."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from smbus2 import i2c_msg

from weatherd.errors import BusUnavailable
from weatherd.sensors.htu21d import crc8
from weatherd.sensors.i2c import Bus
from weatherd.sensors.kernel import kernel_driver
from weatherd.sensors.parts import PARTS
from weatherd.sensors.scanning import Found, scan
from weatherd.testing.chips import Bmp280Chip, Fault, Htu21dChip, SimulatedBus, not_acknowledged

WEATHER = {"air_temperature": 21.4, "air_pressure": 1012.3, "relative_humidity": 55.0}


class AnsweringChip:
    """A chip that has answers to some commands, and another one to all others; it keeps what it was asked."""

    def __init__(self, answers: Mapping[bytes, bytes], *, otherwise: bytes | None = b"\xff" * 32) -> None:
        self._answers = answers
        self._otherwise = otherwise
        self._answer = otherwise
        self.written: list[bytes] = []
        self.reads_count = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._answer = self._answers.get(data, self._otherwise)

    def read(self, count: int) -> bytes:
        self.reads_count += 1
        if self._answer is None:
            raise not_acknowledged()
        return self._answer[:count].ljust(count, b"\xff")


class WithoutEmptyWrites(SimulatedBus):
    """An adapter such as that of the Pi 5, which cannot transfer a message without bytes."""

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        if any(message.len == 0 for message in i2c_msgs):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        super().i2c_rdwr(*i2c_msgs)


async def scanned(
    chips: Mapping[int, Any],
    adapter: Callable[[Mapping[int, Any]], SimulatedBus] = SimulatedBus,
    driver_of: Callable[[int], str] = lambda _: "",
) -> Sequence[Found]:
    bus = Bus(lambda: adapter(chips), "the simulated bus")
    try:
        return await scan(bus, driver_of)
    finally:
        await bus.close()


def word(value: bytes) -> bytes:
    return value + bytes([crc8(value, 0xFF)])


def sht4x() -> AnsweringChip:
    return AnsweringChip({b"\x89": word(b"\x0f\xba") + word(b"\x7c\x00")}, otherwise=None)


def sht3x() -> AnsweringChip:
    return AnsweringChip({b"\xf3\x2d": word(b"\x80\x10")}, otherwise=None)


CHIPS: Sequence[tuple[int, Callable[[], Any], str]] = [
    (0x77, lambda: Bmp280Chip(lambda: WEATHER), "BMP280"),
    (0x76, lambda: Bmp280Chip(lambda: WEATHER), "BMP280"),
    (0x77, lambda: Bmp280Chip(lambda: WEATHER, chip_id=0x55), "BMP180"),
    (0x76, lambda: Bmp280Chip(lambda: WEATHER, chip_id=0x60), "BME280"),
    (0x77, lambda: Bmp280Chip(lambda: WEATHER, chip_id=0x61), "BME680"),
    (0x76, lambda: AnsweringChip({b"\x00": b"\x50"}, otherwise=bytes(32)), "BMP388 or BMP390"),
    (0x77, lambda: AnsweringChip({b"\x00": b"\x60"}, otherwise=bytes(32)), "BMP388 or BMP390"),
    (0x40, lambda: Htu21dChip(lambda: WEATHER), "HTU21D"),
    (0x44, sht4x, "SHT4x"),
    (0x45, sht3x, "SHT3x"),
    (0x23, lambda: AnsweringChip({}), "BH1750"),
    (0x5C, lambda: AnsweringChip({}), "BH1750"),
    (0x48, lambda: AnsweringChip({b"\x01": b"\x85\x83"}), "ADS1115"),
    (0x4B, lambda: AnsweringChip({b"\x01": b"\xc3\xe3"}), "ADS1115"),
]


@pytest.mark.parametrize(("address", "chip", "model"), CHIPS)
@pytest.mark.parametrize("adapter", [SimulatedBus, WithoutEmptyWrites])
async def test_each_known_chip_is_named_on_every_adapter(
    address: int, chip: Callable[[], Any], model: str, adapter: type[SimulatedBus]
) -> None:
    """A chip's own id, serial number or register tells what it is, also where an adapter has no empty writes."""
    assert await scanned({address: chip()}, adapter) == [Found(address, model)]
    assert model in PARTS


@pytest.mark.parametrize(
    ("address", "answers"),
    [
        (0x77, {b"\xd0": b"\x42", b"\x00": b"\x42"}),
        (0x76, {b"\xd0": b"\xff", b"\x00": b"\xff"}),
        (0x40, {b"\xe7": b"\x00"}),
        (0x40, {b"\xe7": b"\xff"}),
        (0x44, {b"\x89": b"\x0f\xba\x00\x7c\x00\x00", b"\xf3\x2d": b"\x80\x10\x00"}),
        (0x44, {b"\x89": word(b"\x0f\xba") + b"\x7c\x00\x00"}),
        (0x48, {b"\x01": b"\x60\xa0"}),
        (0x1E, {}),
        (0x57, {}),
    ],
)
async def test_what_says_something_else_is_unknown(address: int, answers: Mapping[bytes, bytes]) -> None:
    """Another chip at a known address, a wrong checksum or a dead line is never given a name that it does not have."""
    assert await scanned({address: AnsweringChip(answers)}) == [Found(address)]


async def test_nobody_is_found_on_an_empty_bus() -> None:
    """Silence at every address is an empty list."""
    assert await scanned({}) == []


async def test_a_bench_full_of_chips_is_told_in_the_order_of_addresses() -> None:
    """Several chips of several kinds are found in one pass."""
    chips = {0x77: Bmp280Chip(lambda: WEATHER), 0x23: AnsweringChip({}), 0x40: Htu21dChip(lambda: WEATHER)}
    assert [one.address for one in await scanned(chips)] == [0x23, 0x40, 0x77]


async def test_a_chip_of_unknown_kind_is_not_written_a_byte() -> None:
    """Who does not know a chip must not change it: it is asked by an empty write, and not read."""
    chip = AnsweringChip({})
    await scanned({0x1E: chip})
    assert (chip.written, chip.reads_count) == ([b""], 0)


async def test_an_eeprom_is_read_and_not_written_to() -> None:
    """An empty write is known to spoil some EEPROMs, and so there is none at their addresses."""
    chip = AnsweringChip({})
    assert await scanned({0x50: chip}) == [Found(0x50)]
    assert chip.written == []


async def test_reserved_addresses_are_left_alone() -> None:
    """Below 0x08 and above 0x77 an address is none of a chip."""
    first, last = AnsweringChip({}), AnsweringChip({})
    assert await scanned({0x07: first, 0x78: last}) == []
    assert first.written == last.written == []


async def test_a_scan_starts_no_conversion_and_resets_nothing() -> None:
    """A chip that another program reads goes on as before: its control register is not written."""
    barometer, hygrometer = AnsweringChip({b"\xd0": b"\x58"}), AnsweringChip({b"\xe7": b"\x02"})
    await scanned({0x77: barometer, 0x40: hygrometer})
    assert {*barometer.written, *hygrometer.written} == {b"\xd0", b"\xe7"}


async def test_a_chip_of_the_kernel_is_not_asked() -> None:
    """Two drivers that talk to one chip disturb each other, so what the kernel has is named and left alone."""
    chip = AnsweringChip({b"\xd0": b"\x58"})
    found = await scanned({0x77: chip}, driver_of=lambda address: "bmp280" if address == 0x77 else "")
    assert found == [Found(0x77, kernel_driver="bmp280")]
    assert chip.written == []


async def test_a_line_held_low_ends_the_scan() -> None:
    """Where every transfer times out, the scan says so at once, and does not wait for a hundred addresses."""

    class HeldLow(SimulatedBus):
        def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    with pytest.raises(BusUnavailable, match="a transfer on the simulated bus failed"):
        await scanned({}, HeldLow)


async def test_a_chip_that_is_broken_is_found_all_the_same() -> None:
    """All ones or all zeros are no id, but somebody acknowledges, and that is told."""
    for fault in (Fault.ALL_ONES, Fault.ALL_ZEROS):
        chip = Bmp280Chip(lambda: WEATHER)
        chip.fault = fault
        assert await scanned({0x77: chip}) == [Found(0x77)]


def test_the_kernels_own_driver_is_seen_in_its_list(tmp_path: Path) -> None:
    """The kernel's list tells by a link which driver has an address; without one it is free."""
    (tmp_path / "drivers" / "bmp280").mkdir(parents=True)
    device = tmp_path / "devices" / "1-0077"
    device.mkdir(parents=True)
    (device / "driver").symlink_to(tmp_path / "drivers" / "bmp280")
    (tmp_path / "devices" / "1-0050").mkdir()
    devices = tmp_path / "devices"
    assert kernel_driver(1, 0x77, devices) == "bmp280"
    assert kernel_driver(1, 0x50, devices) == ""
    assert kernel_driver(0, 0x77, devices) == ""
    assert kernel_driver("simulated", 0x77, devices) == ""
