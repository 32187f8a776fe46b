"""collectd of Debian: its Unix socket, whose values are the document's, and write_http. It keeps nothing on disk."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_tools import Child, lines

from peers.numbered import BLOCK_COUNT
from peers.peer import Debian, Peer, answers_unread, connected
from peers.tally import DIGITS

_CONFIGURATION = """
Hostname "bench"
FQDNLookup false
WriteThreads 1
BaseDir "{disk}"
PIDFile "{folder}/pid"
PluginDir "{modules}"
TypesDB "{folder}/types.db"
LoadPlugin unixsock
<LoadPlugin write_http>
  FlushInterval 1
</LoadPlugin>
<Plugin unixsock>
  SocketFile "{folder}/lines.sock"
  DeleteSocket true
</Plugin>
<Plugin write_http>
  <Node "far_end">
    URL "http://127.0.0.1:{port}/"
    Format "JSON"
    BufferSize 150000
  </Node>
</Plugin>
"""
_VALUES = ("number", "temperature_C", "humidity", "wind_avg_km_h", "rssi", "snr", "noise")
WIDTH = 7


class Collectd(Peer):
    """collectd."""

    name = "collectd"
    settings = (
        "values through its unixsock, write_http in JSON with a buffer of 150 kB flushed each second; all in memory"
    )
    pattern = r'"values":\[(\d{9})'
    keeps = False

    def __init__(self) -> None:
        self._package = Debian("collectd", "collectd")

    @staticmethod
    def make_lines() -> list[str]:
        """Return a block of its commands, with the same weather."""
        return [_command(json.loads(line)) for line in lines(BLOCK_COUNT)]

    def version(self) -> str:
        """Return its version."""
        found = re.search(r"collectd ([\d.]+)", self._package.ask("-h"))
        self._package.find("collectd/write_http.so")
        return found[1].rstrip(".") if found else "?"

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it in the foreground."""
        (folder / "types.db").write_text(f"weather {', '.join(f'{name}:GAUGE:U:U' for name in _VALUES)}\n")
        configuration = folder / "collectd.conf"
        modules = self._package.find("collectd/write_http.so")
        configuration.write_text(_CONFIGURATION.format(folder=folder, disk=disk, port=port, modules=modules))
        return self._package.start(["-f", "-C", str(configuration)], folder / "log")

    @contextlib.contextmanager
    def feeding(self, child: Child, folder: Path) -> Iterator[Callable[[bytes], None]]:
        """Yield what writes; it answers each command."""
        with connected(child, folder / "lines.sock") as channel, answers_unread(channel):
            yield channel.sendall


def _command(fields: dict[str, float]) -> str:
    values = (f"{fields[name]:0{WIDTH}.3f}" for name in _VALUES[1:])
    return f"PUTVAL bench/garden/weather interval=1 N:{'#' * DIGITS}:{':'.join(values)}\n"
