"""What is no TOML, in words for those who have never heard of TOML."""

import re
import tomllib

from weatherd.errors import ConfigError

_QUOTES = "“”„‟‘’«»"


def syntax_mistake(text: str, error: tomllib.TOMLDecodeError) -> ConfigError.Mistake:
    """
    Return the mistake at which TOML ends.

    Args:
        text: Of the whole file.
        error: What `tomllib` says of it.
    """
    message, _, where = str(error).partition(" (at ")
    place = re.match(r"line (\d+), column (\d+)", where)
    if not place:
        return ConfigError.Mistake(text.count("\n") + 1, "", f"not TOML: {message} (at the end)")
    number = int(place[1])
    line = text.split("\n")[number - 1]
    words = _in_words(line, line[int(place[2]) - 1 :], message)
    return ConfigError.Mistake(number, "", f"not TOML: {words or message} (column {place[2]})")


def _in_words(line: str, rest: str, message: str) -> str:
    """
    Say what is wrong and what is right; nothing where that is not known.

    Args:
        line: The line that the parser did not get over. It may hold a secret, and is not repeated.
        rest: What is left of it.
        message: The parser's, of Python 3.11 to 3.13.
    """
    if any(quote in line for quote in _QUOTES):
        return 'typographic quotes; texts stand in straight ones, "so"'
    if "Illegal character" in message and not rest.strip():
        return "the quote that ends this text is missing"
    if "Expected '='" in message:
        return 'a key is followed by "=" and its value'
    if "Invalid value" in message:
        if not rest.strip() or rest.lstrip().startswith("#"):
            return "there is no value after the ="
        if re.match(r"true|false", rest, re.IGNORECASE):
            return "true and false are written small"
        return 'this is no number; texts stand in quotes, "so"'
    if "Expected newline" in message and re.match(r"\s*,\s*\d", rest):
        return "numbers have a point, not a comma, before their decimals"
    if "Invalid initial character for a key part" in message and "{" in line and not rest.strip():
        return "a table in braces stands on one line"
    return _twice(message)


def _twice(message: str) -> str:
    if found := re.fullmatch(r"Cannot declare \((.*?),?\) twice", message):
        name = ".".join(re.findall(r"'([^']*)'", found[1]))
        return f"there is a table [{name}] already; it can be there only once"
    if "Cannot overwrite a value" in message:
        return "this key is there already in the same table"
    return ""
