"""What the kernel itself has on an I2C bus."""

from pathlib import Path

_DEVICES = Path("/sys/bus/i2c/devices")


def kernel_driver(bus: int | str, address: int, devices: Path = _DEVICES) -> str:
    """
    Return the kernel's own driver that has an address of a bus; empty if none has.

    The kernel lets us talk to the chip all the same, and then two talk to it at once.

    Args:
        bus: The number of ``/dev/i2c-<bus>``; an emulated bus is none of the kernel's.
        address: On this bus.
        devices: Where the kernel lists what it knows to be there (Linux, Documentation/i2c/i2c-sysfs.rst).
    """
    try:
        return (devices / f"{bus}-{address:04x}" / "driver").resolve(strict=True).name
    except OSError:
        return ""
