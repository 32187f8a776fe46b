"""What `[panel]` takes, and what it says of the rest."""

from pathlib import Path

import pytest

from tests.config.conftest import write_certificates
from weatherd import config
from weatherd.errors import ConfigError

STATION = """[station]
id = "s"
[[sensors]]
name = "b"
driver = "bmp280"
[panel]
"""


@pytest.mark.parametrize(
    ("listen", "found"),
    [
        ("127.0.0.1:8600", ("127.0.0.1", 8600)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("0.0.0.0:8600", ("0.0.0.0", 8600)),
        ("[::]:8600", ("::", 8600)),
        ("[fe80::1]:65535", ("fe80::1", 65535)),
        ("", None),
    ],
)
def test_where_the_panel_listens(tmp_path: Path, listen: str, found: tuple[str, int] | None) -> None:
    """On this machine alone, on one of its addresses, on all, or nowhere."""
    assert config.parse(f'{STATION}listen = "{listen}"', tmp_path).panel.listen == found


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('listen = "127.0.0.1"', "panel.listen", "allowed is"),
        ('listen = "127.0.0.1:0"', "panel.listen", "allowed is"),
        ('listen = "127.0.0.1:65536"', "panel.listen", "allowed is"),
        ('listen = "::1:8600"', "panel.listen", "allowed is"),
        ('listen = "example.org:8600"', "panel.listen", "0.0.0.0 or [::] stands for all"),
        ("listen = 8600", "panel.listen", "found 8600"),
        ("listen = false", "panel.listen", "found false"),
        ('language = "pt"', "panel.language", '"pt-BR"'),
        ('hosts = ["http://example.org"]', "panel.hosts[0]", "a host name"),
        ('hosts = ["example.org:80"]', "panel.hosts[0]", "without a port"),
        ('hosts = ["Example.org", "example.org"]', "panel.hosts[1]", "the same as hosts[0]"),
        ('token_file = "token"', "panel.token_file", "there is no file"),
        ('token_file = "short"', "panel.token_file", "less than 16 characters"),
        ('token_file = "spaced"', "panel.token_file", "spaces"),
        ('tls = { cert_file = "short" }', "panel.tls.key_file", "missing"),
        ('tls = { cert_file = "short", key_file = "short" }', "panel.tls.cert_file", "holds no certificate"),
        ("port = 8600", "panel.port", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, key: str, words: str) -> None:
    """With the key, what was found and what is allowed; and never with what a token file holds."""
    (tmp_path / "short").write_text("topsecret\n")
    (tmp_path / "spaced").write_text("top secret that is long enough\n")
    with pytest.raises(ConfigError) as caught:
        config.parse(STATION + line, tmp_path)
    assert caught.value.mistakes[0].line == 7
    assert key in [one.key for one in caught.value.mistakes]
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_token_and_a_certificate_are_taken(tmp_path: Path) -> None:
    """Both are files beside the configuration, or systemd's credentials."""
    write_certificates(tmp_path / "ca.pem", tmp_path / "panel.pem", tmp_path / "panel.key")
    (tmp_path / "token").write_text("0123456789abcdef\n")
    text = f'{STATION}token_file = "token"\ntls = {{ cert_file = "panel.pem", key_file = "panel.key" }}'
    panel = config.parse(text, tmp_path).panel
    assert panel.token_file == tmp_path / "token"
    assert config.read_token(panel.token_file) == "0123456789abcdef"
