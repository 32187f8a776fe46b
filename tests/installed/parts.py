"""What the tests of an installed station stand on: a Debian to boot or to build on, and wheels that need no network."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "procps"),
    *("ca-certificates", "make", "python3", "python3-pip", "python3-venv"),
)
"""Of the Debian that is booted, and that stands in for the base of the image; no registry is asked for one."""

BUILD_REQUIRES = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
"""What pip takes to build weatherd, where there is no network, from the wheels as well."""


def debian() -> Path:
    """Return a tar of a small Debian 12, made at most once for one list of packages (45 s)."""
    included = ",".join(PACKAGES)
    tar = BUILD / f"debian-{hashlib.sha256(included.encode()).hexdigest()[:12]}.tar"
    if not tar.exists():
        made = _place_for(tar)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}", "bookworm", made]
        subprocess.run(command, check=True)
        made.rename(tar)
    return tar


def wheelhouse() -> Path:
    """Return a folder with a wheel of all that weatherd needs to be built and to run, but of weatherd itself none."""
    lists = [
        path.read_bytes()
        for name in ("setup.cfg", "pyproject.toml", "requirements.lock")
        if (path := ROOT / name).exists()
    ]
    needed = hashlib.sha256(b"".join(lists)).hexdigest()[:12]
    folder = BUILD / f"wheels-{needed}"
    if not folder.exists():
        made = _place_for(folder)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "wheel", "--wheel-dir", made, ROOT, *BUILD_REQUIRES], check=True)
        for own in made.glob("weatherd-*.whl"):
            own.unlink()
        made.rename(folder)
    return folder


def _place_for(result: Path) -> Path:
    """Return a name beside it, free for something half made."""
    made = result.with_name(f".{os.getpid()}-{result.name}")
    BUILD.mkdir(exist_ok=True)
    shutil.rmtree(made, ignore_errors=True)
    made.unlink(missing_ok=True)
    return made
