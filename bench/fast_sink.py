"""
A sink that takes what it is given as fast as it can, and says when it had what.

It answers each POST with 200 and keeps the body as it came, with the time; so it takes little of the processor that it
shares with whom it measures. Ended by SIGTERM, it inflates what it has, looks at each document's seq, and prints one
line of JSON (times are those of the system's monotonic clock):

    documents, different    how many it had, and how many seqs they have
    bytes                   of all bodies, as they came
    first_s                 when it had the first body
    backlog_s               when it had the last body with a document up to a seq
    fresh_s                 when it had the first body with a document behind that seq
"""

import argparse
import json
import re
import signal
import socketserver
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Sequence

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_SEQUENCE = re.compile(rb'"sequence":(\d+)')
_GZIP = b"\x1f\x8b"

Taken = tuple[float, bytes]
"""When a body was there, and the body."""


class Server(socketserver.ThreadingTCPServer):
    """Takes bodies, on a thread a connection."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.taken: list[Taken] = []


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        """Answer until the connection ends."""
        while length := self._length():
            self.server.taken.append((time.monotonic(), self.rfile.read(length)))
            self.connection.sendall(_ANSWER)

    def _length(self) -> int | None:
        """Read the head of a request; None if there is no other."""
        head = b""
        while (line := self.rfile.readline()).strip():
            head += line
        found = _LENGTH.search(head)
        return int(found[1]) if found else None


def tell(taken: Sequence[Taken], backlog_until_seq: int) -> dict[str, float | None]:
    """
    Say what came.

    Args:
        taken: Every body.
        backlog_until_seq: The last seq that is backlog.
    """
    seqs: list[Sequence[int]] = [_seqs(body) for _, body in taken]
    times_s = [time_s for time_s, _ in taken]
    return {
        "documents": sum(map(len, seqs)),
        "different": len({seq for some in seqs for seq in some}),
        "bytes": sum(len(body) for _, body in taken),
        "first_s": min(times_s, default=None),
        "backlog_s": max(_times_of(taken, seqs, range(backlog_until_seq + 1)), default=None),
        "fresh_s": min(_times_of(taken, seqs, range(backlog_until_seq + 1, sys.maxsize)), default=None),
    }


def _seqs(body: bytes) -> Sequence[int]:
    documents = zlib.decompress(body, 16 + zlib.MAX_WBITS) if body.startswith(_GZIP) else body
    return [int(digits) for digits in _SEQUENCE.findall(documents)]


def _times_of(taken: Sequence[Taken], seqs: Sequence[Sequence[int]], wanted: range) -> Iterable[float]:
    return (time_s for (time_s, _), some in zip(taken, seqs, strict=True) if any(seq in wanted for seq in some))


def main() -> None:
    """Serve, then say what came."""
    parser = argparse.ArgumentParser(description="Take documents as fast as can be.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--backlog-until", type=int, default=0, metavar="SEQ")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # so that it is waited for, by every thread
    server = Server(arguments.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    signal.sigwait({signal.SIGTERM})
    print(json.dumps(tell(list(server.taken), arguments.backlog_until)))


if __name__ == "__main__":
    main()
