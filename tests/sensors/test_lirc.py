import array
import errno
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from weatherd.errors import InfraredUnavailable
from weatherd.sensors import lirc
from weatherd.testing.lirc import Device, SimulatedHandle, SimulatedLirc

HEADER = Path("/usr/include/linux/lirc.h")

NAMES = {
    "LIRC_GET_FEATURES": lirc.GET_FEATURES,
    "LIRC_GET_REC_MODE": lirc.GET_REC_MODE,
    "LIRC_SET_SEND_MODE": lirc.SET_SEND_MODE,
    "LIRC_SET_REC_MODE": lirc.SET_REC_MODE,
    "LIRC_SET_SEND_CARRIER": lirc.SET_SEND_CARRIER,
    "LIRC_MODE_PULSE": lirc.MODE_PULSE,
    "LIRC_MODE_MODE2": lirc.MODE_MODE2,
    "LIRC_MODE_SCANCODE": lirc.MODE_SCANCODE,
    "LIRC_CAN_SEND_PULSE": lirc.CAN_SEND_PULSE,
    "LIRC_CAN_SET_SEND_CARRIER": lirc.CAN_SET_SEND_CARRIER,
    "LIRC_CAN_REC_MODE2": lirc.CAN_REC_MODE2,
    "LIRC_CAN_REC_SCANCODE": lirc.CAN_REC_SCANCODE,
    "LIRC_SCANCODE_FLAG_TOGGLE": lirc.FLAG_TOGGLE,
    "LIRC_SCANCODE_FLAG_REPEAT": lirc.FLAG_REPEAT,
    "LIRC_MODE2_SPACE": lirc.MODE2_SPACE,
    "LIRC_MODE2_PULSE": lirc.MODE2_PULSE,
    "LIRC_MODE2_FREQUENCY": lirc.MODE2_FREQUENCY,
    "LIRC_MODE2_TIMEOUT": lirc.MODE2_TIMEOUT,
    "LIRC_MODE2_OVERFLOW": lirc.MODE2_OVERFLOW,
    "LIRC_VALUE_MASK": lirc.VALUE_MASK,
    "LIRC_MODE2_MASK": lirc.KIND_MASK,
}


OFFSETS = {"timestamp": "Q", "flags": "H", "rc_proto": "H", "keycode": "I", "scancode": "Q"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return what a compiler makes of the kernel's own header: every word, and the size and offsets of the struct."""
    compiler = shutil.which("cc") or pytest.skip("this machine has no C compiler: install gcc")
    if not HEADER.exists():
        pytest.skip("this machine has no linux/lirc.h: install linux-libc-dev")
    wanted = {name: f"(unsigned int)({name})" for name in NAMES} | {"size": "sizeof(struct lirc_scancode)"}
    wanted |= {field: f"__builtin_offsetof(struct lirc_scancode, {field})" for field in OFFSETS}
    prints = "".join(f'printf("{name} %llu\\n", (unsigned long long){one});' for name, one in wanted.items())
    source = f"#include <linux/lirc.h>\n#include <stdio.h>\nint main(void) {{ {prints} return 0; }}"
    program = tmp_path_factory.mktemp("lirc") / "words"
    subprocess.run([compiler, "-x", "c", "-", "-o", program], input=source, text=True, check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in map(str.split, printed.splitlines())}


def test_the_words_are_those_of_the_kernels_header(compiled: dict[str, int]) -> None:
    """A compiler that reads the kernel's own header finds the same numbers."""
    assert {name: compiled[name] for name in NAMES} == NAMES


def test_a_scancode_has_the_layout_of_the_kernels_struct(compiled: dict[str, int]) -> None:
    """The size and the place of every field are those that a compiler gives them."""
    assert lirc.SCANCODE.size == compiled["size"] == 24
    packed = lirc.SCANCODE.pack(*range(1, 6))
    told = [struct.unpack_from(f"={kind}", packed, compiled[field])[0] for field, kind in OFFSETS.items()]
    assert told == list(range(1, 6))


def test_devices_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """The tenth comes behind the second, and what only begins like one is none."""
    for name in ("lirc10", "lirc2", "lirc0", "lircd", "null"):
        (tmp_path / name).touch()
    assert lirc.LinuxLirc(tmp_path).paths() == [str(tmp_path / f"lirc{number}") for number in (0, 2, 10)]


def test_what_is_no_lirc_device_is_refused_by_the_kernel_itself(tmp_path: Path) -> None:
    """A file in the place of a device is told as such."""
    (tmp_path / "lirc0").touch()
    with pytest.raises(InfraredUnavailable, match="Inappropriate ioctl") as raised:
        lirc.find(lirc.LinuxLirc(tmp_path), lirc.AUTO, lirc.can_receive, "hears")
    assert "no lirc device" in raised.value.hint


def test_a_device_is_chosen_by_what_it_can_do() -> None:
    """Of the pHAT's two the one that hears is found, and the one that sends, whatever their numbers are."""
    devices = SimulatedLirc.phat()
    for swapped in (False, True):
        paths = list(devices.devices)
        order = SimulatedLirc({path: devices.devices[path] for path in (reversed(paths) if swapped else paths)})
        assert found(order, lirc.can_receive) == "/dev/lirc1"
        assert found(order, lirc.can_send) == "/dev/lirc0"


def found(devices: SimulatedLirc, can: object) -> str:
    """Return the path of what is found, and close it."""
    there = lirc.find(devices, lirc.AUTO, can, "does it")  # type: ignore[arg-type]
    there.handle.close()
    return there.path


def test_a_device_that_cannot_be_opened_does_not_hide_one_that_can() -> None:
    """Only if none is left, the first refusal is told."""
    devices = SimulatedLirc.phat()
    devices.devices["/dev/lirc0"].refusal = errno.EACCES
    assert found(devices, lirc.can_receive) == "/dev/lirc1"
    with pytest.raises(InfraredUnavailable, match="/dev/lirc0 cannot be used: Permission denied") as raised:
        found(devices, lirc.can_send)
    assert "usermod -aG video" in raised.value.hint


def test_devices_that_are_not_taken_are_given_back() -> None:
    """What cannot do it, and what does not even say what it can do; the first refusal is told."""

    class Mute(SimulatedLirc):
        def open(self, path: str) -> SimulatedHandle:
            handle = super().open(path)
            self.devices[path].is_registered = path != "/dev/lirc0"
            return handle

    devices = Mute({f"/dev/lirc{number}": Device() for number in range(3)})
    devices.devices["/dev/lirc1"].refusal = errno.EACCES
    with pytest.raises(InfraredUnavailable, match="/dev/lirc0 cannot be used: No such device"):
        found(devices, lirc.can_send)
    assert [device.open_count for device in devices.devices.values()] == [0, 0, 0]


def test_without_any_device_the_overlays_are_named() -> None:
    """Who has forgotten them is told the lines to add."""
    with pytest.raises(InfraredUnavailable, match="there is no infrared device") as raised:
        found(SimulatedLirc({}), lirc.can_receive)
    assert "dtoverlay=gpio-ir,gpio_pin=18" in raised.value.hint
    assert "dtoverlay=gpio-ir-tx,gpio_pin=17" in raised.value.hint


def test_where_none_can_do_it_those_that_cannot_are_named() -> None:
    """A transmitter alone hears nothing, and says so."""
    with pytest.raises(InfraredUnavailable, match="/dev/lirc0: none of these hears"):
        lirc.find(
            SimulatedLirc({"/dev/lirc0": Device(receives=False, sends=True)}), lirc.AUTO, lirc.can_receive, "hears"
        )


def test_what_is_read_is_taken_apart() -> None:
    """Two scancodes, and the four kinds of words about timings."""
    read = lirc.SCANCODE.pack(7, 1, 9, 116, 0x40BF) + lirc.to_send(2, 0x1E01)
    assert list(lirc.scancodes(read)) == [lirc.Scancode(7, 1, 9, 116, 0x40BF), lirc.Scancode(0, 0, 2, 0, 0x1E01)]
    words = array.array("I", [0x01002328, 0x00001194, 0x02009470, 0x0301E848]).tobytes()
    assert [tuple(one) for one in lirc.samples(words)] == [
        (lirc.MODE2_PULSE, 9000),
        (lirc.MODE2_SPACE, 4500),
        (lirc.MODE2_FREQUENCY, 38_000),
        (lirc.MODE2_TIMEOUT, 125_000),
    ]
    assert lirc.pulses([9000, 4500, 560]) == array.array("I", [9000, 4500, 560]).tobytes()
