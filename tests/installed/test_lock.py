import configparser
import email
import functools
import re
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.installed.parts import ROOT

TEXT = (ROOT / "requirements.lock").read_text()


def is_for(requirement: Requirement, machine: str) -> bool:
    """Tell whether a requirement counts on a machine."""
    where = {"platform_machine": machine, "sys_platform": "linux", "python_version": "3.11", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(where)


def locked(machine: str) -> dict[str, Requirement]:
    """Return what is locked for a machine, by its name; each line that begins with a name is one."""
    lines = map(Requirement, re.findall(r"(?m)^([a-z0-9].*?) \\$", TEXT))
    return {canonicalize_name(one.name): one for one in lines if is_for(one, machine)}


def needed() -> list[Requirement]:
    """Return what setup.cfg wants at run time."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return [Requirement(line) for line in settings["options"]["install_requires"].split()]


@functools.cache
def further(wheelhouse: Path) -> dict[str, list[Requirement]]:
    """Return what each locked package wants itself, as its wheel says."""
    wanted = {}
    for wheel in wheelhouse.glob("*.whl"):
        with zipfile.ZipFile(wheel) as content:
            (name,) = [one for one in content.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one)]
            lines = email.message_from_bytes(content.read(name)).get_all("Requires-Dist") or []
        wanted[parse_wheel_filename(wheel.name)[0]] = [Requirement(line) for line in lines]
    return dict(wanted)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "armv7l"])
def test_all_that_is_needed_is_locked_in_a_version_that_will_do(wheelhouse: Path, machine: str) -> None:
    """What setup.cfg wants, what that wants, and so on, and nothing else: on no machine has pip to look for more."""
    lock = locked(machine)
    waiting, seen = needed(), set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        assert name in lock, f"{name} is missing: run `make lock`"
        (pin,) = lock[name].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), f"{wanted} is locked as {pin}: run `make lock`"
        if name not in seen:
            seen.add(name)
            waiting += [one for one in further(wheelhouse)[name] if is_for(one, machine)]
    assert seen == set(lock)


def test_the_lock_has_hashes_and_no_address() -> None:
    """Wherever a package comes from, it is the very same; and nobody is told where to get it."""
    pins = re.findall(r"(?m)^[a-z0-9][^\n]*==[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\\n|\n|\Z))+)", TEXT)
    assert len(pins) == len(re.findall(r"(?m)^[^#\s]", TEXT)) > 20
    assert not re.search(r"://|--index|--find-links|--extra-index|--trusted", TEXT)
