from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import parts
from tests.installed.booted import Machine, booted
from tests.installed.far_end import FarEnd, far_end


@pytest.fixture(scope="session")
def debian() -> Path:
    """Give a tar of a small Debian 12."""
    return parts.debian()


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """Give a folder with a wheel of everything that weatherd needs."""
    return parts.wheelhouse()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Give a Debian that has booted; one for all tests of a module, which follow each other."""
    with booted() as debian:
        yield debian


@pytest.fixture(scope="module")
def outside() -> Iterator[FarEnd]:
    """Give a stand-in for Logstash, outside of that Debian."""
    with far_end() as standing_in:
        yield standing_in
