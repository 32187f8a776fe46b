import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weatherd.config.locate import KeyPath, locate

DOCUMENT = '''\
# [not.a.table]  x = 1
top = "a # b"   # [nor.this]
a.b."c.d" = 1

[station]   # [[nor.this]]
id = 'x = 1'
"quoted \\u00e9" = 1
'li"teral' = 2
long = """
id = 5
[station2]
a quote: \\""" and two more: """""
raw = \'\'\'
[[sensors]] '' \\'\'\'
after = 1979-05-27 07:32:00

[[sensors]]
name = "one"
[sensors.calibration.air_pressure]
offset = 1

[[ sensors ]]
name = "two"
calibration = { air_pressure = { offset = 0.4, slope = 1.0 }, "air temperature".slope = 2 }
command = [ "a]", # "b",
  "c",

  { inner = 1 }, [1, [2,
    3]],
]
empty = []
none = {}

[[sensors.parts]]
x = 1
[[sensors.parts]]
x = 2

[late.table.deep]
k = true
[late]
k = +inf'''

EXPECTED = {
    ("top",): 2,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "b", "c.d"): 3,
    ("station",): 5,
    ("station", "id"): 6,
    ("station", "quoted é"): 7,
    ("station", 'li"teral'): 8,
    ("station", "long"): 9,
    ("station", "raw"): 13,
    ("station", "after"): 15,
    ("sensors",): 17,
    ("sensors", 0): 17,
    ("sensors", 0, "name"): 18,
    ("sensors", 0, "calibration"): 19,
    ("sensors", 0, "calibration", "air_pressure"): 19,
    ("sensors", 0, "calibration", "air_pressure", "offset"): 20,
    ("sensors", 1): 22,
    ("sensors", 1, "name"): 23,
    ("sensors", 1, "calibration"): 24,
    ("sensors", 1, "calibration", "air_pressure"): 24,
    ("sensors", 1, "calibration", "air_pressure", "offset"): 24,
    ("sensors", 1, "calibration", "air_pressure", "slope"): 24,
    ("sensors", 1, "calibration", "air temperature"): 24,
    ("sensors", 1, "calibration", "air temperature", "slope"): 24,
    ("sensors", 1, "command"): 25,
    ("sensors", 1, "command", 0): 25,
    ("sensors", 1, "command", 1): 26,
    ("sensors", 1, "command", 2): 28,
    ("sensors", 1, "command", 2, "inner"): 28,
    ("sensors", 1, "command", 3): 28,
    ("sensors", 1, "command", 3, 0): 28,
    ("sensors", 1, "command", 3, 1): 28,
    ("sensors", 1, "command", 3, 1, 0): 28,
    ("sensors", 1, "command", 3, 1, 1): 29,
    ("sensors", 1, "empty"): 31,
    ("sensors", 1, "none"): 32,
    ("sensors", 1, "parts"): 34,
    ("sensors", 1, "parts", 0): 34,
    ("sensors", 1, "parts", 0, "x"): 35,
    ("sensors", 1, "parts", 1): 36,
    ("sensors", 1, "parts", 1, "x"): 37,
    ("late",): 41,
    ("late", "table"): 39,
    ("late", "table", "deep"): 39,
    ("late", "table", "deep", "k"): 40,
    ("late", "k"): 42,
}


def paths_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def test_every_way_to_write_a_key_is_found() -> None:
    """Tables, lists of tables, dotted, quoted and inline keys, items and what looks like one in texts and comments."""
    assert locate(DOCUMENT) == EXPECTED


def test_the_expected_paths_are_those_of_tomllib() -> None:
    """The hand-made table above has exactly the paths that tomllib finds."""
    assert set(paths_of(tomllib.loads(DOCUMENT))) == EXPECTED.keys()


def test_windows_line_ends_count_once() -> None:
    """A file with CRLF has the same lines."""
    assert locate(DOCUMENT.replace("\n", "\r\n")) == EXPECTED


def test_a_text_without_keys_has_no_lines() -> None:
    """Comments and empty lines hold no key."""
    assert locate("") == locate("# a = 1\n\n") == {}


# A key's name says nothing but its number, so that the line on which it must be found is the one that holds it.
BLANKS = st.sampled_from(["", " ", "\t "])
BREAKS = st.sampled_from(["", " ", "\n", " # ] } [z] z = 1 \" ' \n  ", "\n\n"])
SCALARS = st.sampled_from(
    [
        "1",
        "0x1F",
        "+1.5e3",
        "true",
        "nan",
        "1979-05-27 07:32:00.5",
        "07:32:00",
        '""',
        "''",
        '"# z = 1 ] } , \\" \\\\"',
        "'# [z] \\'",
        '"""\n[z]\nz = 1 "" \\""" \\\\"""',
        '"""a"""""',
        "'''\n[[z]] # '' \\'''",
        "'''a'''''",
    ]
)


@st.composite
def keys(draw: st.DrawFn, counter: list[int]) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        counter[0] += 1
        form = draw(st.sampled_from(["k{}-", '"k{}- \\u0022.#]"', "'k{}- \".[='"]))
        parts.append(form.format(counter[0]))
    return f"{draw(BLANKS)}.{draw(BLANKS)}".join(parts)


@st.composite
def values(draw: st.DrawFn, counter: list[int], depth: int = 0) -> str:
    kind = draw(st.sampled_from(["scalar", "list", "table"])) if depth < 3 else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    inner = [draw(values(counter, depth + 1)) for _ in range(draw(st.integers(0, 3)))]
    if kind == "list":
        items = "".join(f"{item}{draw(BREAKS)},{draw(BREAKS)}" for item in inner)
        return f"[{draw(BREAKS)}{items}]"
    pairs = ", ".join(f"{draw(keys(counter))}{draw(BLANKS)}= {value}" for value in inner)
    return f"{{{draw(BLANKS)}{pairs}{draw(BLANKS)}}}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    counter = [0]
    text = ""
    for _ in range(draw(st.integers(0, 8))):
        match draw(st.sampled_from(["pair", "pair", "table", "list", "again"])):
            case "pair":
                text += f"{draw(keys(counter))} = {draw(values(counter))}"
            case "table":
                text += f"[{draw(BLANKS)}{draw(keys(counter))}{draw(BLANKS)}]"
            case "list":
                text += f"[[{draw(BLANKS)}{draw(keys(counter))}{draw(BLANKS)}]]"
            case "again":
                text += "[[again]]"
        text += draw(st.sampled_from(["\n", " # z = 1\n", "\r\n\n"]))
    return text


@settings(max_examples=300)
@given(documents())
def test_every_key_is_found_on_its_line(text: str) -> None:
    """Whatever is nested in whatever, locate knows every path of tomllib, and the line which holds its key."""
    lines = text.split("\n")
    located = locate(text)
    assert located.keys() == set(paths_of(tomllib.loads(text)))
    for path, line in located.items():
        names = [part for part in path if isinstance(part, str)]
        if names[-1] != "again" and not isinstance(path[-1], int):
            assert names[-1].split(" ")[0] in lines[line - 1]


@pytest.mark.parametrize("length", [10_000])
def test_a_long_text_is_walked_without_recursion(length: int) -> None:
    """Long texts, comments and lists need no depth."""
    text = f'a = """{"x" * length}\n"""\n' + "# c\n" * length + f"b = [{'1, ' * length}]\n"
    assert locate(text)["b",] == length + 3


@example('"\\q" = 1')
@example("a = [1")
@example("a = {b = 1")
@given(st.text() | st.text(alphabet="ab.=\"'[]{},#\\ \n\r1"))
def test_what_is_no_toml_ends_the_walk(text: str) -> None:
    """Even a text that tomllib never accepted has an end, and only lines that exist."""
    assert all(1 <= line <= text.count("\n") + 1 for line in locate(text).values())
