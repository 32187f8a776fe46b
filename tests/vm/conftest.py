"""What the tests in the small machine told, as a table."""

import pytest

from tests.vm.guests import Told

collect_ignore = ["guest"]  # they run inside

_told: list[Told] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take what was told of a test."""
    if report.when == "teardown":
        _told.extend(Told(*one) for name, value in report.user_properties if name == "told" for one in value)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was done to the machine, and what came of it."""
    if not _told:
        return
    terminalreporter.section("on a real kernel")
    for one in _told:
        figures = f": {'; '.join(one.figures)}" if one.figures else ""
        terminalreporter.write_line(f"{one.outcome:7} {one.took_s:6.1f} s  {one.name}{figures}")
