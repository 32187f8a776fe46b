"""
Whether a receiver of infrared hears, and something sends.

Opening a device takes it from nobody, and nothing is sent, so what sends is tried even while a daemon has it.
"""

from collections.abc import Sequence
from pathlib import Path

from weatherd import config
from weatherd.daemon.drivers import lirc_device
from weatherd.doctor.findings import Finding, failed, ok, warn
from weatherd.errors import InfraredUnavailable
from weatherd.sensors import lirc

CLASS = Path("/sys/class/lirc")
"""Where the kernel tells which decoders of a device are turned on (Linux, Documentation/ABI/testing/sysfs-class-rc)."""

_NO_DECODER = "turn decoders on with `echo +nec +rc-5 | sudo tee {}`, and for each boot as in docs/infrared.md"


def receiver(settings: config.InfraredReceiver, devices: lirc.Lirc, folder: Path = CLASS) -> Sequence[Finding]:
    """
    Open a receiver for a moment, and look at its decoders.

    Args:
        settings: Its table.
        devices: The infrared devices.
        folder: Where the kernel tells of them.
    """
    can = lirc.can_receive_timings if settings.raw else lirc.can_receive
    try:
        found = lirc.find(devices, lirc_device(settings.device), can, "tells timings" if settings.raw else "hears")
    except InfraredUnavailable as error:
        return [failed("sensor", settings.name, error)]
    found.handle.close()
    protocols = folder / Path(found.path).name / "device" / "protocols"
    decoders = _turned_on(protocols)
    if decoders is None:
        return [ok("sensor", settings.name, f"{found.path} hears")]
    if not decoders:
        sentence = f"{found.path} hears, but no decoder of the kernel is turned on: it tells no keys"
        return [warn("sensor", settings.name, "infrared.no_decoder", sentence, _NO_DECODER.format(protocols))]
    return [ok("sensor", settings.name, f"{found.path} hears, and decodes {', '.join(decoders)}")]


def transmitter(settings: config.Infrared, devices: lirc.Lirc) -> Sequence[Finding]:
    """
    Open what sends for a moment.

    Args:
        settings: Its table.
        devices: The infrared devices.
    """
    try:
        found = lirc.find(devices, lirc_device(settings.device), lirc.can_send, "sends")
    except InfraredUnavailable as error:
        return [failed("infrared", "infrared", error)]
    found.handle.close()
    return [ok("infrared", "infrared", f"{found.path} sends; {len(settings.commands)} commands are configured")]


def _turned_on(protocols: Path) -> Sequence[str] | None:
    """Return the decoders in brackets, without ``lirc``, which stands for the pulses; None where nobody tells."""
    try:
        words = protocols.read_text().split()
    except OSError:
        return None
    return [word[1:-1] for word in words if word.startswith("[") and word != "[lirc]"]
