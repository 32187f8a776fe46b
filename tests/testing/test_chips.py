"""The emulated chips, byte by byte and without a driver: what they promise holds by a fake clock."""

import errno
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbus2 import i2c_msg

from weatherd.testing.chips import (
    DATASHEET_CALIBRATION,
    Bmp280Chip,
    Calibration,
    Chip,
    Fault,
    Htu21dChip,
    SimulatedBus,
    crc8,
    fine_temperature,
    pressure_reading,
    temperature_reading,
)

WEATHER = {"air_temperature": 128422 / 5120, "air_pressure": 1006.5326, "relative_humidity": 50.0}


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
def bmp280(clock: FakeTime) -> Bmp280Chip:
    return Bmp280Chip(lambda: WEATHER, clock)


@pytest.fixture
def htu21d(clock: FakeTime) -> Htu21dChip:
    chip = Htu21dChip(lambda: WEATHER, clock)
    clock.now_s += 0.015
    return chip


def registers(chip: Chip, first: int, count: int) -> bytes:
    chip.write(bytes([first]))
    return chip.read(count)


def words(chip: Chip) -> tuple[int, int]:
    data = registers(chip, 0xF7, 6)
    return int.from_bytes(data[:3]) >> 4, int.from_bytes(data[3:]) >> 4


def compensate(c: Calibration, temperature_word: int, pressure_word: int) -> tuple[float, float, int]:
    """Bosch's double precision formulas, datasheet section 8.1, written out as there: degC, Pa, t_fine."""
    var1 = (temperature_word / 16384.0 - c.t1 / 1024.0) * c.t2
    var2 = (temperature_word / 131072.0 - c.t1 / 8192.0) ** 2 * c.t3
    t_fine = int(var1 + var2)
    temperature_degc = (var1 + var2) / 5120.0
    var1 = t_fine / 2.0 - 64000.0
    var2 = var1 * var1 * c.p6 / 32768.0
    var2 += var1 * c.p5 * 2.0
    var2 = var2 / 4.0 + c.p4 * 65536.0
    var1 = (c.p3 * var1 * var1 / 524288.0 + c.p2 * var1) / 524288.0
    var1 = (1.0 + var1 / 32768.0) * c.p1
    p = 1048576.0 - pressure_word
    p = (p - var2 / 4096.0) * 6250.0 / var1
    var1 = c.p9 * p * p / 2147483648.0
    var2 = p * c.p8 / 32768.0
    return temperature_degc, p + (var1 + var2 + c.p7) / 16.0, t_fine


def test_the_datasheets_example_is_inverted() -> None:
    """25.08 degC and 100653.26 Pa become the raw words 519888 and 415148 of datasheet section 3.12."""
    assert round(temperature_reading(DATASHEET_CALIBRATION, 128422 / 5120)) == 519888
    assert fine_temperature(DATASHEET_CALIBRATION, 519888) == 128422
    assert round(pressure_reading(DATASHEET_CALIBRATION, 128422, 1006.5326)) == 415148


def test_the_datasheets_words_compensate_to_its_weather() -> None:
    """The formulas that these tests invert against give the datasheet's own result."""
    temperature_degc, pressure_pa, t_fine = compensate(DATASHEET_CALIBRATION, 519888, 415148)
    assert t_fine == 128422
    assert temperature_degc == pytest.approx(25.08, abs=0.005)
    assert pressure_pa == pytest.approx(100653.27, abs=0.02)


@given(st.floats(-40, 85), st.floats(300, 1100))
def test_any_weather_comes_back_to_within_the_resolution(temperature_degc: float, pressure_hpa: float) -> None:
    """What the inversion makes of any weather in range, Bosch's formulas turn back into that weather."""
    word = round(temperature_reading(DATASHEET_CALIBRATION, temperature_degc))
    t_fine = fine_temperature(DATASHEET_CALIBRATION, word)
    pressure_word = round(pressure_reading(DATASHEET_CALIBRATION, t_fine, pressure_hpa))
    assert 0 < word < 2**20
    assert 0 < pressure_word < 2**20
    back_degc, back_pa, _ = compensate(DATASHEET_CALIBRATION, word, pressure_word)
    assert back_degc == pytest.approx(temperature_degc, abs=0.0005)
    assert back_pa == pytest.approx(pressure_hpa * 100, abs=0.2)


def test_calibration_lies_in_the_registers_as_the_datasheet_has_it() -> None:
    """Register 0x88 begins with T1 27504 (70 6B), little-endian, negative words in two's complement."""
    raw = DATASHEET_CALIBRATION.registers()
    assert raw[:6].hex() == "706b436718fc"
    assert struct.unpack("<HhhHhhhhhhhh", raw) == tuple(DATASHEET_CALIBRATION)


def test_bmp280_holds_reset_words_before_its_first_conversion(bmp280: Bmp280Chip) -> None:
    """A chip that never converted says 0x80000 twice."""
    assert words(bmp280) == (0x80000, 0x80000)


def test_bmp280_is_busy_until_a_forced_conversion_is_over(bmp280: Bmp280Chip, clock: FakeTime) -> None:
    """Bit 3 of the status is set for 43.2 ms at x2 and x16, then the result is there and the chip sleeps."""
    bmp280.write(bytes([0xF4, 0b010_101_01]))
    assert bmp280.conversion_s == pytest.approx(0.0432, abs=0.0001)
    clock.now_s += 0.0431
    assert registers(bmp280, 0xF3, 1) == b"\x08"
    assert words(bmp280) == (0x80000, 0x80000)
    clock.now_s += 0.0002
    assert registers(bmp280, 0xF3, 1) == b"\x00"
    assert registers(bmp280, 0xF4, 1) == bytes([0b010_101_00])
    assert words(bmp280) == (415148, 519888)


def test_bmp280_resolves_by_its_oversampling(bmp280: Bmp280Chip, clock: FakeTime) -> None:
    """One sample gives 16 bits: the lowest four of the twenty stay zero."""
    bmp280.write(bytes([0xF4, 0b001_001_01]))
    clock.now_s += 1
    pressure_word, temperature_word = words(bmp280)
    assert pressure_word % 16 == temperature_word % 16 == 0
    assert pressure_word == pytest.approx(415148, abs=16)


@pytest.mark.parametrize(("ctrl_meas", "temperature_word"), [(0b010_000_01, 519888), (0b000_101_01, 0x80000)])
def test_bmp280_leaves_reset_words_where_oversampling_is_off(
    bmp280: Bmp280Chip, clock: FakeTime, ctrl_meas: int, temperature_word: int
) -> None:
    """What is not measured reads 0x80000, and so does a pressure without its temperature."""
    bmp280.write(bytes([0xF4, ctrl_meas]))
    clock.now_s += 1
    assert words(bmp280) == (0x80000, temperature_word)


def test_bmp280_converts_again_and_again_in_normal_mode(clock: FakeTime) -> None:
    """Each cycle is a conversion and a standby, and brings the weather of its time."""
    weather = {"air_temperature": 10.0, "air_pressure": 1000.0}
    chip = Bmp280Chip(lambda: weather, clock)
    chip.write(bytes([0xF5, 0b010_000_00, 0xF4, 0b010_101_11]))  # 125 ms of standby
    clock.now_s += 0.050
    first = words(chip)
    assert registers(chip, 0xF3, 1) == b"\x00"
    weather["air_temperature"] = 20.0
    clock.now_s += 0.100
    assert words(chip) == first
    clock.now_s += 0.030
    assert registers(chip, 0xF3, 1) == b"\x08"
    clock.now_s += 0.040
    assert words(chip)[1] > first[1]
    weather["air_temperature"] = 30.0
    clock.now_s += 1000
    latest = words(chip)
    assert latest[1] > first[1]
    weather["air_temperature"] = 40.0
    assert words(chip) == latest


def test_bmp280_forgets_all_at_a_soft_reset(bmp280: Bmp280Chip, clock: FakeTime) -> None:
    """After B6 in register E0 the settings are zero, the words reset, and the calibration is being loaded."""
    bmp280.write(bytes([0xF4, 0b010_101_01]))
    clock.now_s += 1
    assert words(bmp280) != (0x80000, 0x80000)
    bmp280.write(b"\xe0\xb6")
    assert registers(bmp280, 0xF3, 2) == b"\x01\x00"
    assert words(bmp280) == (0x80000, 0x80000)
    clock.now_s += 0.002
    assert registers(bmp280, 0xF3, 1) == b"\x00"


def test_bmp280_reads_on_from_register_to_register(bmp280: Bmp280Chip) -> None:
    """A read continues where the one before it ended."""
    whole = registers(bmp280, 0x88, 24)
    assert registers(bmp280, 0x88, 10) + bmp280.read(14) == whole
    assert registers(bmp280, 0xD0, 1) == b"\x58"


@pytest.mark.parametrize(
    ("data", "checksum"), [("dc", 0x79), ("683a", 0x7C), ("4e85", 0x6B), ("0000", 0x00), ("ffff", 0x2D)]
)
def test_checksums_are_those_of_the_datasheet(data: str, checksum: int) -> None:
    """The vectors of the HTU21D's application note."""
    assert crc8(bytes.fromhex(data)) == checksum


def test_htu21d_acknowledges_no_read_while_it_measures(htu21d: Htu21dChip, clock: FakeTime) -> None:
    """A temperature takes 50 ms; a read before that is not acknowledged, an empty write is."""
    htu21d.write(b"\xf3")
    clock.now_s += 0.049
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        htu21d.read(3)
    htu21d.write(b"")
    clock.now_s += 0.002
    word = htu21d.read(3)
    assert crc8(word[:2]) == word[2]
    assert int.from_bytes(word[:2]) * 175.72 / 65536 - 46.85 == pytest.approx(25.08, abs=0.011)
    assert word[1] & 0b11 == 0b00


def test_htu21d_marks_humidity_in_the_status_bits(htu21d: Htu21dChip, clock: FakeTime) -> None:
    """A humidity takes 16 ms and has bit 1 of its low byte set."""
    htu21d.write(b"\xf5")
    clock.now_s += 0.0161
    word = htu21d.read(3)
    assert int.from_bytes(word[:2]) * 125 / 65536 - 6 == pytest.approx(50.0, abs=0.04)
    assert word[1] & 0b11 == 0b10


def test_htu21d_gives_each_answer_once(htu21d: Htu21dChip, clock: FakeTime) -> None:
    """A second read without a command is not acknowledged."""
    htu21d.write(b"\xf5")
    clock.now_s += 1
    htu21d.read(3)
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        htu21d.read(3)


@pytest.mark.parametrize(
    ("resolution", "bits", "longest_s"), [(0x02, 12, 0.016), (0x03, 8, 0.003), (0x82, 10, 0.005), (0x83, 11, 0.008)]
)
def test_htu21d_measures_at_the_resolution_of_its_user_register(
    htu21d: Htu21dChip, clock: FakeTime, resolution: int, bits: int, longest_s: float
) -> None:
    """Fewer bits take less time."""
    htu21d.write(bytes([0xE6, resolution]))
    htu21d.write(b"\xf5")
    clock.now_s += longest_s + 0.0001
    word = int.from_bytes(htu21d.read(2))
    assert (word & ~0b11) % (1 << 16 - bits) == 0


def test_htu21d_keeps_only_its_heater_through_a_soft_reset(htu21d: Htu21dChip, clock: FakeTime) -> None:
    """The reset takes 15 ms, in which nothing is acknowledged, and then the register has its default."""
    htu21d.write(b"\xe6\xff")
    htu21d.write(b"\xfe")
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        htu21d.write(b"")
    clock.now_s += 0.0151
    htu21d.write(b"\xe7")
    assert htu21d.read(1) == bytes([0b00000110])


def test_htu21d_acknowledges_no_unknown_command(htu21d: Htu21dChip) -> None:
    """What is no command is refused, as by the chip."""
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        htu21d.write(b"\x12")


def test_bad_checksums_are_bad(htu21d: Htu21dChip, clock: FakeTime) -> None:
    """The fault spoils the checksum and nothing else."""
    htu21d.fault = Fault.BAD_CRC
    htu21d.write(b"\xf3")
    clock.now_s += 0.051
    word = htu21d.read(3)
    assert crc8(word[:2]) != word[2]


@pytest.mark.parametrize(("fault", "byte"), [(Fault.ALL_ONES, b"\xff"), (Fault.ALL_ZEROS, b"\x00")])
def test_a_dead_line_says_one_thing_only(bmp280: Bmp280Chip, htu21d: Htu21dChip, fault: Fault, byte: bytes) -> None:
    """Whatever is read is all ones or all zeros, and every write is acknowledged."""
    for chip in (bmp280, htu21d):
        chip.fault = fault
        chip.write(b"\xf3")
        assert chip.read(3) == byte * 3


def test_a_conversion_without_result_leaves_reset_words(bmp280: Bmp280Chip, clock: FakeTime) -> None:
    """The chip is ready and has nothing to say."""
    bmp280.fault = Fault.RESET_REGISTERS
    bmp280.write(bytes([0xF4, 0b010_101_01]))
    clock.now_s += 1
    assert registers(bmp280, 0xF3, 1) == b"\x00"
    assert words(bmp280) == (0x80000, 0x80000)


def test_a_stuck_conversion_never_ends(bmp280: Bmp280Chip, htu21d: Htu21dChip, clock: FakeTime) -> None:
    """Neither chip is ready after an hour; mended, both are."""
    for chip in (bmp280, htu21d):
        chip.fault = Fault.STUCK_BUSY
    bmp280.write(bytes([0xF4, 0b010_101_01]))
    htu21d.write(b"\xf3")
    clock.now_s += 3600
    assert registers(bmp280, 0xF3, 1) == b"\x08"
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        htu21d.read(3)
    bmp280.fault = htu21d.fault = None
    assert registers(bmp280, 0xF3, 1) == b"\x00"
    assert htu21d.read(3)


def test_a_plug_is_pulled_after_so_many_messages(bmp280: Bmp280Chip) -> None:
    """Two messages are answered, the third is not; plugged in again the chip starts from its reset state."""
    bmp280.write(bytes([0xF5, 0b100]))
    bmp280.unplug_after(2)
    assert registers(bmp280, 0xF5, 1) == bytes([0b100])
    for _ in range(3):
        with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
            bmp280.write(b"")
    assert bmp280.fault is Fault.UNPLUGGED
    bmp280.fault = None
    assert registers(bmp280, 0xF5, 1) == b"\x00"


def test_a_chip_cannot_have_a_fault_that_it_has_no_part_for(bmp280: Bmp280Chip, htu21d: Htu21dChip) -> None:
    """A BMP280 has no checksum, an HTU21D no data registers."""
    with pytest.raises(ValueError, match="Bmp280Chip cannot have the fault BAD_CRC"):
        bmp280.fault = Fault.BAD_CRC
    with pytest.raises(ValueError, match="Htu21dChip cannot have the fault RESET_REGISTERS"):
        htu21d.fault = Fault.RESET_REGISTERS


def test_extremes_stay_within_their_words(clock: FakeTime) -> None:
    """Weather beyond what a chip can say makes its highest or lowest word, never a wrong one."""
    for temperature, pressure in itertools.product((-300.0, 500.0), (-100.0, 5000.0)):
        weather = {"air_temperature": temperature, "air_pressure": pressure, "relative_humidity": pressure}
        chip = Htu21dChip(lambda weather=weather: weather, clock)
        clock.now_s += 1
        for command, extreme in ((b"\xf3", temperature), (b"\xf5", pressure)):
            chip.write(command)
            clock.now_s += 1
            assert int.from_bytes(chip.read(2)) >> 8 == (0xFF if extreme > 0 else 0x00)


def test_bus_fills_in_what_is_read(bmp280: Bmp280Chip) -> None:
    """Real messages of smbus2 go through, several in one call."""
    bus = SimulatedBus({0x77: bmp280})
    message = i2c_msg.read(0x77, 1)
    bus.i2c_rdwr(i2c_msg.write(0x77, [0xD0]), message)
    assert bytes(message) == b"\x58"
    bus.close()


def test_bus_has_nobody_at_other_addresses(bmp280: Bmp280Chip) -> None:
    """An address without a chip is not acknowledged, as the kernel of a Pi says it."""
    bus = SimulatedBus({0x77: bmp280})
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        bus.i2c_rdwr(i2c_msg.write(0x76, []))
