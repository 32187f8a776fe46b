"""
Debian's kernel for the small machine: with what its packages hold, and two modules that they do not.

    vmlinux ── boots without being unpacked first, which an emulated processor does slowly
    initramfs ─ busybox and the few modules that the disk needs
    modules ── those of `MODULES` and what they stand on; i2c_user (tests/vm/kernel) and gpio_sim are built against the
               kernel's headers, gpio_sim from the kernel's own source package

Nothing is installed: the packages are fetched by `apt-get download`, and taken apart.
"""

import lzma
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installed.parts import BUILD, ROOT, made_once
from tests.vm.hashing import digest

SOURCES = ROOT / "tests/vm/kernel"

BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")
MODULES = (
    *(*BOOT_MODULES, "virtio_console", "autofs4"),
    *("i2c-dev", "i2c_user", "gpio_sim"),
    *("rc-loopback", "ir-nec-decoder", "ir-rc5-decoder", "ir-rc6-decoder", "ir-sony-decoder"),
    "sch_netem",
)

_PROGRAMS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "gcc-12": "gcc-12",
    "make": "make",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "xz": "xz-utils",
}
"""What it takes to make and run the machine, and the packages of Debian that have it."""

_BORROWED = ("drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "kernel/irq/irq_sim.c")
"""What is taken from the kernel's source package."""

_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t proc none /proc
while read module; do /bin/busybox insmod /lib/modules/$module; done </lib/modules/order
/bin/busybox mount -t ext4 -o noatime /dev/vda /root || exec /bin/busybox poweroff -f
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root "${VM_INIT:-/sbin/init}"
"""


def kernel() -> Path:
    """Return a folder with ``vmlinux``, ``initramfs`` and ``modules``, made at most once for one version (60 s)."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the machine needs: apt-get install {' '.join(missing)}")
    release, version = _candidate()
    folder = BUILD / f"vm-kernel-{digest(version, str(MODULES), _INIT, *sorted(SOURCES.iterdir()))}"
    return made_once(folder, lambda made: _make(made, release, version))


def _candidate() -> tuple[str, str]:
    """Return what `uname -r` will say, and the version of the packages."""
    found = re.search(r"Depends: linux-image-(\S+)", _run("apt-cache", "depends", "linux-image-amd64"))
    if found is None:
        pytest.skip("apt knows no kernel: `apt-get update`")
    release = found[1]
    policy = _run("apt-cache", "policy", f"linux-image-{release}")
    candidate = re.search(r"Candidate: (\S+)", policy)
    assert candidate is not None, policy
    return release, candidate[1]


def _make(made: Path, release: str, version: str) -> None:
    work = made.with_name(f"{made.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    made.mkdir()
    try:
        unpacked = _unpacked(work, release, version)
        (made / "vmlinux").write_bytes(_vmlinux((unpacked / f"boot/vmlinuz-{release}").read_bytes()))
        built = _built(work, unpacked, release)
        _choose(unpacked, built, made / "modules", release)
        _initramfs(made, work / "initramfs", release)
    finally:
        shutil.rmtree(work)


def _unpacked(work: Path, release: str, version: str) -> Path:
    """Fetch the packages and unpack them; of the sources, only what is built."""
    short = version.partition(".")[0] + "." + version.split(".")[1]
    common = f"{release.rpartition('-')[0]}-common"
    names = (f"linux-image-{release}", f"linux-headers-{release}", f"linux-headers-{common}", f"linux-kbuild-{short}")
    source = f"linux-source-{short}"
    _run("apt-get", "--quiet=2", "download", *(f"{name}={version}" for name in (*names, source)), cwd=work)
    unpacked = work / "unpacked"
    for name in names:
        _run("dpkg", "--extract", next(work.glob(f"{name}_*.deb")), unpacked)
    package = next(work.glob(f"{source}_*.deb"))
    wanted = " ".join(f"{source}/{name}" for name in _BORROWED)
    _run(
        "bash",
        "-o",
        "pipefail",
        "-ec",
        f"dpkg-deb --fsys-tarfile {package} | tar xO ./usr/src/{source}.tar.xz | tar xJ {wanted}",
        cwd=work,
    )
    (work / source).rename(work / "source")
    return unpacked


def _vmlinux(image: bytes) -> bytes:
    """Return the kernel that a bzImage holds, compressed by xz (Linux, scripts/extract-vmlinux)."""
    start = image.index(b"\xfd7zXZ\0")
    return lzma.LZMADecompressor().decompress(image[start:])


def _built(work: Path, unpacked: Path, release: str) -> Path:
    """Build the modules that the package does not have."""
    folder = work / "built"
    shutil.copytree(SOURCES, folder)
    for name in _BORROWED:
        shutil.copy(work / "source" / name, folder)
    headers = unpacked / f"usr/src/linux-headers-{release}"
    makefile = headers / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{unpacked}/usr/src/"))
    _run("make", "--silent", "-C", headers, f"M={folder}", "modules")
    return folder


def _choose(unpacked: Path, built: Path, modules: Path, release: str) -> None:
    """Keep the modules that are wanted and what they stand on, in a tree of their own."""
    extra = unpacked / "lib/modules" / release / "extra"
    extra.mkdir()
    for module in built.glob("*.ko"):
        shutil.copy(module, extra)
    _run("depmod", "-b", unpacked, release)
    for path in _needed(unpacked, release, MODULES):
        target = modules / path.relative_to(unpacked)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for listed in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(unpacked / "lib/modules" / release / listed, modules / "lib/modules" / release)
    _run("depmod", "-b", modules, release)


def _needed(root: Path, release: str, names: tuple[str, ...]) -> list[Path]:
    """Return the files of modules and of what they stand on, in the order in which they load."""
    shown = _run("modprobe", "-d", root, "-S", release, "--show-depends", "--all", *names)
    files = [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
    return [Path(file) for file in dict.fromkeys(files)]


def _initramfs(made: Path, tree: Path, release: str) -> None:
    for name in ("bin", "dev", "proc", "root", "lib/modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    modules = _needed(made / "modules", release, BOOT_MODULES)
    for module in modules:
        shutil.copy(module, tree / "lib/modules")
    (tree / "lib/modules/order").write_text("".join(f"{module.name}\n" for module in modules))
    (tree / "init").write_text(_INIT)
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with (made / "initramfs").open("wb") as file:
        subprocess.run(
            ["/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), stdout=file, check=True
        )


def _run(*command: str | os.PathLike[str], cwd: Path | None = None) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


if __name__ == "__main__":
    print(kernel())  # noqa: T201 - it is a program too
