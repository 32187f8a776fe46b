"""Which of Bosch's chips answers: they share addresses and the place of their identity, and little else."""

import enum

from weatherd.errors import AllOnes, AllZeros, WrongChip

CHIP_ID = 0xD0
"""The register that says which chip it is (every datasheet's memory map)."""


class Part(enum.IntEnum):
    """The chips that share 0x76 and 0x77, by what they say of themselves."""

    BMP180 = 0x55
    BMP280 = 0x58
    BME280 = 0x60
    BME680 = 0x61


_CLASSES = {
    Part.BME280: "adafruit_bme280.basic.Adafruit_BME280_I2C",
    Part.BME680: "adafruit_bme680.Adafruit_BME680_I2C",
}
_EARLY_SAMPLES = frozenset({0x56, 0x57})


def check_chip_id(chip_id: int, address: int, wanted: Part) -> None:
    """
    Refuse whatever is not the wanted part, and say what it may be and what to write for it.

    Args:
        chip_id: What register 0xD0 holds, 0 to 255.
        address: The chip's, for the sentence.
        wanted: The part that is configured.

    Raises:
        AllOnes, AllZeros: If no chip spoke at all.
        WrongChip: If another one did. Trying again helps only when somebody changes it.
    """
    if chip_id == wanted:
        return
    if chip_id == 0xFF:  # noqa: PLR2004 - every bit
        raise AllOnes(f"the chip id at 0x{address:02x} is all ones", "check the wires and the power")
    if chip_id == 0:
        raise AllZeros(f"the chip id at 0x{address:02x} is all zeros", "check the wires and the power")
    chip, hint = _other(chip_id)
    raise WrongChip(f"the chip at 0x{address:02x} is no {wanted.name} but {chip} (chip id 0x{chip_id:02x})", hint)


def _other(chip_id: int) -> tuple[str, str]:
    if chip_id in _EARLY_SAMPLES:
        return "an early sample of the BMP280, which its driver refuses", "replace the chip"
    if chip_id not in set(Part):
        return "another chip", "check driver and address in the configuration"
    part = Part(chip_id)
    if class_name := _CLASSES.get(part):
        return f"a {part.name}", f'write driver = "circuitpython" and class = "{class_name}" for it'
    return f"a {part.name}", f'write driver = "{part.name.lower()}" for it'
