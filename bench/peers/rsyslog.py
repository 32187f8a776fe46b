"""rsyslog of Debian, which has no omhttp: a Unix socket, a disk-assisted queue, and Elasticsearch's bulk interface."""

import re
from pathlib import Path

from bench_tools import Child

from peers.peer import Debian, Peer

_CONFIGURATION = """
global(workDirectory="{disk}" maxMessageSize="64k")
module(load="imptcp")
module(load="omelasticsearch")
template(name="line" type="string" string="%rawmsg%")
input(type="imptcp" path="{folder}/lines.sock" ruleset="out" unlink="on"
  supportOctetCountedFraming="off")
ruleset(name="out") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" template="line" bulkmode="on"
    searchIndex="weather" searchType="" queue.type="LinkedList" queue.filename="weather" queue.maxDiskSpace="2g"
    queue.size="10000" queue.highWatermark="8000" queue.lowWatermark="2000"
    queue.saveOnShutdown="on" queue.dequeueBatchSize="500" action.resumeRetryCount="-1" action.resumeInterval="10")
}}
"""


class Rsyslog(Peer):
    """rsyslog."""

    name = "rsyslog"
    settings = (
        "Debian's has no omhttp, so omelasticsearch with bulkmode, 500 a batch; LinkedList queue of "
        "10,000, disk-assisted beyond 8,000, retried without a limit each 10 s; a 503 it takes for an answer, and drops"
    )
    answer = '{"errors":false,"items":[]}'

    def __init__(self) -> None:
        self._package = Debian("rsyslog", "rsyslogd")

    def version(self) -> str:
        """Return its version."""
        found = re.search(r"rsyslogd +([\d.]+)", self._package.ask("-v"))
        self._package.find("*/rsyslog/omelasticsearch.so")
        return found[1] if found else "?"

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it in the foreground."""
        configuration = folder / "rsyslog.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, disk=disk, port=port))
        modules = self._package.find("*/rsyslog/omelasticsearch.so")
        arguments = ["-n", "-f", str(configuration), "-i", str(folder / "pid"), "-M", str(modules)]
        return self._package.start(arguments, folder / "log")
