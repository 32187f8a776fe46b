import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.reporting import Figures, table
from tests.faults.trials import Trial

_figures: list[Figures] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take the figures of a test, be it of this process or of a worker."""
    if report.when == "teardown":
        told = (value for name, value in report.user_properties if name == "figures")
        _figures.extend(Figures(*one) for figures in told for one in figures)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what became of the observations of each fault."""
    if _figures:
        terminalreporter.section("faults")
        terminalreporter.write_line(table(_figures))


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Iterator[list[Figures]]:
    """Where figures go."""
    figures: list[Figures] = []
    yield figures
    record_property("figures", [list(one) for one in figures])


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
