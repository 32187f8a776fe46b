from collections.abc import Iterator

import pytest

from tests.elk import day as days
from tests.elk import engine


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engine.Engine]:
    """Give a real Elasticsearch, empty at first; one for all tests of a process, so each takes indices of its own."""
    if missing := engine.missing():
        pytest.skip(f"an embedded Elasticsearch needs {missing}: openjdk-17-jdk-headless and maven of Debian")
    with engine.running(tmp_path_factory.mktemp("elasticsearch")) as node:
        yield node


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> days.Day:
    """Give a day of documents of every dataset that a real daemon made."""
    return days.record(tmp_path_factory.mktemp("day"))
