"""A receiver, its decoders and a transmitter, each as it is and as it can be broken."""

import errno
from pathlib import Path

import pytest

from weatherd import config
from weatherd.clock import SystemClock
from weatherd.doctor import State, examine, infrared
from weatherd.doctor.findings import Finding
from weatherd.testing.lirc import Device, SimulatedLirc

REMOTE = config.InfraredReceiver("remote")
COMMANDS = config.Infrared(commands={"on": config.InfraredCommand(protocol="nec", scancode=1)})


def receiver(devices: SimulatedLirc, folder: Path, settings: config.InfraredReceiver = REMOTE) -> Finding:
    (found,) = infrared.receiver(settings, devices, folder)
    assert (found.check, found.subject) == ("sensor", "remote")
    return found


def protocols(folder: Path, text: str) -> None:
    """Let the kernel tell of the decoders of the pHAT's receiver."""
    place = folder / "lirc1" / "device"
    place.mkdir(parents=True)
    (place / "protocols").write_text(text)


def test_a_receiver_is_told_with_its_decoders(tmp_path: Path) -> None:
    """Those in brackets are turned on; lirc is none, it stands for the pulses."""
    protocols(tmp_path, "rc-5 [nec] rc-6 jvc [sony] xmp [lirc]\n")
    found = receiver(SimulatedLirc.phat(), tmp_path)
    assert (found.state, found.message) == (State.OK, "/dev/lirc1 hears, and decodes nec, sony")


def test_a_receiver_without_a_decoder_tells_no_keys(tmp_path: Path) -> None:
    """That is worth a look, and the line that turns one on is told with its path."""
    protocols(tmp_path, "rc-5 nec rc-6 [lirc]\n")
    found = receiver(SimulatedLirc.phat(), tmp_path)
    assert (found.state, found.code) == (State.WARN, "infrared.no_decoder")
    assert f"sudo tee {tmp_path}/lirc1/device/protocols" in found.hint


def test_where_nobody_tells_of_decoders_a_receiver_is_right(tmp_path: Path) -> None:
    """In a container, say."""
    assert receiver(SimulatedLirc.phat(), tmp_path).message == "/dev/lirc1 hears"


@pytest.mark.parametrize(
    ("devices", "settings", "message", "hint"),
    [
        (SimulatedLirc({}), REMOTE, "there is no infrared device", "dtoverlay=gpio-ir,gpio_pin=18"),
        (SimulatedLirc({"/dev/lirc0": Device(receives=False, sends=True)}), REMOTE, "none of these hears", "dtoverlay"),
        (
            SimulatedLirc({"/dev/lirc0": Device(decodes=True)}),
            config.InfraredReceiver("remote", raw=True),
            "none of these tells timings",
            "dtoverlay",
        ),
        (
            SimulatedLirc({}),
            config.InfraredReceiver("remote", device="/dev/lirc7"),
            "/dev/lirc7 cannot be used: No such file",
            "dtoverlay",
        ),
    ],
)
def test_a_receiver_that_is_not_there_fails(
    devices: SimulatedLirc, settings: config.InfraredReceiver, message: str, hint: str, tmp_path: Path
) -> None:
    """The overlay to add is told."""
    found = receiver(devices, tmp_path, settings)
    assert (found.state, found.code) == (State.FAIL, "sensor.no_infrared")
    assert message in found.message
    assert hint in found.hint


def test_what_sends_is_opened_and_nothing_is_sent() -> None:
    """Which device, and how many commands there are."""
    devices = SimulatedLirc.phat()
    (found,) = infrared.transmitter(COMMANDS, devices)
    assert (found.check, found.state, found.message) == (
        "infrared",
        State.OK,
        "/dev/lirc0 sends; 1 commands are configured",
    )
    assert not devices.devices["/dev/lirc0"].sent


def test_who_may_not_send_is_told_of_the_group() -> None:
    """The other device, which only hears, does not matter."""
    devices = SimulatedLirc.phat()
    devices.devices["/dev/lirc0"].refusal = errno.EACCES
    (found,) = infrared.transmitter(COMMANDS, devices)
    assert (found.state, found.code) == (State.FAIL, "sensor.no_infrared")
    assert "/dev/lirc0 cannot be used: Permission denied" in found.message
    assert "usermod -aG video" in found.hint


async def test_both_are_among_what_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver where the sensors are, and behind them what sends; a station without infrared has neither."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    text = (
        f'[station]\nid = "s"\n[journal]\npath = "{tmp_path}/journal.db"\n'
        '[[sensors]]\nname = "remote"\ndriver = "infrared"\ndevice = "simulated"\n'
        '[infrared]\ndevice = "simulated"\n[infrared.commands]\non = { protocol = "nec", scancode = 1 }\n'
    )
    found = [one async for one in examine(config.parse(text, tmp_path), SystemClock())]
    assert [(one.subject, one.message) for one in found if one.subject in {"remote", "infrared"}] == [
        ("remote", "the simulated device hears"),
        ("infrared", "the simulated device sends; 1 commands are configured"),
    ]
