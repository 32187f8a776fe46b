import subprocess
import sys

PROGRAM = """
import asyncio, sys
from weatherd.sensors.bh1750 import Bh1750
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.circuitpython import Attribute, CircuitPython
from weatherd.sensors.htu21d import Htu21d
from weatherd.sensors.i2c import Bus
from weatherd.testing.weather import simulated_bus

async def main():
    chips = simulated_bus(lambda: 0)
    bus = Bus(lambda: chips, "the test bus")
    any_driver = CircuitPython(
        bus,
        "again",
        class_name="adafruit_htu21d.HTU21D",
        attributes={"air_temperature": Attribute("temperature")},
        arguments={},
        deadline_s=2.0,
    )
    for sensor in (Bmp280(bus, "barometer"), Htu21d(bus, "hygrometer"), Bh1750(bus, "light"), any_driver):
        await sensor.open()
        await sensor.measure()
    await bus.close()

asyncio.run(main())
print([name for name in ("adafruit_platformdetect", "board", "busio", "digitalio") if name in sys.modules])
"""


def test_the_drivers_work_without_a_search_for_the_board() -> None:
    """Neither /proc/cpuinfo nor the board's GPIO is touched: a sandbox forbids both."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
