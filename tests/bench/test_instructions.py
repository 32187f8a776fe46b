from pathlib import Path

from instructions import exceeding, read, write

STORED = {"lines": 1000, "rows": 5, "all": 1005}


def test_a_stage_within_the_margin_is_not_too_much() -> None:
    """Nor is one that became cheaper, or is new."""
    assert not list(exceeding({"lines": 1090, "rows": 1, "bodies": 9}, STORED, 0.1))


def test_a_stage_beyond_the_margin_is_named_with_both_figures() -> None:
    """And so is the whole."""
    sentences = list(exceeding({"lines": 1200, "rows": 5}, STORED, 0.1))
    assert sentences == [
        "lines 1,200 instead of 1,000 instructions a line",
        "all 1,205 instead of 1,005 instructions a line",
    ]


def test_a_small_stage_is_never_too_much_by_itself() -> None:
    """What is a hundredth of the whole may double."""
    assert not list(exceeding({"lines": 1000, "rows": 10}, STORED, 0.1))


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    """By kind of Python; without a file there is nothing."""
    path = tmp_path / "instructions.toml"
    assert read(path) == {}
    write(path, {"cpython-3.11.2-x86_64": STORED, "cpython-3.11.2-aarch64": {"all": 7}})
    assert read(path) == {"cpython-3.11.2-x86_64": STORED, "cpython-3.11.2-aarch64": {"all": 7}}
