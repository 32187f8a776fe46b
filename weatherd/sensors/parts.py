"""
The chips that `weatherd scan` knows by name, and the configuration that reads each. Data only.

A driver that weatherd brings along has a name of its own; any other chip is read by `circuitpython`, with a driver from
PyPI.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Part(NamedTuple):
    """
    A kind of chip.

    Attributes:
        model: What people call it.
        sensor: The name that is proposed for it in the configuration.
        keys: Its lines of a ``[[sensors]]`` table but for the name; ``{address}`` stands for its address.
        package: What `pip install` needs for it; empty where weatherd brings the driver along.
        about: How sure that is, where its model alone would say too much.
    """

    model: str
    sensor: str
    keys: str
    package: str = ""
    about: str = ""


_BOSCH_OUTDOORS = (
    'quantities = {{ air_temperature = "temperature", relative_humidity = "relative_humidity", '
    'air_pressure = "pressure" }}'
)
_SENSIRION = 'quantities = {{ air_temperature = "temperature", relative_humidity = "relative_humidity" }}'


def _circuitpython(class_: str, quantities: str) -> str:
    return f'driver = "circuitpython"\nclass = "{class_}"\naddress = {{address}}\n{quantities}'


PARTS: Mapping[str, Part] = {
    part.model: part
    for part in (
        Part("BMP280", "barometer", 'driver = "bmp280"\naddress = {address}'),
        Part("BMP180", "barometer", 'driver = "bmp180"'),  # it has one address only
        Part(
            "HTU21D",
            "hygrometer",
            'driver = "htu21d"\naddress = {address}',
            about="HTU21D, or an SHT21 or Si7021 that is read in the same way",
        ),
        Part(
            "BH1750",
            "light",
            'driver = "bh1750"\naddress = {address}',
            about="BH1750, by its address alone: it has nothing else to be told by",
        ),
        Part(
            "BME280",
            "air",
            _circuitpython("adafruit_bme280.basic.Adafruit_BME280_I2C", _BOSCH_OUTDOORS),
            "adafruit-circuitpython-bme280",
        ),
        Part(
            "BME680",
            "air",
            _circuitpython("adafruit_bme680.Adafruit_BME680_I2C", _BOSCH_OUTDOORS),
            "adafruit-circuitpython-bme680",
        ),
        Part(
            "BMP388 or BMP390",
            "barometer",
            _circuitpython(
                "adafruit_bmp3xx.BMP3XX_I2C",
                'quantities = {{ air_pressure = "pressure", air_temperature = "temperature" }}',
            ),
            "adafruit-circuitpython-bmp3xx",
        ),
        Part("SHT4x", "hygrometer", _circuitpython("adafruit_sht4x.SHT4x", _SENSIRION), "adafruit-circuitpython-sht4x"),
        Part(
            "SHT3x",
            "hygrometer",
            _circuitpython("adafruit_sht31d.SHT31D", _SENSIRION),
            "adafruit-circuitpython-sht31d",
        ),
        Part(
            "ADS1115",
            "vane",
            'driver = "wind_vane"\naddress = {address}',
            about="ADS1115 or ADS1015, an input for voltages such as that of a wind vane",
        ),
    )
}
"""By the model."""


def snippet(part: Part, address: int, name: str) -> str:
    """
    Return the ``[[sensors]]`` table for a chip, as TOML.

    Args:
        part: What it is.
        address: Where it answers.
        name: What to call the sensor; no two alike.
    """
    install = f"# first: pip install {part.package}\n" if part.package else ""
    return f'{install}[[sensors]]\nname = "{name}"\n{part.keys.format(address=f"{address:#04x}")}\n'
