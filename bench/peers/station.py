"""
weatherd itself, with the settings that it has by default.

Its documents are counted by the seq that it gives to each observation: a label that is another in each line would be
another transmitter to it. A line makes one observation, so what is missing in their number is lost all the same.
"""

from pathlib import Path

from bench_tools import Child, Daemon

from peers.peer import Peer
from weatherd import __version__


class Weatherd(Peer):
    """weatherd."""

    name = "weatherd"
    settings = "as it is by default, the panel off: a line a document, arrays of 500 at most, gzip, linger of 1 s"
    pattern = r'"sequence":(\d+),"kind":"metric"'
    first = 0

    def version(self) -> str:
        """Return its version."""
        return __version__

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it."""
        runtime = folder / "runtime"
        runtime.mkdir(exist_ok=True)
        return Daemon(folder, port, disk / "journal.db", runtime=runtime)
