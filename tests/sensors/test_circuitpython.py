"""Any CircuitPython driver: three real ones on emulated chips, and what an odd one cannot do to us."""

import asyncio
import contextlib
import io
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.sensors.adafruit_chips import Bme280Chip, Bmp390Chip, Sht4xChip
from tests.sensors.odd_drivers import Eaten, Sleeps
from weatherd.errors import DeadlineExceeded, DriverFailed, NoAnswer, NoMeasurement, SensorError
from weatherd.logs import Printed, make_log
from weatherd.sensors import i2c
from weatherd.sensors.circuitpython import Attribute, CircuitPython, how_to_install, missing_module
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Bmp280Chip, Chip, Fault, Htu21dChip, SimulatedBus

WEATHER = {"air_temperature": -7.25, "relative_humidity": 61.0, "air_pressure": 987.6}
ODD = "tests.sensors.odd_drivers."


class Bench:
    """One driver on a bus with one chip."""

    def __init__(
        self, chip: Chip, class_name: str, attributes: dict[str, str], *, address: int = 0x77, deadline_s: float = 0.5
    ) -> None:
        self.chip = chip
        self.bus = Bus(lambda: SimulatedBus({address: chip}), "the simulated bus")
        self.sensor = CircuitPython(
            self.bus,
            "extra",
            class_name=class_name,
            attributes={quantity: Attribute(name) for quantity, name in attributes.items()},
            arguments={"address": address},
            deadline_s=deadline_s,
        )


REAL: dict[str, Callable[[], Bench]] = {
    "sht4x": lambda: Bench(
        Sht4xChip(lambda: WEATHER),
        "adafruit_sht4x.SHT4x",
        {"air_temperature": "temperature", "relative_humidity": "relative_humidity"},
        address=0x44,
    ),
    "bme280": lambda: Bench(
        Bme280Chip(lambda: WEATHER),
        "adafruit_bme280.basic.Adafruit_BME280_I2C",
        {"air_temperature": "temperature", "relative_humidity": "humidity", "air_pressure": "pressure"},
        address=0x76,
    ),
    "bmp390": lambda: Bench(
        Bmp390Chip(lambda: WEATHER),
        "adafruit_bmp3xx.BMP3XX_I2C",
        {"air_temperature": "temperature", "air_pressure": "pressure"},
    ),
}


@pytest.fixture
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = REAL[request.param]()
    yield bench
    await bench.sensor.close()
    await bench.bus.close()


@pytest.mark.parametrize("real", REAL, indirect=True)
async def test_the_weather_comes_through_adafruits_drivers(real: Bench) -> None:
    """An SHT4x, a BME280 and a BMP390 without a line of code; the model is the name of the class."""
    await real.sensor.open()
    measurement = await real.sensor.measure()
    assert set(measurement) == set(real.sensor.quantities)
    for quantity, value in measurement.items():
        assert value == pytest.approx(WEATHER[quantity], abs=0.02)
    assert real.sensor.model in {"SHT4x", "Adafruit_BME280_I2C", "BMP3XX_I2C"}


@pytest.mark.parametrize("real", REAL, indirect=True)
async def test_a_plug_pulled_at_any_message_is_no_answer(real: Bench) -> None:
    """None of the three drivers hangs, or says anything else."""
    for messages in range(200):
        real.chip.unplug_after(messages)
        async with asyncio.timeout(10.0):
            try:
                await real.sensor.open()
                await real.sensor.measure()
                break
            except NoAnswer:
                real.chip.fault = None
    assert messages >= 6  # fewer would be no measurement


@pytest.mark.parametrize(
    ("real", "fault", "error"),
    [
        ("sht4x", Fault.BAD_CRC, DriverFailed),
        ("sht4x", Fault.STUCK_BUSY, NoAnswer),
        ("sht4x", Fault.ALL_ONES, DriverFailed),
        ("bme280", Fault.STUCK_BUSY, DeadlineExceeded),
        ("bmp390", Fault.STUCK_BUSY, DeadlineExceeded),
    ],
    indirect=["real"],
)
async def test_a_fault_that_the_driver_notices_has_a_name(real: Bench, fault: Fault, error: type[SensorError]) -> None:
    """A bad checksum keeps the driver's words, a chip that is busy for ever ends with the deadline."""
    await real.sensor.open()
    real.chip.fault = fault
    with pytest.raises(error):
        await real.sensor.measure()
    real.chip.fault = None
    assert await real.sensor.measure()


async def test_another_chip_in_its_place_is_told_in_the_drivers_words() -> None:
    """A BMP280 that is configured as a BME280."""
    bench = Bench(
        Bmp280Chip(lambda: WEATHER), "adafruit_bme280.basic.Adafruit_BME280_I2C", {"air_temperature": "temperature"}
    )
    with pytest.raises(DriverFailed, match=r"RuntimeError: Failed to find BME280! Chip ID 0x58"):
        await bench.sensor.open()
    await bench.bus.close()


class OddBench:
    """A driver with a bad habit."""

    def __init__(self, class_name: str, attribute: str = "temperature", **arguments: str | float | bool) -> None:
        self.bus = Bus(lambda: SimulatedBus({0x40: Htu21dChip(lambda: WEATHER)}), "the simulated bus")
        self.sensor = CircuitPython(
            self.bus,
            "odd",
            class_name=class_name if "." in class_name else ODD + class_name,
            attributes={"air_temperature": Attribute(attribute)},
            arguments=arguments,
            deadline_s=0.1,
        )

    async def measure(self) -> float:
        try:
            await self.sensor.open()
            return (await self.sensor.measure())["air_temperature"]
        finally:
            await self.bus.close()


async def test_arguments_reach_the_constructor_and_all_happens_on_the_bus() -> None:
    """Numbers, texts and booleans by name; the driver lives on the bus's thread."""
    bench = OddBench("Good", gain=2.0, label="roof", fine=True, address=0x41)
    assert await bench.measure() == 41.0
    driver = bench.sensor._driver
    assert driver.others == {"gain": 2.0, "label": "roof", "fine": True}
    assert driver.address == 0x41
    assert driver.thread != threading.get_ident()


async def test_units_are_converted() -> None:
    """A driver that speaks Fahrenheit: 20.5 degF are -6.4 degC."""
    bench = OddBench("Good")
    bench.sensor._attributes = {"air_temperature": Attribute("temperature", 5 / 9, -160 / 9)}
    assert await bench.measure() == pytest.approx(-6.389, abs=0.001)
    assert await OddBench("Good", "whole").measure() == 21.0


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("nothing", "None"),
        ("text", "'20.5'"),
        ("truth", "True"),
        ("not_a_number", "nan"),
        ("infinite", "-inf"),
        ("a_list", r"\(1.0, 2.0\)"),
    ],
)
async def test_what_is_no_number_is_no_measurement(attribute: str, said: str) -> None:
    """Whatever a driver gives in the place of a number is told, and the sensor is still there."""
    with pytest.raises(NoMeasurement, match=f"the driver gave {said} as {attribute}") as caught:
        await OddBench("Good", attribute).measure()
    assert type(caught.value) is NoMeasurement


@pytest.mark.parametrize(
    ("class_name", "attribute", "said"),
    [
        ("Fails", "temperature", "OwnError: "),
        ("Exits", "temperature", "SystemExit: a chip is missing"),
        ("Interrupts", "temperature", "KeyboardInterrupt: no words"),
        ("Gluttonous", "temperature", "MemoryError: 1000000000"),
        ("RefusesToBegin", "temperature", "RefusesToBegin.*unexpected keyword"),
        ("Good", "temperatur", "AttributeError: 'Good' object has no attribute 'temperatur'"),
        ("Good", "huge", "OverflowError"),
        ("a_function", "temperature", "is no class"),
        ("Goood", "temperature", "Goood does not exist"),
    ],
)
async def test_whatever_a_driver_raises_has_a_name(class_name: str, attribute: str, said: str) -> None:
    """An error of its own, the end of the program, no memory, no such class: one sensor's failure, with its words."""
    bench = OddBench(class_name, attribute, **({"nonsense": 1} if class_name == "RefusesToBegin" else {}))
    with pytest.raises(DriverFailed, match=said) as caught:
        await bench.measure()
    assert caught.value.hint
    assert len(caught.value.sentence) < 500


async def test_a_misspelt_class_is_told_with_the_nearest() -> None:
    """The hint names a class that there is."""
    with pytest.raises(DriverFailed) as caught:
        await OddBench("Goood").measure()
    assert caught.value.hint == f"did you mean {ODD}Good?"


async def test_a_driver_that_ended_the_program_can_be_asked_again() -> None:
    """The bus's thread survives it."""
    bench = OddBench("Exits")
    await bench.sensor.open()
    for _ in range(2):
        with pytest.raises(DriverFailed, match="SystemExit"):
            await bench.sensor.measure()
    await bench.bus.close()


async def test_what_a_driver_ate_is_given_back() -> None:
    """The error does not keep the driver's memory alive, however long it is remembered itself."""
    with pytest.raises(DriverFailed) as caught:
        await OddBench("Gluttonous").measure()
    assert Eaten.alive_count == 0
    assert caught.value.__cause__ is not None


async def test_a_module_that_is_not_installed_is_told_with_the_command() -> None:
    """Adafruit's packages have names that follow from the module's."""
    with pytest.raises(DriverFailed, match="the module adafruit_xyz99 is not installed") as caught:
        await OddBench("adafruit_xyz99.XYZ99").measure()
    assert caught.value.hint == f"{sys.executable} -m pip install adafruit-circuitpython-xyz99"


def test_what_is_not_installed_is_found_without_an_import() -> None:
    """Neither the driver nor its package runs for it."""
    assert missing_module("adafruit_sht4x.SHT4x") is None
    assert missing_module("no_such_package.part.Class") == "no_such_package"
    assert how_to_install("no_such_package.part").endswith("pip install no_such_package")
    assert how_to_install("adafruit_bus_device.x").endswith("adafruit-circuitpython-bus-device")


async def test_a_driver_that_fails_in_its_import_is_one_sensors_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the import said."""
    (tmp_path / "broken_driver.py").write_text("raise ZeroDivisionError('in the import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DriverFailed, match="ZeroDivisionError: in the import"):
        await OddBench("broken_driver.Class").measure()


async def test_a_driver_that_spins_on_the_bus_ends_at_the_deadline() -> None:
    """It swallows every OSError, and what the deadline raises is none."""
    with pytest.raises(DeadlineExceeded, match="answers, but its measurement does not end"):
        await OddBench("Spins").measure()


async def test_a_driver_that_sleeps_is_left_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends in time, its bus is refused at once, another bus measures on; and when it wakes all is well."""
    monkeypatch.setattr(i2c, "GRACE_S", 0.05)
    sleeping, other = OddBench("Sleeps"), OddBench("Good")
    other.sensor.measure_deadline_s = 5.0
    await sleeping.sensor.open()
    await other.sensor.open()
    async with asyncio.timeout(5.0):
        with pytest.raises(DeadlineExceeded, match="a driver sleeps"):
            await sleeping.sensor.measure()
        with pytest.raises(DeadlineExceeded):
            await sleeping.sensor.measure()
        assert await other.sensor.measure() == {"air_temperature": 20.5}
        Sleeps.awake.set()
        while True:
            with contextlib.suppress(DeadlineExceeded):
                assert await sleeping.sensor.measure() == {"air_temperature": 20.5}
                break
            await asyncio.sleep(0.001)
    await sleeping.bus.close()
    await other.bus.close()


async def test_what_a_driver_prints_is_a_line_of_the_log() -> None:
    """Standard output stays JSON, and a driver that prints always is not heard more than 30 times a minute."""
    out = io.StringIO()
    bench = OddBench("Prints")
    with contextlib.redirect_stdout(Printed(make_log("info", "json", out))):
        await bench.sensor.open()
        for _ in range(40):
            await bench.sensor.measure()
    await bench.bus.close()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event.action"] for line in lines] == ["program.printed"] * 30
    assert lines[0]["message"] == "reading the chip"
