"""The sink as a process of its own, and what it can take by itself."""

import contextlib
import json
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench_tools import Child

from peers.numbered import BLOCK_COUNT, Block
from peers.tally import FIRST, PATTERN

BENCH = Path(__file__).parents[1]
POLL_S = 0.1
WEIGHT_SIZE = 600
"""Bytes that are added to a line where a document of weatherd's is meant: those are twice as long, and compressed."""


class Told(NamedTuple):
    """What the sink has had so far; sizes in bytes, times by the system's monotonic clock."""

    attempts: int
    taken: int
    refused: int
    size: int
    content_size: int
    documents: int
    distinct: int
    highest: int
    strange: int
    waiting: int
    first_s: float | None
    last_s: float | None

    @property
    def duplicates(self) -> int:
        """Documents that came once more than was needed."""
        return self.documents - self.distinct


class FarEnd(Child):
    """
    The sink.

    Args:
        pattern: Finds the number of each document.
        first: The lowest number.
        answer: The body of each answer.
        is_up: Whether it listens from the beginning.
    """

    def __init__(self, pattern: str = PATTERN, first: int = FIRST, answer: str = "ok", *, is_up: bool = True) -> None:
        super().__init__(
            ["-m", "peers.sink", "--pattern", pattern, "--first", str(first), "--answer", answer],
            subprocess.PIPE,
            {"PYTHONPATH": str(BENCH)},
            stdin=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self._lock = threading.Lock()
        self.port = int(self.process.stdout.readline())
        if not is_up:
            self.order("close")

    def order(self, command: str) -> Told:
        """Let it do something, and return its counts."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self._lock:
            self.process.stdin.write(f"{command}\n")
            self.process.stdin.flush()
            return Told(**json.loads(self.process.stdout.readline()))

    def told(self) -> Told:
        """Return its counts, with nothing put aside any more that it could count at once."""
        while (told := self.order("tell")).waiting:
            time.sleep(POLL_S)
        return told

    def wait_for(self, distinct: int, time_s_max: float, quiet_s_max: float = float("inf")) -> Told:
        """
        Wait until it has so many different documents.

        Args:
            distinct: That many.
            time_s_max: When to give up.
            quiet_s_max: When to give up if no document has come for so long.
        """
        give_up_at_s = time.monotonic() + time_s_max
        told, changed_s = self.order("tell"), time.monotonic()
        while told.distinct < distinct:
            now_s = time.monotonic()
            if now_s > give_up_at_s or now_s - changed_s > quiet_s_max:
                return self.told()
            time.sleep(POLL_S)
            before, told = told, self.order("tell")
            if told != before:
                changed_s = now_s
        return self.told()


class Capacity(NamedTuple):
    """Documents a second that the sink takes from a client that has nothing else to do."""

    plain_per_s: float
    gzip_per_s: float
    single_per_s: float


def measure_capacity(duration_s: float) -> Capacity:
    """
    Measure what the sink can take: arrays of 500, plain and compressed, and a document a request.

    Counting is not included: it puts bodies aside and counts when nothing comes.
    """
    block = Block()
    bodies = [block.numbered(number * BLOCK_COUNT) for number in range(10)]
    arrays = [b"[" + body.replace(b"\n", b",")[:-1] + b"]" for body in bodies]
    heavy = [body.replace(b"}", b"A" * WEIGHT_SIZE + b"}") for body in arrays]
    return Capacity(
        plain_per_s=_measure([_request(body) for body in arrays], BLOCK_COUNT, duration_s),
        gzip_per_s=_measure([_compressed(body) for body in heavy], BLOCK_COUNT, duration_s),
        single_per_s=_measure([_request(block.line(number)) for number in range(BLOCK_COUNT)], 1, duration_s),
    )


def _request(body: bytes, more: bytes = b"") -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return head + more + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _compressed(body: bytes) -> bytes:
    return _request(zlib.compress(body, 1, 16 + zlib.MAX_WBITS), b"Content-Encoding: gzip\r\n")


def _measure(requests: Sequence[bytes], documents: int, duration_s: float) -> float:
    far_end = FarEnd()
    with ending(far_end):
        started_s = time.monotonic()
        clients = [threading.Thread(target=_post, args=(far_end.port, requests, duration_s)) for _ in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        took_s = time.monotonic() - started_s
        return far_end.order("tell").taken * documents / took_s


def _post(port: int, requests: Sequence[bytes], duration_s: float) -> None:
    until_s = time.monotonic() + duration_s
    with socket.create_connection(("127.0.0.1", port)) as channel:
        while time.monotonic() < until_s:
            for request in requests:
                channel.sendall(request)
                answer = b""
                while not answer.endswith(b"ok"):
                    answer += channel.recv(4096)


@contextlib.contextmanager
def ending(far_end: FarEnd) -> Iterator[None]:
    """End it, whatever happens."""
    try:
        yield
    finally:
        assert far_end.process.stdin is not None
        far_end.process.stdin.close()
        far_end.process.wait()
        assert far_end.process.stdout is not None
        far_end.process.stdout.close()
