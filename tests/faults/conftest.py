import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.reporting import Figures, table
from tests.faults.trials import Trial

_REPORT = pytest.StashKey[list[Figures]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what became of the observations of each fault."""
    if report := config.stash.get(_REPORT, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(table(report))


@pytest.fixture
def report(pytestconfig: pytest.Config) -> list[Figures]:
    """Where figures go."""
    return pytestconfig.stash[_REPORT]


@pytest.fixture
def memory() -> Iterator[Path]:
    """Make a folder in memory."""
    folder = Path(tempfile.mkdtemp(prefix="weatherd-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_trial(tmp_path: Path, memory: Path, report: list[Figures]) -> Callable[..., Trial]:
    """Make trials, each with folders of its own; the runtime folder is in memory unless `runtime` says otherwise."""
    trials: list[Trial] = []

    def make(fault: str, sink: str, *, on_disk: bool = False, runtime: Path | None = None, **settings: Any) -> Trial:
        folder = tmp_path / str(len(trials))
        folder.mkdir()
        if runtime is None:
            runtime = folder / "run" if on_disk else memory / f"run-{len(trials)}"
            runtime.mkdir()
        trials.append(Trial(fault, sink, folder=folder, runtime=runtime, report=report, **settings))
        return trials[-1]

    return make
