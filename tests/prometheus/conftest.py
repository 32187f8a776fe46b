import shutil

import pytest


def program(name: str) -> str:
    """Return where a program of Debian's package prometheus is; without it, skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: apt-get install prometheus")
    return path


@pytest.fixture
def promtool() -> str:
    """Return where promtool is."""
    return program("promtool")


@pytest.fixture
def prometheus() -> str:
    """Return where the server is."""
    return program("prometheus")
