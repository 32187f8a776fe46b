"""weatherd itself, with the settings that it has by default."""

from pathlib import Path

from bench_tools import Child, Daemon, garden

from peers.peer import Peer
from weatherd import __version__


class Weatherd(Peer):
    """weatherd."""

    name = "weatherd"
    settings = "as it is by default, the panel off: a line a document, arrays of 500 at most, gzip, linger of 1 s"
    marker = '"number":"'

    def version(self) -> str:
        """Return its version."""
        return __version__

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it."""
        runtime = folder / "runtime"
        runtime.mkdir(exist_ok=True)
        sensors = garden(folder / "lines.sock", ("channel", "battery_ok", "number"))
        return Daemon(folder, port, disk / "journal.db", sensors=sensors, runtime=runtime)
