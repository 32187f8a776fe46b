from pathlib import Path

import pytest

from weatherd.config import read_password
from weatherd.errors import ConfigError


@pytest.mark.parametrize("content", [b"se cret", b"se cret\n", b"se cret\r\n"])
def test_one_line_break_at_the_end_is_no_part_of_the_password(content: bytes, tmp_path: Path) -> None:
    """Editors end a file with a line break; spaces stay."""
    (tmp_path / "password").write_bytes(content)
    assert read_password(tmp_path / "password") == "se cret"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no password"),
        (b"\n", "holds no password"),
        (b"secret\n\n", "more than one line"),
        (b"secret\nother", "more than one line"),
        (b"secret\xff", "no UTF-8 text"),
        (b"s" * 1025, "more than 1024 bytes"),
        (b"s" * 100_000, "more than 1024 bytes"),
    ],
)
def test_a_file_without_one_password_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """Nothing, several lines, other bytes or too many are no password, and none of them is repeated."""
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_password(tmp_path / "password")
    assert "secret" not in caught.value.report()
    assert caught.value.hint


def test_a_password_of_the_largest_size_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    (tmp_path / "password").write_bytes(b"s" * 1024 + b"\r\n")
    assert len(read_password(tmp_path / "password")) == 1024


def test_a_missing_password_file_is_told(tmp_path: Path) -> None:
    """What was there at the start may be gone at the next attempt."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_password(tmp_path / "password")
