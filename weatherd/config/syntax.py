"""What is no TOML, in words for those who have never heard of TOML."""

import re
import tomllib

from weatherd.errors import ConfigError

_NOTHING = r"\s*(#.*)?$"

# What the parser of Python 3.11 to 3.13 says, how the rest of the line begins, and what is wrong. The first that fits.
_WORDS = (
    ("Illegal character", _NOTHING, "the quote that ends this text is missing"),
    ("Expected '='", "", 'a key is followed by "=" and its value'),
    ("Invalid value", _NOTHING, "there is no value after the ="),
    ("Invalid value", "[\u2018-\u201f«»]", 'typographic quotes; texts stand in straight ones, "so"'),
    ("Invalid value", "(?i:true|false)", "true and false are written small"),
    ("Invalid value", "", 'this is no number; texts stand in quotes, "so"'),
    ("Expected newline", r"\s*,\s*\d", "numbers have a point, not a comma, before their decimals"),
    ("Invalid initial character for a key part", _NOTHING, "a table in braces stands on one line"),
    ("Cannot overwrite a value", "", "this key is there already in the same table"),
)


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
    words = _in_words(line[int(place[2]) - 1 :], message)
    return ConfigError.Mistake(number, "", f"not TOML: {words} (column {place[2]})")


def _in_words(rest: str, message: str) -> str:
    """
    Say what is wrong; in the parser's words where ours do not fit.

    Args:
        rest: What is left of the line that the parser did not get over. It may hold a secret, and is not repeated.
        message: The parser's.
    """
    if found := re.fullmatch(r"Cannot declare \((.*)\) twice", message):
        table = ".".join(re.findall(r"'([^']*)'", found[1]))
        return f"there is a table [{table}] already; it can be there only once"
    for begin, rest_begin, words in _WORDS:
        if message.startswith(begin) and re.match(rest_begin, rest):
            return words
    return message
