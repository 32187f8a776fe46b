"""The tests that run inside the machine: which there are, and a boot that runs them."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.installed.parts import ROOT
from tests.vm.machine import running

FOLDER = ROOT / "tests/vm/guest"

BOOT_S_MAX = 1800.0
"""For all of them; a machine with nothing else to do needs a fifth of it. Where it has, only this clock goes on."""

FILES = ("test_i2c.py", "test_contacts.py", "test_infrared.py", "test_limits.py", "test_network.py", "test_clock.py")
"""In the order in which they run: what is done to the clock is felt by all that follow."""

_RUN = """\
#!/bin/sh
export PYTHONPATH=/srv/site:/run/vm PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
cd /run/vm
exec /opt/weatherd/bin/python -m pytest --quiet --import-mode=importlib --rootdir=/run/vm -c /run/vm/pytest.ini \\
    --confcutdir=/run/vm/tests/vm/guest -p no:cacheprovider {wanted}
"""


class Told(NamedTuple):
    """
    What the machine told of one test.

    Attributes:
        name: As ``file::function[parameter]``.
        outcome: ``passed``, or what else became of it.
        took_s: Without what was made for it.
        figures: What it measured, for people.
        why: What a failure says.
    """

    name: str
    outcome: str
    took_s: float
    figures: Sequence[str]
    why: str

    @property
    def function(self) -> str:
        """Its name without the parameter."""
        return self.name.partition("[")[0]


def there_are(folder: Path = FOLDER) -> list[str]:
    """Return the names of the tests, as ``file::function``, in the order in which they run."""
    found = []
    for name in FILES:
        path = folder / name
        if path.exists():
            tree = ast.parse(path.read_text())
            functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
            found += [f"{name}::{node.name}" for node in functions if node.name.startswith("test_")]
    return found


def boot(folder: Path, wanted: Sequence[str]) -> Iterator[Told]:
    """
    Run tests in a machine, and give what it tells of each.

    Args:
        folder: For what the boot leaves behind.
        wanted: Their names.
    """
    errand: dict[str, Path | str] = {
        "run": _RUN.format(wanted=" ".join(f"tests/vm/guest/{name}" for name in wanted)),
        "pytest.ini": "[pytest]\nfilterwarnings = error\nfaulthandler_timeout = 120\n",
        "tests/vm/guest": FOLDER,
        "tests/installed/far_end.py": ROOT / "tests/installed/far_end.py",
    }
    with running(folder, errand, own_time=True) as machine:
        for line in machine.lines(BOOT_S_MAX):
            yield Told(**line.said)
