"""
The disk of the small machine: a Debian 12 with systemd and udev, and weatherd's own package installed on it.

Made as root, without a network but for Debian's packages and wheels, which are kept in build/. What the tests are is
not on it: they come on a second disk at each boot (`tests.vm.machine`), so that a changed test makes no new image.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.installed import parts
from tests.installed.booted import copy_sources
from tests.installed.parts import BUILD, ROOT, made_once
from tests.vm.hashing import digest, files
from tests.vm.kernel import kernel

PACKAGES = ("systemd", "systemd-sysv", "udev", "kmod", "iproute2", "procps", "python3", "ca-certificates")

SIZE = "1500M"
"""Of the disk; what is not used takes no room in build/."""

_SOURCES = ("weatherd", "systemd", "config", "setup.cfg", "pyproject.toml", "requirements.lock", "README.md")

_PYTEST = ("_pytest", "iniconfig", "packaging", "pluggy", "py", "pygments", "pytest")

_MASKED = (
    *("getty.target", "getty-static.service", "serial-getty@ttyS0.service", "systemd-logind.service"),
    *("systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-update-utmp-runlevel.service"),
    *("modprobe@dm_mod.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@loop.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer"),
    *(
        "e2scrub_reap.service",
        "systemd-timesyncd.service",
        "systemd-update-utmp.service",
        "systemd-random-seed.service",
    ),
)
"""What a machine does not need that lives for some minutes, and what an emulated processor takes seconds for."""

_FILES: Mapping[str, str] = {
    "etc/hostname": "weatherd-vm\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/fstab": "",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/modules-load.d/vm.conf": "virtio_console\ni2c-dev\ni2c_user\ngpio_sim\nrc-loopback\n",
    "etc/systemd/journald.conf.d/vm.conf": "[Journal]\nStorage=volatile\n",
    # Whatever it does, the machine goes off behind it.
    "etc/systemd/system/vm-tests.service": """\
[Unit]
Description=what this boot is for
After=basic.target

[Service]
ExecStart=/srv/begin
ExecStopPost=/bin/systemctl poweroff --force --force
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
""",
    "srv/begin": """\
#!/bin/sh
# What there is to do comes as a tar, bare on the second disk.
set -e
mkdir -p /run/vm
tar -xf /dev/vdb -C /run/vm
exec /run/vm/run
""",
    # A first process that does nothing else: seconds, where systemd takes half a minute.
    "srv/minimal": """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
modprobe --all virtio_console i2c-dev i2c_user gpio_sim
mount -t configfs configfs /sys/kernel/config
ip link set lo up
mkdir -p /run/vm /run/weatherd
tar -xf /dev/vdb -C /run/vm
/run/vm/run
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
""",
}


def image() -> Path:
    """Return an ext4 image, made at most once for the same sources, packages and kernel (60 s)."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the image of a machine")
    booted = kernel()
    base = parts.debian(PACKAGES)
    sources = files(ROOT / name for name in _SOURCES)
    made_of = digest(
        *(booted.name, base.name, parts.wheelhouse().name, pytest.__version__),
        *(str(_FILES), str(_MASKED), SIZE, *sources),
    )
    disk = BUILD / f"vm-image-{made_of}.ext4"

    def make(made: Path) -> None:
        for old in BUILD.glob("vm-image-*.ext4"):
            old.unlink()
        _make(made, base, booted / "modules")

    return made_once(disk, make)


def _make(made: Path, base: Path, modules: Path) -> None:
    work = made.with_name(f"{made.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    tree = work / "tree"
    tree.mkdir(parents=True)
    try:
        _run("tar", "--extract", "--file", base, "--directory", tree, "--exclude=./dev/*")
        shutil.copytree(modules / "lib/modules", tree / "lib/modules", dirs_exist_ok=True)
        shutil.copy(_package(work), tree / "weatherd.deb")
        inside = ("unshare", "--mount", "--pid", "--fork", f"--mount-proc={tree}/proc", "chroot", tree)
        _run(*inside, "dpkg", "--install", "/weatherd.deb")
        (tree / "weatherd.deb").unlink()
        for name, text in _FILES.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        for name in ("begin", "minimal"):
            (tree / "srv" / name).chmod(0o755)
        _copy_pytest(tree / "srv/site")
        _run("systemctl", f"--root={tree}", "mask", *_MASKED)
        _run("systemctl", f"--root={tree}", "set-default", "multi-user.target")
        _run("systemctl", f"--root={tree}", "enable", "vm-tests.service")
        _run("systemctl", f"--root={tree}", "disable", "weatherd.service")
        _run("truncate", f"--size={SIZE}", made)
        _run("mkfs.ext4", "-q", "-d", tree, made)
    finally:
        shutil.rmtree(work)


def _package(work: Path) -> Path:
    """Make weatherd's own Debian package, with the wheels that are there."""
    sources = work / "sources"
    copy_sources(sources)
    python = "/usr/bin/python3"
    if not Path(python).exists() or _run(python, "-c", "import sys; print(sys.version[:4])") != "3.11\n":
        pytest.skip("the package is for Debian 12's Python, and is made by it: /usr/bin/python3 is none")
    _run(
        *("make", "--no-print-directory", "-C", sources, "deb", f"PYTHON={python}"),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(parts.wheelhouse()),
        DPKG_DEB_COMPRESSOR_TYPE="none",
    )
    return next((sources / "build").glob("*.deb"))


def _copy_pytest(site: Path) -> None:
    """Give the machine the pytest of these very tests, and what that needs."""
    for name in _PYTEST:
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        path = Path(spec.origin)
        if path.name == "__init__.py":
            shutil.copytree(path.parent, site / name)
        else:
            shutil.copy(path, site)
    distribution = importlib.metadata.distribution("pytest")
    metadata = Path(str(distribution.locate_file(f"pytest-{distribution.version}.dist-info")))
    shutil.copytree(metadata, site / metadata.name)
    _run("/usr/bin/python3", "-m", "compileall", "-q", site)


def _run(*command: str | os.PathLike[str], **variables: str) -> str:
    result = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{image()}\n")
