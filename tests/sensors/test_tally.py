"""The file of a counter: what is in it is true, or as good as nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.sensors.tally import Tally, TallyFile

TALLY = Tally(1234, 1200, 739_578, 12.573)


@pytest.fixture
def file(tmp_path: Path) -> TallyFile:
    return TallyFile(tmp_path / "rain.tally", "b0070001")


def test_what_was_written_last_is_read(file: TallyFile) -> None:
    """Each word takes the place of the one before."""
    file.write(Tally(1, 0, 1, 0.25))
    file.write(TALLY)
    assert file.read() == TALLY


def test_no_file_is_no_tally(file: TallyFile) -> None:
    """At the first start there is none."""
    assert file.read() is None


def test_the_file_of_another_boot_is_none(file: TallyFile) -> None:
    """A folder that is on the card keeps it over a power cut, which may have lost the newest tips."""
    file.write(TALLY)
    assert TallyFile(file.path, "b0070002").read() is None


def test_without_the_name_of_the_boot_nothing_is_taken(file: TallyFile) -> None:
    """Where the kernel does not tell it, the file may be of any."""
    nameless = TallyFile(file.path, "")
    nameless.write(TALLY)
    assert nameless.read() is None


@given(at=st.integers(0, 43), bit=st.integers(0, 7))
def test_one_flipped_bit_makes_it_none(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    """Whichever bit it is."""
    file = TallyFile(tmp_path_factory.mktemp("tally") / "rain.tally", "b0070001")
    file.write(TALLY)
    content = bytearray(file.path.read_bytes())
    assert len(content) == 44
    content[at] ^= 1 << bit
    file.path.write_bytes(content)
    assert file.read() is None


@pytest.mark.parametrize("size", [0, 1, 43, 45])
def test_a_file_of_another_length_is_none(file: TallyFile, size: int) -> None:
    """A torn one, or of another version."""
    file.write(TALLY)
    file.path.write_bytes(file.path.read_bytes().ljust(45, b"\0")[:size])
    assert file.read() is None
