import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test without a sentence: its docstring states the behaviour."""
    for item in items:
        if isinstance(item, pytest.Function) and not item.function.__doc__:
            raise pytest.UsageError(f"{item.nodeid} has no docstring")


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
