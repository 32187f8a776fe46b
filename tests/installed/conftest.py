from pathlib import Path

import pytest

from tests.installed import parts


@pytest.fixture(scope="session")
def debian() -> Path:
    """Give a tar of a small Debian 12."""
    return parts.debian()


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """Give a folder with a wheel of everything that weatherd needs."""
    return parts.wheelhouse()
