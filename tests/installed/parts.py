"""What the tests of an installed station stand on: a Debian to boot or to build on, and wheels that need no network."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
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

    def make(made: Path) -> None:
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}", "bookworm", made]
        subprocess.run(command, check=True)

    return made_once(tar, make)


def wheelhouse() -> Path:
    """
    Return a folder with a wheel of everything in requirements.lock, which is all that weatherd needs to run, and of
    what it is built with; of weatherd itself none.
    """
    lock = ROOT / "requirements.lock"
    needed = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    folder = BUILD / f"wheels-{needed}"

    def make(made: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--wheel-dir", made]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", lock], check=True)
        subprocess.run([*pip, *BUILD_REQUIRES], check=True)

    return made_once(folder, make)


def made_once(result: Path, make: Callable[[Path], None]) -> Path:
    """
    Return a file or folder of build/, and make it unless it is there.

    Others who run tests beside us wait, and find it made; what is half made has another name.
    """
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f".{result.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not result.exists():
            made = result.with_name(f".{os.getpid()}-{result.name}")
            shutil.rmtree(made, ignore_errors=True)
            made.unlink(missing_ok=True)
            make(made)
            made.rename(result)
    return result


if __name__ == "__main__":
    debian()
    wheelhouse()
