"""
A sink that takes what it is given as fast as it can, and says when it had what.

It answers each POST with 200, inflates the body, counts its documents, and looks at the seq of the last one. Ended by
SIGTERM, it prints one line of JSON: how many documents it had, when it took the first, and when the first of those
behind a seq (times of the system's monotonic clock).
"""

import argparse
import asyncio
import json
import signal
import time
import zlib

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SEQUENCE = b'"sequence":'


class Counter:
    """What came."""

    def __init__(self, fresh_after_seq: int) -> None:
        self.documents = 0
        self.first_s: float | None = None
        self.fresh_s: float | None = None
        self._fresh_after_seq = fresh_after_seq

    def take(self, body: bytes) -> None:
        """Count one body."""
        documents = zlib.decompress(body, 16 + zlib.MAX_WBITS)
        self.documents += documents.count(_SEQUENCE)
        now_s = time.monotonic()
        if self.first_s is None:
            self.first_s = now_s
        if self.fresh_s is None:
            digits = documents[documents.rindex(_SEQUENCE) + len(_SEQUENCE) :][:20]
            if int(digits.partition(b",")[0]) > self._fresh_after_seq:
                self.fresh_s = now_s


async def serve(port: int, counter: Counter) -> None:
    """Take bodies until SIGTERM."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                counter.take(await reader.readexactly(int(length.partition(b":")[2])))
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = await asyncio.start_server(talk, "127.0.0.1", port, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stopped.wait()


def main() -> None:
    """Serve, then say what came."""
    parser = argparse.ArgumentParser(description="Take documents as fast as can be.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fresh-after", type=int, default=2**62, metavar="SEQ")
    arguments = parser.parse_args()
    counter = Counter(arguments.fresh_after)
    asyncio.run(serve(arguments.port, counter))
    print(json.dumps({"documents": counter.documents, "first_s": counter.first_s, "fresh_s": counter.fresh_s}))


if __name__ == "__main__":
    main()
