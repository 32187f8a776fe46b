from pathlib import Path

import pytest
from peers.page import PAGE, write_part
from peers.table import as_markdown, as_text, rows


def test_a_part_is_written_anew_and_the_rest_stays(tmp_path: Path) -> None:
    """Its marks too, so that it can be written again."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- growth -->\nold\n<!-- end of growth -->\nbehind\n")
    for text in (r"new \1", "newer\n"):
        write_part("growth", text, page)
    assert page.read_text() == "before\n<!-- growth -->\nnewer\n<!-- end of growth -->\nbehind\n"
    with pytest.raises(ValueError, match="no part 'soak'"):
        write_part("soak", "", page)


@pytest.mark.parametrize("name", ["peers", "growth", "soak"])
def test_the_page_has_the_part_of_each_program(name: str, tmp_path: Path) -> None:
    """Each can write its own."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    write_part(name, "figures", page)
    assert "figures" in page.read_text()


def test_a_table_shows_ratios_to_ours_and_a_dash_for_what_was_not_measured() -> None:
    """Losses have no ratio."""
    results = {"up": {"weatherd": {"cpu": 2.0, "lost": 0.0}, "other": {"cpu": 1.0, "lost": 3.0}, "third": {}}}
    names = ["weatherd", "other", "third"]
    table = [["", *names], *rows(results, names)]
    found = {row[0].strip(): list(row[1:]) for row in table}
    assert found["CPU s per 600 s"] == ["2.00", "1.00 (0.50)", "-"]
    assert found["lost"] == ["0", "3", "-"]
    assert "1.00 (0.50)" in as_text(table)
    assert "| CPU s per 600 s | 2.00 | 1.00 (0.50) | - |" in as_markdown(table)
    assert "| **Four documents a second, the far end answers** |" in as_markdown(table)
