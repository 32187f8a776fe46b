"""
The far end of all peers: takes any POST as fast as it comes, and tells afterwards what was in it.

While bodies come, they are only put aside, with the time. They are inflated and counted, by the number that each
document carries, as soon as nothing has come for a twentieth of a second, or when so many wait that memory would run
out. So what is measured is the peer, and not the counting.

It is told what to do by lines on its standard input, and answers each with a line of JSON, the counts so far:

    take      listen, and answer 200
    refuse    listen, and answer 503
    close     end all connections, and do not listen
    tell      nothing else

It ends when its standard input does.
"""

import argparse
import json
import os
import re
import select
import socket
import time
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from peers.tally import FIRST, PATTERN, Tally

QUIET_S = 0.05
RECEIVE_SIZE = 1 << 18
WAITING_SIZE_MAX = 400_000_000

_HEAD_END = b"\r\n\r\n"
_HEAD_SIZE_MAX = 65_536
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_IS_GZIP = re.compile(rb"(?i)\r\ncontent-encoding: *gzip")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# With the body that Elasticsearch would send: rsyslog looks at nothing else, and would take an empty one as a success.
_REFUSED = b'{"error":{"type":"cluster_block_exception","reason":"blocked"},"status":503}'
_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_REFUSED),
    _REFUSED,
)


class Body(NamedTuple):
    """What was in a POST, and when it was there."""

    time_s: float
    is_gzip: bool
    content: bytes


class Channel:
    """One connection: cuts what arrives into requests."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = bytearray()
        self._told_to_continue = False

    def take(self) -> Iterator[tuple[bytes, bytes]]:
        """
        Receive once; yield the head and the body of each request that is complete.

        Raises:
            ConnectionError: If the other side has ended it.
        """
        received = self.connection.recv(RECEIVE_SIZE)
        if not received:
            raise ConnectionResetError("the other side has ended it")
        self._buffer += received
        while (end := self._buffer.find(_HEAD_END, 0, _HEAD_SIZE_MAX)) >= 0:
            head = bytes(self._buffer[:end])
            length = _LENGTH.search(head)
            start = end + len(_HEAD_END)
            stop = start + int(length[1]) if length else start
            if len(self._buffer) < stop:
                self._tell_to_continue(head)
                return
            body = bytes(self._buffer[start:stop])
            del self._buffer[:stop]
            self._told_to_continue = False
            yield head, body

    def _tell_to_continue(self, head: bytes) -> None:
        if not self._told_to_continue and b"100-continue" in head:
            self.connection.sendall(_CONTINUE)
            self._told_to_continue = True


class Sink:
    """
    Listen, answer, count.

    Args:
        tally: Counts documents.
        answer: The body of each 200.
    """

    def __init__(self, tally: Tally, answer: bytes) -> None:
        self.attempts = self.taken = self.refused = self.size = self.content_size = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._refuses = False
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(answer),
            answer,
        )
        self._tally = tally
        self._waiting: deque[Body] = deque()
        self._waiting_size = 0
        self._channels: dict[int, Channel] = {}
        self._poll = select.epoll()
        self._listener: socket.socket | None = None
        self.port = 0
        self._listen()

    def run(self) -> None:
        """Serve until standard input ends."""
        os.set_blocking(0, False)
        self._poll.register(0, select.EPOLLIN)
        commands = b""
        while True:
            ready = self._poll.poll(QUIET_S if self._waiting else None)
            if not ready or self._waiting_size > WAITING_SIZE_MAX:
                self._count()
            for number, _ in ready:
                if number == 0:
                    received = os.read(0, 4096)
                    if not received:
                        return
                    *complete, commands = (commands + received).split(b"\n")
                    for command in complete:
                        self._obey(command.decode())
                elif self._listener is not None and number == self._listener.fileno():
                    self._accept()
                elif number in self._channels:
                    self._serve(self._channels[number])

    def _obey(self, command: str) -> None:
        if command == "close":
            self._close()
        elif command in {"take", "refuse"}:
            self._refuses = command == "refuse"
            self._listen()
        print(json.dumps(self._told()), flush=True)

    def _told(self) -> dict[str, object]:
        return {
            "attempts": self.attempts,
            "taken": self.taken,
            "refused": self.refused,
            "size": self.size,
            "content_size": self.content_size,
            "documents": self._tally.documents,
            "distinct": self._tally.distinct,
            "highest": self._tally.highest,
            "strange": self._tally.strange,
            "waiting": len(self._waiting),
            "first_s": self.first_s,
            "last_s": self.last_s,
        }

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._poll.register(self._listener, select.EPOLLIN)

    def _close(self) -> None:
        if self._listener is not None:
            self._poll.unregister(self._listener)
            self._listener.close()
            self._listener = None
        for channel in list(self._channels.values()):
            self._end(channel)

    def _accept(self) -> None:
        assert self._listener is not None
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channels[connection.fileno()] = Channel(connection)
        self._poll.register(connection, select.EPOLLIN)

    def _end(self, channel: Channel) -> None:
        del self._channels[channel.connection.fileno()]
        self._poll.unregister(channel.connection)
        channel.connection.close()

    def _serve(self, channel: Channel) -> None:
        try:
            for head, body in channel.take():
                channel.connection.sendall(self._answered(head, body))
        except ConnectionError:
            self._end(channel)

    def _answered(self, head: bytes, body: bytes) -> bytes:
        """Note a request, and return what to answer."""
        if not head.startswith(b"POST"):
            return self._answer
        self.attempts += 1
        self.size += len(head) + len(_HEAD_END) + len(body)
        if self._refuses:
            self.refused += 1
            return _REFUSAL
        self.taken += 1
        self._waiting.append(Body(time.monotonic(), _IS_GZIP.search(head) is not None, body))
        self._waiting_size += len(body)
        return self._answer

    def _count(self) -> None:
        """Count what was put aside; a little at a time, so that who comes in the meantime hardly waits."""
        until_s = time.monotonic() + QUIET_S
        while self._waiting and (time.monotonic() < until_s or self._waiting_size > WAITING_SIZE_MAX):
            body = self._waiting.popleft()
            self._waiting_size -= len(body.content)
            content = zlib.decompress(body.content, 16 + zlib.MAX_WBITS) if body.is_gzip else body.content
            self.content_size += len(content)
            if self._tally.add(content):
                self.first_s = self.first_s or body.time_s
                self.last_s = body.time_s


def main() -> None:
    """Say the port, then serve."""
    parser = argparse.ArgumentParser(description="Take documents as fast as can be, and count them by number.")
    parser.add_argument("--pattern", default=PATTERN, help="finds each number (%(default)s)")
    parser.add_argument("--first", type=int, default=FIRST, help="the lowest number (%(default)s)")
    parser.add_argument("--answer", default="ok", metavar="TEXT", help="the body of each answer (%(default)s)")
    arguments = parser.parse_args()
    sink = Sink(Tally(arguments.pattern, arguments.first), arguments.answer.encode())
    print(sink.port, flush=True)
    sink.run()


if __name__ == "__main__":
    main()
