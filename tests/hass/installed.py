"""A Debian with a real Home Assistant in it, in a folder of build/ that `chroot` enters; made once for each version."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.installed.parts import BUILD, made_once
from tests.vm.hashing import digest

PYTHON = "/srv/venv/bin/python"

COMPONENTS = ("frontend", "hassio", "infrared", "mqtt", "recorder")
"""Those that it would fetch packages for at its start. Without the page, it starts in its recovery mode only."""

_INSIDE = """\
set -e
python3 -m venv /srv/venv
# uv is what Home Assistant installs its packages with: pip gives up, after five minutes, on a graph that is too deep.
/srv/venv/bin/pip --quiet --disable-pip-version-check install --no-deps uv homeassistant=={release}
cd /srv/venv/lib/python3*/site-packages/homeassistant
cp package_constraints.txt /srv
export VIRTUAL_ENV=/srv/venv UV_NO_CACHE=1
/srv/venv/bin/uv pip install --quiet --constraint /srv/package_constraints.txt homeassistant=={release} $(
    for name in {components}; do
        test ! -e components/$name ||
            python3 -c 'import json, sys; print(*json.load(sys.stdin).get("requirements", ()))' \\
                < components/$name/manifest.json
    done
)
"""


class Version(NamedTuple):
    """
    A Home Assistant, and the Debian whose Python runs it.

    Attributes:
        release: As its packages are numbered.
        suite: Debian's.
        packages: Of Debian, beyond Python: a compiler where there are no wheels.
    """

    release: str
    suite: str
    packages: Sequence[str] = ()

    def since(self, year: int, month: int) -> bool:
        """Tell whether it is of this release or a later one."""
        return tuple(int(part) for part in self.release.split(".")) >= (year, month)

    @property
    def has_infrared(self) -> bool:
        """Whether it knows the platform."""
        return self.since(2026, 2)

    @property
    def has_wind_direction(self) -> bool:
        """Whether it knows the state class ``measurement_angle``; else it refuses the entity, and takes the others."""
        return self.since(2025, 4)

    @property
    def has_default_entity_id(self) -> bool:
        """Whether it takes the id that is told; else it makes one of the names."""
        return self.since(2025, 10)


NEWEST = Version("2026.11.0", "forky")
OLDEST = Version("2025.1.0", "trixie", ("python3-dev", "gcc", "g++", "libc6-dev"))


def root(version: Version) -> Path:
    """Return the root file system, made at most once for one version (1 min, 1 GB)."""
    if os.geteuid() != 0:
        pytest.fail("only root can make a Debian: sudo make hass")
    if shutil.which("mmdebstrap") is None:
        pytest.fail("mmdebstrap is not installed: apt install mmdebstrap")
    script = _INSIDE.format(release=version.release, components=" ".join(COMPONENTS))
    folder = BUILD / f"home-assistant-{version.release}-{digest(json.dumps(version), script)}"
    return made_once(folder, lambda made: _make(made, version, script))


def _make(made: Path, version: Version, script: str) -> None:
    included = ",".join(("python3", "python3-venv", "ca-certificates", *version.packages))
    # A mirror may be some days behind, and what a testing release says is good for one week.
    late = '--aptopt=Acquire::Check-Valid-Until "false"'
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}", late, version.suite, made)
    # It is in this machine's network: it finds names, and trusts authorities, as that does.
    for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(f"/{name}", made / name)
    _run("chroot", made, "sh", "-c", script)


def _run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
