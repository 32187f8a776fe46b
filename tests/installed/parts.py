"""What the tests of an installed station stand on: a Debian to boot or to build on, and wheels that need no network."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
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


def debian(packages: Sequence[str] = PACKAGES) -> Path:
    """Return a tar of a small Debian 12, made at most once for one list of packages (45 s)."""
    included = ",".join(packages)
    tar = BUILD / f"debian-{hashlib.sha256(included.encode()).hexdigest()[:12]}.tar"
    with alone(tar):
        if not tar.exists():
            made = place_for(tar)
            command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}", "bookworm", made]
            subprocess.run(command, check=True)
            made.rename(tar)
    return tar


def wheelhouse() -> Path:
    """
    Return a folder with a wheel of everything in requirements.lock, which is all that weatherd needs to run, and of
    what it is built with; of weatherd itself none.
    """
    lock = ROOT / "requirements.lock"
    needed = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    folder = BUILD / f"wheels-{needed}"
    with alone(folder):
        if not folder.exists():
            made = place_for(folder)
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--wheel-dir", made]
            subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", lock], check=True)
            subprocess.run([*pip, *BUILD_REQUIRES], check=True)
            made.rename(folder)
    return folder


@contextlib.contextmanager
def alone(result: Path) -> Iterator[None]:
    """Keep others, who run tests beside us, from making the same: they wait, and find it made."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f".{result.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def place_for(result: Path) -> Path:
    """Return a name beside it, free for something half made."""
    made = result.with_name(f".{os.getpid()}-{result.name}")
    shutil.rmtree(made, ignore_errors=True)
    made.unlink(missing_ok=True)
    return made


if __name__ == "__main__":
    debian()
    wheelhouse()
