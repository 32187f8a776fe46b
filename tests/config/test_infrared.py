from collections.abc import Callable
from pathlib import Path

import pytest

from weatherd import config
from weatherd.processing.infrared import PROTOCOLS, SENDABLE, scancode_mistake, timings_mistakes

MistakesOf = Callable[[str], list[tuple[int, str, str]]]

STATION = '[station]\nid = "s"\n[[sensors]]\nname = "b"\ndriver = "bmp280"\n'
TWO_RECEIVERS = """
[[sensors]]
name = "r"
driver = "infrared"
device = "/dev/lirc1"
[[sensors]]
name = "q"
driver = "infrared"
"""
ON = 'on = { protocol = "nec", scancode = 0x40bf }'


def commands(*lines: str) -> str:
    return "\n".join([f"{STATION}[infrared.commands]", *lines])


def test_a_table_of_commands_is_read() -> None:
    """A scancode has the protocol that it is sent with, timings their carrier, and what is left out its default."""
    settings = config.parse(
        commands(ON, "fan = { timings_us = [9000, 4500, 560], carrier_hz = 36000, repeats = 2 }"), Path("/")
    )
    assert settings.infrared == config.Infrared(
        commands={
            "on": config.InfraredCommand(protocol="nec", scancode=0x40BF),
            "fan": config.InfraredCommand(timings_us=(9000, 4500, 560), carrier_hz=36_000, repeats=2),
        }
    )


def test_nothing_may_be_sent_without_the_table() -> None:
    """It is off by default."""
    assert config.parse(STATION, Path("/")).infrared is None


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        ("on = {}", "", "needs a scancode with its protocol, or timings_us"),
        ('on = { protocol = "nec" }', "protocol", "goes only together with scancode"),
        ("on = { scancode = 0x40bf }", "scancode", "goes only together with protocol"),
        ('on = { protocol = "necx2", scancode = 1 }', "protocol", 'found "necx2"; allowed is "rc5", "rc5x_20"'),
        ('on = { protocol = "xmp", scancode = 1 }', "protocol", 'found "xmp"; allowed is'),
        ('on = { protocol = "nec", scancode = 0x10000 }', "scancode", "found 0x10000; a scancode of nec has no other"),
        ('on = { protocol = "nec", scancode = -1 }', "scancode", "from 0x0 to 0xffffffff"),
        ('on = { protocol = "nec", scancode = "0x40bf" }', "scancode", 'found "0x40bf"; allowed is a whole number'),
        ("on = { timings_us = [] }", "timings_us", "allowed is a list of microseconds"),
        ("on = { timings_us = [9000, 4500] }", "timings_us", "found 2 timings; allowed is an odd number"),
        ("on = { timings_us = [9000, 0, 560] }", "timings_us", "found 0; allowed are 20 microseconds or more each"),
        ("on = { timings_us = [9000, -4500, 560] }", "timings_us", "found -4500; allowed are 20"),
        ("on = { timings_us = [9000, 4500.0, 560] }", "timings_us[1]", "found 4500.0; allowed is a whole number"),
        ("on = { timings_us = [500001] }", "timings_us", "takes 500,001 microseconds; allowed are at most 500,000"),
        (f"on = {{ timings_us = {[20] * 1025} }}", "timings_us", "found 1025 timings; allowed are at most 1023"),
        (
            'on = { protocol = "nec", scancode = 1, timings_us = [560] }',
            "timings_us",
            "does not go together with scancode",
        ),
        (
            "on = { timings_us = [560], carrier_hz = 19999 }",
            "carrier_hz",
            "found 19999; allowed is a whole number from",
        ),
        ("on = { timings_us = [560], carrier_hz = 60001 }", "carrier_hz", "from 20000 to 60000"),
        (
            'on = { protocol = "nec", scancode = 1, carrier_hz = 38000 }',
            "carrier_hz",
            "goes only together with timings",
        ),
        ("on = { timings_us = [560], repeats = 10 }", "repeats", "found 10; allowed is a whole number from 0 to 9"),
    ],
)
def test_a_mistake_in_a_command_is_told(lines: str, key: str, message: str, mistakes_of: MistakesOf) -> None:
    """One wrong command is one mistake, at its key, before anything is sent."""
    ((line, found_key, found),) = mistakes_of(commands(lines))
    assert line == 7
    assert found_key == ".".join(["infrared.commands.on", *filter(None, [key])])
    assert message in found


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (f"{STATION}[infrared]", "infrared", "needs commands, or home_assistant = true"),
        (f"{STATION}[infrared]\nhome_assistant = true", "infrared.home_assistant", "goes only together with [sinks."),
        (
            f'{STATION}[infrared]\nhome_assistant = true\n[sinks.mqtt]\nurl = "mqtt://b"\nhome_assistant = false',
            "infrared.home_assistant",
            "goes only together with [sinks.mqtt] and its home_assistant = true",
        ),
        (
            f'{STATION}[infrared]\ndevice = "lirc0"\n[infrared.commands]\n{ON}',
            "infrared.device",
            'found "lirc0"; allowed',
        ),
        (
            f"{STATION}[infrared]\nsends_per_minute_max = 121\n[infrared.commands]\n{ON}",
            "infrared.sends_per_minute_max",
            "from 1 to 120",
        ),
        (
            commands('"TV on" = { timings_us = [560] }'),
            'infrared.commands."TV on"',
            'found "TV on"; allowed is 1 to 64',
        ),
        (
            f'{STATION}[[sensors]]\nname = "r"\ndriver = "infrared"\n[[sensors]]\nname = "q"\ndriver = "infrared"',
            "sensors[2].device",
            '"auto" is already the device of sensors[1]',
        ),
        (
            STATION + TWO_RECEIVERS,
            "sensors[2].device",
            'found "auto" beside another receiver, whose device it may find',
        ),
        (
            f'{STATION}[[sensors]]\nname = "r"\ndriver = "infrared"\ndevice = "simulated"\n[infrared.commands]\n{ON}',
            "infrared.device",
            'found another one beside "simulated"',
        ),
        (
            f'{STATION}[[sensors]]\nname = "r"\ndriver = "infrared"\nhome_assistant = true\n[sinks.mqtt]\nurl = "mqtt://b"',
            "sensors[1].home_assistant",
            "goes only together with raw = true",
        ),
        (
            f'{STATION}[[sensors]]\nname = "r"\ndriver = "infrared"\nraw = true\nhome_assistant = true',
            "sensors[1].home_assistant",
            "goes only together with [sinks.mqtt] and its",
        ),
        (
            f'{STATION}[[sensors]]\nname = "r"\ndriver = "infrared"\nraw = 1',
            "sensors[1].raw",
            "allowed is true or false",
        ),
    ],
)
def test_a_mistake_around_infrared_is_told(text: str, key: str, message: str, mistakes_of: MistakesOf) -> None:
    """What lets nothing be sent, or nobody be told, and what would be heard twice."""
    ((_, found_key, found),) = mistakes_of(text)
    assert found_key == key
    assert message in found


@pytest.mark.parametrize("protocol", SENDABLE)
def test_a_scancode_may_have_every_bit_of_its_protocol_and_no_other(protocol: str) -> None:
    """The lowest bit that the protocol does not have is refused; necx, nec32 and rc6 have more to say of the rest."""
    bits = PROTOCOLS[protocol].bits
    low = 0x800F0000 if protocol == "rc6_mce" else 0
    assert scancode_mistake(protocol, low) == ""
    beyond = next(1 << bit for bit in range(33) if not bits >> bit & 1)
    assert "no other bits" in scancode_mistake(protocol, low | beyond)


@pytest.mark.parametrize(
    ("protocol", "scancode", "is_right"),
    [
        ("necx", 0x866B01, True),
        ("necx", 0x40BF12, False),
        ("nec32", 0x12345678, True),
        ("nec32", 0x123440BF, False),
        ("rc6_mce", 0x800F040C, True),
        ("rc6_mce", 0x80000000, False),
        ("rc6_6a_32", 0x80000000, True),
        ("rc6_6a_32", 0x800F040C, False),
    ],
)
def test_a_scancode_of_a_brother_of_its_protocol_is_refused(protocol: str, scancode: int, is_right: bool) -> None:  # noqa: FBT001
    """As the kernel does it in rc_validate_scancode, where one could be meant for the other."""
    assert (scancode_mistake(protocol, scancode) == "") is is_right


def test_the_longest_message_is_sent() -> None:
    """1,023 timings of half a second together are allowed, and not a microsecond more."""
    longest = [480] * 1022 + [9440]
    assert list(timings_mistakes(longest)) == []
    assert len(list(timings_mistakes([*longest[:-1], 9441]))) == 1


def test_receivers_of_different_devices_go_together(mistakes_of: MistakesOf) -> None:
    """And a transmitter on the device of one of them, whose path is named or not."""
    both = "".join(f'[[sensors]]\nname = "r{n}"\ndriver = "infrared"\ndevice = "/dev/lirc{n}"\n' for n in range(2))
    for device in ("auto", "/dev/lirc0"):
        assert mistakes_of(f'{STATION}{both}[infrared]\ndevice = "{device}"\n[infrared.commands]\n{ON}') == []


def test_every_mistake_of_every_command_is_told_at_once(mistakes_of: MistakesOf) -> None:
    """Each at its line and key, whatever else is wrong there."""
    found = mistakes_of(
        commands(
            'a = { protocol = "nec", scancode = 0x10000 }',
            'b = { protocl = "nec", scancode = 1 }',
            "c = 3",
            "d = { timings_us = [1, 2], repeats = 99 }",
            "e = { timings_us = [99999999999999999999999] }",
            ON,
        )
    )
    assert [(line, key) for line, key, _ in found] == [
        (7, "infrared.commands.a.scancode"),
        (8, "infrared.commands.b.protocl"),
        (8, "infrared.commands.b.scancode"),
        (9, "infrared.commands.c"),
        (10, "infrared.commands.d.repeats"),
        (10, "infrared.commands.d.timings_us"),
        (10, "infrared.commands.d.timings_us"),
        (11, "infrared.commands.e.timings_us"),
    ]
