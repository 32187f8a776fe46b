"""The order in which processes side by side take the files: one that is long and begins last leaves the others idle."""

from pathlib import Path

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]

TOGETHER = "tests/elk"
"""These share an Elasticsearch and the documents of a day, which each process would make anew."""

LONGEST = (
    "tests/installed/test_install.py",
    "tests/faults/test_disk.py",
    "tests/installed/test_package.py",
    "tests/installed/test_image.py",
    "tests/faults/test_damage.py",
    "tests/faults/test_stop.py",
    "tests/installed/test_compose_chain.py",
    TOGETHER,
    "tests/end_to_end/test_journal_commands.py",
    "tests/panel/test_page.py",
    "tests/journal/test_salvage_more.py",
    "tests/end_to_end/test_bench.py",
    "tests/end_to_end/test_bad_input.py",
    "tests/test_forwarding.py",
    "tests/bench/test_programs.py",
    "tests/sensors/test_lines.py",
    "tests/journal/test_invariants.py",
    "tests/end_to_end/test_lifecycle.py",
    "tests/mqtt",
)
"""What takes more than a twentieth of its part of `make test`, longest first; see ``pytest --durations=0``."""


def place(nodeid: str) -> int:
    """Return where a test comes: those of the longest files first, and the others as they are found."""
    return next((at for at, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))


class LongestFirst(LoadFileScheduling):
    """Hand out files in the order of the collection, and not those with most tests first."""

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(f"{TOGETHER}/") else super()._split_scope(nodeid)
