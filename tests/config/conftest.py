from collections.abc import Callable
from pathlib import Path

import pytest

from weatherd.config import parse
from weatherd.errors import ConfigError

MistakesOf = Callable[[str], list[tuple[int, str, str]]]


@pytest.fixture(autouse=True)
def no_credentials_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def mistakes_of(tmp_path: Path) -> MistakesOf:
    """Give a function that returns line, key and message of every mistake in a text; none for a good one."""

    def mistakes_of(text: str) -> list[tuple[int, str, str]]:
        try:
            parse(text, tmp_path)
        except ConfigError as error:
            return [tuple(mistake) for mistake in error.mistakes]
        return []

    return mistakes_of
