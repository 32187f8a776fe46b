"""The emulated BH1750, command by command and without a driver, by a fake clock."""

import errno

import pytest

from weatherd.testing.chips import Bh1750Chip, Fault


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
def light() -> dict[str, float]:
    return {"illuminance": 28_027.5}


@pytest.fixture
def chip(clock: FakeTime, light: dict[str, float]) -> Bh1750Chip:
    return Bh1750Chip(lambda: light, clock)


def write(chip: Bh1750Chip, *commands: int) -> None:
    for command in commands:
        chip.write(bytes([command]))


def counts(chip: Bh1750Chip) -> int:
    return int.from_bytes(chip.read(2))


def test_its_default_is_that_of_the_datasheet(chip: Bh1750Chip, clock: FakeTime) -> None:
    """10000011 10010001 (its example, 33,681 counts) are 28,067 lx: here 28,027.5 lx make 33,633."""
    write(chip, 0x01, 0x20)
    clock.now_s += 0.1799
    assert counts(chip) == 0
    clock.now_s += 0.0002
    assert counts(chip) == 33_633


@pytest.mark.parametrize(("time", "longest_s"), [(31, 0.081), (69, 0.180), (254, 0.663)])
@pytest.mark.parametrize(("command", "factor"), [(0x20, 1), (0x21, 2)])
def test_counts_and_duration_follow_the_measurement_time(
    time: int, longest_s: float, command: int, factor: int
) -> None:
    """MTreg comes in two commands, of three and five bits."""
    clock = FakeTime()
    chip = Bh1750Chip(lambda: {"illuminance": 1000.0}, clock)
    write(chip, 0x01, 0x40 | time >> 5, 0x60 | time & 31, command)
    clock.now_s += longest_s - 0.001
    assert counts(chip) == 0
    clock.now_s += 0.002
    assert counts(chip) == round(1200 * factor * time / 69)


def test_it_saturates_at_all_ones(chip: Bh1750Chip, clock: FakeTime, light: dict[str, float]) -> None:
    """Nothing but the count itself says so."""
    light["illuminance"] = 60_000
    write(chip, 0x20)
    clock.now_s += 1
    assert counts(chip) == 0xFFFF


def test_it_measures_on_and_on_in_continuous_mode(chip: Bh1750Chip, clock: FakeTime, light: dict[str, float]) -> None:
    """Each conversion brings the light of its time; one that was ordered once does not."""
    write(chip, 0x10)
    clock.now_s += 0.181
    first = counts(chip)
    light["illuminance"] = 100
    clock.now_s += 0.1
    assert counts(chip) == first
    clock.now_s += 0.1
    assert counts(chip) == 120
    write(chip, 0x20)
    clock.now_s += 0.181
    assert counts(chip) == 120
    light["illuminance"] = 200
    clock.now_s += 1000
    assert counts(chip) == 120


def test_a_reset_erases_the_result_only_while_it_is_awake(chip: Bh1750Chip, clock: FakeTime) -> None:
    """After a measurement that was ordered once it sleeps."""
    write(chip, 0x20)
    clock.now_s += 1
    assert counts(chip) == 33_633
    write(chip, 0x07)
    assert counts(chip) == 33_633
    write(chip, 0x01, 0x07)
    assert counts(chip) == 0


@pytest.mark.parametrize("data", [b"\x12", b"\x22", b"\x02", b"\x80", b"\x01\x20"])
def test_it_acknowledges_no_unknown_command(chip: Bh1750Chip, data: bytes) -> None:
    """What is no command of the datasheet's is refused."""
    with pytest.raises(OSError, match=f"Errno {errno.EREMOTEIO}"):
        chip.write(data)


@pytest.mark.parametrize("fault", [Fault.STUCK_BUSY, Fault.RESET_REGISTERS])
def test_a_conversion_without_result_leaves_the_old_one(chip: Bh1750Chip, clock: FakeTime, fault: Fault) -> None:
    """Nothing that can be read tells it from a new one."""
    write(chip, 0x20)
    clock.now_s += 1
    assert counts(chip) == 33_633
    chip.fault = fault
    write(chip, 0x20)
    clock.now_s += 1
    assert counts(chip) == 33_633
