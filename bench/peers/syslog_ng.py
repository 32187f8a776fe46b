"""syslog-ng of Debian: a Unix socket, a reliable disk buffer, and its http destination with batches."""

import re
from pathlib import Path

from bench_tools import Child

from peers.peer import Debian, Peer

_CONFIGURATION = """
@version: {version}
options {{ stats-freq(0); }};
source lines {{ unix-stream("{folder}/lines.sock" flags(no-parse) log-msg-size(65536)); }};
destination far_end {{
  http(
    url("http://127.0.0.1:{port}/")
    method("POST")
    headers("Content-Type: application/json")
    body("${{MSG}}") delimiter(",") body-prefix("[") body-suffix("]")
    batch-lines(500) batch-timeout(1000) timeout(60)
    retries(1000000) time-reopen({reopen_s})
    disk-buffer(reliable(yes) dir("{disk}") disk-buf-size(2000000000))
  );
}};
log {{ source(lines); destination(far_end); flags(flow-control); }};
"""
REOPEN_S = 10


class SyslogNg(Peer):
    """syslog-ng."""

    name = "syslog-ng"
    settings = (
        "http destination, arrays of 500 with batch-timeout of 1 s, disk-buffer reliable, flow-control, "
        f"time-reopen {REOPEN_S} s, retries without a limit (3 by default: then it drops)"
    )

    def __init__(self) -> None:
        self._package = Debian("syslog-ng", "syslog-ng", ["usr/lib/syslog-ng"])

    def version(self) -> str:
        """Return its version."""
        found = re.search(r"^syslog-ng \d+ \(([\d.]+)\)", self._package.ask("--version"), re.MULTILINE)
        self._package.find("syslog-ng/*/libhttp.so")
        return found[1] if found else "?"

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it in the foreground, in one process."""
        configuration = folder / "syslog-ng.conf"
        version = ".".join(self.version().split(".")[:2])
        configuration.write_text(
            _CONFIGURATION.format(version=version, folder=folder, disk=disk, port=port, reopen_s=REOPEN_S)
        )
        modules = self._package.find("syslog-ng/*/libhttp.so")
        return self._package.start(
            [
                "--foreground",
                "--process-mode=foreground",
                "--no-caps",
                f"--module-path={modules}",
                f"--cfgfile={configuration}",
                f"--persist-file={disk}/persist",
                f"--pidfile={folder}/pid",
                f"--control={folder}/control.sock",
            ],
            folder / "log",
        )
