"""Passwords and tokens: read from a file of their own, and never kept in the configuration."""

import re
from pathlib import Path

from weatherd.errors import ConfigError

PASSWORD_SIZE_MAX = 1024
"""Bytes in a password and its username together: what HTTP servers surely take in one header."""

TOKEN_LENGTH_MIN = 16
"""Of the panel's token: what nobody guesses at the pace that the panel allows."""

_HINT = "write the password into the file, on one line"
_MAKE = "make one with `openssl rand -hex 16`"


def read_password(path: Path) -> str:
    """
    Return what a password file holds, without the line break at its end.

    Raises:
        ConfigError: If it cannot be read, or holds no password. It never repeats what the file holds.
    """
    try:
        with path.open("rb") as file:
            password = file.read(PASSWORD_SIZE_MAX + 2).decode()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", _HINT) from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} holds no UTF-8 text", _HINT) from None
    password = password.removesuffix("\n").removesuffix("\r")
    if not password:
        raise ConfigError(f"{path} holds no password", _HINT)
    if "\n" in password or "\r" in password:
        raise ConfigError(f"{path} holds more than one line", _HINT)
    if len(password.encode()) > PASSWORD_SIZE_MAX:
        raise ConfigError(f"{path} holds more than {PASSWORD_SIZE_MAX} bytes", _HINT)
    return password


def read_token(path: Path) -> str:
    """
    Return what a token file holds, without the line break at its end.

    Raises:
        ConfigError: If it cannot be read, or holds no token. It never repeats what the file holds.
    """
    token = read_password(path)
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(f"{path} holds a token with other characters than printable ASCII, or with spaces", _MAKE)
    if len(token) < TOKEN_LENGTH_MIN:
        raise ConfigError(f"{path} holds a token of less than {TOKEN_LENGTH_MIN} characters", _MAKE)
    return token
