"""The emulated BMP180, byte by byte and without a driver, by a fake clock."""

import errno

import pytest

from weatherd.testing.chips import Bmp180Chip, Fault

DATASHEET = {"air_temperature": 14.9971, "air_pressure": 699.632}


class FakeTime:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture
def chip(clock: FakeTime) -> Bmp180Chip:
    return Bmp180Chip(lambda: DATASHEET, clock)


def registers(chip: Bmp180Chip, first: int, count: int) -> bytes:
    chip.write(bytes([first]))
    return chip.read(count)


def converted(chip: Bmp180Chip, clock: FakeTime, command: int) -> bytes:
    chip.write(bytes([0xF4, command]))
    clock.now_s += 0.03
    return registers(chip, 0xF6, 3)


def test_it_gives_the_datasheets_words(chip: Bmp180Chip, clock: FakeTime) -> None:
    """UT 27898 and, with one sample, UP 23843 (section 3.5)."""
    assert converted(chip, clock, 0x2E) == (27898).to_bytes(2) + b"\x00"
    assert converted(chip, clock, 0x34) == (23843).to_bytes(2) + b"\x00"


def test_calibration_and_identity_lie_where_the_datasheet_has_them(chip: Bmp180Chip) -> None:
    """AC1 408 at AA, AC2 -72 after it, big-endian; MD 2868 ends at BF; D0 says 55."""
    assert registers(chip, 0xAA, 4).hex() == "0198ffb8"
    assert registers(chip, 0xBE, 2) == (2868).to_bytes(2)
    assert registers(chip, 0xD0, 1) == b"\x55"


@pytest.mark.parametrize(
    ("command", "longest_s"), [(0x2E, 0.0045), (0x34, 0.0045), (0x74, 0.0075), (0xB4, 0.0135), (0xF4, 0.0255)]
)
def test_it_is_busy_until_the_conversion_is_over(
    chip: Bmp180Chip, clock: FakeTime, command: int, longest_s: float
) -> None:
    """The start bit stays set for the datasheet's longest time, then it is clear and there is a result."""
    chip.write(bytes([0xF4, command]))
    clock.now_s += longest_s - 0.0001
    assert registers(chip, 0xF4, 1) == bytes([command])
    assert registers(chip, 0xF6, 3) == b"\x80\x00\x00"
    clock.now_s += 0.0002
    assert registers(chip, 0xF4, 1) == bytes([command & ~0x20])
    assert registers(chip, 0xF6, 3) != b"\x80\x00\x00"


@pytest.mark.parametrize(("command", "bits"), [(0x34, 16), (0x74, 17), (0xB4, 18), (0xF4, 19)])
def test_it_resolves_by_its_oversampling(chip: Bmp180Chip, clock: FakeTime, command: int, bits: int) -> None:
    """Each doubling of the samples gives one bit more; the rest are zero."""
    word = int.from_bytes(converted(chip, clock, command))
    assert word % (1 << 24 - bits) == 0
    assert word / 256 == pytest.approx(23843.1, abs=1 / 2 ** (bits - 16))


def test_a_reset_erases_the_result_and_takes_10_ms(chip: Bmp180Chip, clock: FakeTime) -> None:
    """B6 in E0: nobody acknowledges while the chip starts, and then its data are 800000."""
    converted(chip, clock, 0x2E)
    chip.write(b"\xe0\xb6")
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        chip.write(b"\xf6")
    clock.now_s += 0.011
    assert registers(chip, 0xF4, 1) == b"\x00"
    assert registers(chip, 0xF6, 3) == b"\x80\x00\x00"


def test_its_faults_are_the_datasheets(chip: Bmp180Chip, clock: FakeTime) -> None:
    """Stuck it stays busy for an hour; without a result it is ready and has nothing to say; it has no checksum."""
    chip.fault = Fault.STUCK_BUSY
    chip.write(b"\xf4\x2e")
    clock.now_s += 3600
    assert registers(chip, 0xF4, 1) == b"\x2e"
    chip.fault = Fault.RESET_REGISTERS
    assert registers(chip, 0xF4, 1) == b"\x0e"
    assert registers(chip, 0xF6, 3) == b"\x80\x00\x00"
    with pytest.raises(ValueError, match="BAD_CRC"):
        chip.fault = Fault.BAD_CRC


@pytest.mark.parametrize(("degc", "word"), [(500, 0xFFFF), (-40, 23_097)])
def test_extremes_stay_within_their_words(clock: FakeTime, degc: float, word: int) -> None:
    """Beyond what it can say it makes its highest word, never a wrong one; -40 degC is far from the lowest."""
    chip = Bmp180Chip(lambda: {"air_temperature": degc, "air_pressure": 1000}, clock)
    assert int.from_bytes(converted(chip, clock, 0x2E)) >> 8 == word
