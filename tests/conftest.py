import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests.order import LongestFirst, place

# No test goes by the clock of a busy machine.
hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("untimed")

# Set where these tests run in a container of Podman, it would tell daemons that memory does not outlive them.
os.environ.pop("container", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for what takes minutes; here, where pytest looks for options whatever is collected."""
    parser.addoption("--soak", action="store_true", default=False, help="also test the faults that take minutes")
    parser.addoption("--vm", action="store_true", default=False, help="also test inside a machine of qemu")
    parser.addoption("--hass", action="store_true", default=False, help="also test with a real Home Assistant")
    parser.addoption("--cuts", type=int, default=3, help="how often the plug of that machine is pulled")


def pytest_configure(config: pytest.Config) -> None:
    """Name our markers."""
    config.addinivalue_line("markers", "soak: a fault that takes minutes; only with --soak")
    config.addinivalue_line("markers", "vm: needs a machine of qemu, which boots for half a minute; only with --vm")
    config.addinivalue_line("markers", "hass: needs a Home Assistant, which is installed first; only with --hass")
    config.addinivalue_line("markers", "alone: what a station owes by the clock; beside other tests it lacks the time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Refuse a test without a sentence: its docstring states the behaviour. Leave out what takes minutes.

    It is deselected and not skipped: in CI a skip is a failure.
    """
    for item in items:
        if isinstance(item, pytest.Function) and not item.function.__doc__:
            raise pytest.UsageError(f"{item.nodeid} has no docstring")
    left_out = [name for name in ("soak", "vm", "hass") if not config.getoption(f"--{name}")]
    long = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst | None:
    """Let processes side by side begin with what takes longest."""
    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a missing part is a failure: nothing is skipped where nobody looks."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that cannot be written; for root."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
