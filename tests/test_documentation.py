"""What the pages for people say of names in the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from weatherd import config

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/examples/*/*.md")])

STATION = '[station]\nid = "s"\nelevation_m = 10\n'
SENSORS = """
[[sensors]]
name = "barometer"
driver = "bmp280"
[[sensors]]
name = "hygrometer"
driver = "htu21d"
[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "localhost:1"
quantities = { wind_speed = "v" }
[[sensors]]
name = "vane"
driver = "wind_vane"
"""

# What is not ours, not whole, or names files and drivers that are not here.
_OTHER_BLOCKS = ("project.entry-points", "logstash-password", "station.pem", '"acme"', "…")


def page(name: str) -> str:
    """Read a page."""
    return (ROOT / name).read_text()


def actions() -> Iterator[str]:
    """Find the actions of events: the second word of what is told, and of a notice of the journal."""
    for path in (ROOT / "weatherd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and len(node.args) > 1):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            action = node.args[1]
            if name in {"tell", "Notice"} and isinstance(action, ast.Constant):
                yield str(action.value)


def blocks(text: str) -> Iterator[str]:
    """Return the indented blocks of a page that hold tables of a configuration."""
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        if re.search(r"^    \[\[?[a-z]", block, re.MULTILINE) and not any(other in block for other in _OTHER_BLOCKS):
            yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


def test_every_event_is_on_the_page_of_documents() -> None:
    """Whoever alerts on event.action finds each of them."""
    found = set(actions())
    assert {"sensor_lost", "calibration_changed", "entries_unreadable"} <= found
    assert {action for action in found if f"`{action}`" not in page("docs/logstash.md")} == set()


@pytest.mark.parametrize("room", ["", "daemon", "processing", "sensors"])
def test_the_map_names_every_module(room: str) -> None:
    """A newcomer finds each module of the larger rooms in the table of rooms."""
    text = page("docs/architecture.md")
    modules = {path.stem for path in (ROOT / "weatherd" / room).glob("*.py") if not path.stem.startswith("_")}
    assert {name for name in modules if not re.search(rf"`(weatherd/|sensors\.)?{name}(\.py)?`", text)} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_link_leads_somewhere(path: Path) -> None:
    """Every page and every heading that a page refers to is there."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        headings = [re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in _headings(there)]
        assert not anchor or anchor in headings, target


def _headings(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("#")] if path.suffix == ".md" else []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_an_example_is_a_configuration(path: Path) -> None:
    """What people copy from a page has no mistake."""
    for block in blocks(path.read_text()):
        text = block if "[station]" in block else STATION + block
        assert config.parse(text if "[[sensors]]" in text else text + SENSORS, path.parent).sensors
