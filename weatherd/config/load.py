"""Read a configuration file into a `Config`, or tell every mistake in it."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from weatherd.config.checks import CHECKS
from weatherd.config.kinds import how_it_is_read, installed_drivers
from weatherd.config.locate import KeyPath, Lines, locate
from weatherd.config.schema import Config
from weatherd.config.syntax import syntax_mistake
from weatherd.config.walk import Walk
from weatherd.config.words import dotted
from weatherd.errors import ConfigError

FILE_SIZE_MAX = 2**20
"""Bytes in a configuration file: two hundred sensors need a tenth of it."""

_MEND = "mend these lines and look again with `weatherd check`; config/weatherd.toml explains every key"
_NAME_ANOTHER = "copy config/weatherd.toml there and fill it in, or name another file with --config"


def load(path: Path) -> Config:
    """
    Read and check a configuration file.

    Raises:
        ConfigError: If the file cannot be read, or with every mistake in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", _NAME_ANOTHER) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", f"name the file in it: --config {path / 'weatherd.toml'}") from None
    except PermissionError:
        raise ConfigError(f"{path} may not be read by this user", "try with sudo, or chmod the file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", _NAME_ANOTHER) from error
    if len(content) > FILE_SIZE_MAX:
        raise ConfigError(f"{path} has more than {FILE_SIZE_MAX} bytes", _NAME_ANOTHER)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _mistaken(str(path), [ConfigError.Mistake(line, "", "not UTF-8 text")]) from None
    return parse(text, path.absolute().parent, str(path))


def parse(text: str, folder: Path, name: str = "the configuration") -> Config:
    """
    Check a configuration.

    Args:
        text: TOML.
        folder: Where relative paths are counted from.
        name: What to call it in an error.

    Raises:
        ConfigError: With every mistake.
    """
    try:
        document = tomllib.loads(text)
        lines = locate(text)
    except RecursionError:
        raise _mistaken(name, [ConfigError.Mistake(1, "", "lists or tables are nested too deeply")]) from None
    except tomllib.TOMLDecodeError as error:
        raise _mistaken(name, [syntax_mistake(text, error)]) from None
    except ValueError:  # Python's own limit for integers, which tomllib lets through
        raise _mistaken(name, [ConfigError.Mistake(1, "", "a number has thousands of digits")]) from None
    walk = Walk(folder, CHECKS, installed_drivers, how_it_is_read)
    config: Config = walk.read(Config, document)
    if walk.mistakes:
        raise _mistaken(
            name,
            sorted(ConfigError.Mistake(_line(lines, path), dotted(path), message) for path, message in walk.mistakes),
        )
    return config


def _mistaken(name: str, mistakes: Sequence[ConfigError.Mistake]) -> ConfigError:
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return ConfigError(f"{count} in {name}", _MEND, mistakes=mistakes)


def _line(lines: Lines, path: KeyPath) -> int:
    """Return the line of a key, or of the nearest table around it."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)
