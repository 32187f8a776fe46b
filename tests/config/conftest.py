from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from weatherd.config import parse
from weatherd.errors import ConfigError

MistakesOf = Callable[[str], list[tuple[int, str, str]]]


@pytest.fixture(autouse=True)
def no_credentials_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def write_certificates(ca_file: Path, cert_file: Path, key_file: Path) -> None:
    """Write an authority, a certificate and its key, as they must be."""
    authority = trustme.CA()
    certificate = authority.issue_cert("station")
    authority.cert_pem.write_to_path(ca_file)
    certificate.cert_chain_pems[0].write_to_path(cert_file)
    certificate.private_key_pem.write_to_path(key_file)


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
