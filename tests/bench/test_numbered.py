import json

import pytest
from peers.collectd import Collectd
from peers.numbered import LINE_SIZE, Block, json_lines
from peers.tally import FIRST


def test_a_block_is_numbered_anew_each_time() -> None:
    """Every line has its own number, and nothing else changes."""
    block = Block()
    first, later = (block.numbered(number).splitlines(keepends=True) for number in (0, 999_750))
    assert [json.loads(line)["number"] for line in later] == list(range(FIRST + 999_750, FIRST + 1_000_250))
    assert {len(line) for line in first + later} == {LINE_SIZE}
    assert {**json.loads(first[3]), "number": 0} == {**json.loads(later[3]), "number": 0}


def test_a_line_alone_is_the_one_of_the_block() -> None:
    """Also beyond the first block."""
    block = Block()
    assert block.line(block.count + 3) == block.numbered(block.count).splitlines(keepends=True)[3]


def test_lines_that_are_not_alike_are_refused() -> None:
    """Their digits would be no column."""
    with pytest.raises(ValueError, match="not alike"):
        Block(lambda: [*json_lines(), "#########\n"])


def test_collectd_has_commands_with_the_same_numbers() -> None:
    """The number is the first value."""
    block = Block(Collectd.make_lines)
    assert block.line(42).split(b" N:")[1].startswith(b"%d:" % (FIRST + 42))
