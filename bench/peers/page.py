"""The page with the figures, docs/performance.md: each program writes its own part of it, and leaves the rest alone."""

import datetime as dt
import os
import platform
import re
import subprocess
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "performance.md"


def write_part(name: str, text: str, page: Path = PAGE) -> None:
    """
    Write one part of the page.

    Args:
        name: That of its marks, ``<!-- NAME -->`` and ``<!-- end of NAME -->``, which stay.
        text: Markdown.
        page: The file.

    Raises:
        ValueError: If the page has no such part.
    """
    before = page.read_text()
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->\n)", re.DOTALL)
    after, count = marks.subn(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", before)
    if count != 1:
        raise ValueError(f"{page.name} has no part {name!r}")
    page.write_text(after)


def conditions() -> str:
    """Say when and where figures were measured, without naming the machine."""
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, Python {platform.python_version()}, "
        f"Linux {platform.release().split('-')[0]}, {_cpu_model()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the beginning"
    )


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _cpu_model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
