"""
Just enough of HTTP/1.1 for the stand-in for Logstash: requests in, responses out, also misshapen ones.

Source:
    RFC 9112, sections 2 to 7.
"""

import asyncio
import http
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass


class BodyTooLarge(Exception):
    """Tell that a body is larger than the server takes. It answers 413."""


class NotHttp(Exception):
    """Tell that a client speaks no HTTP. There is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request as it came in.

    Args:
        method: Not checked, like the target.
        target: Path and query.
        headers: By their names in lower case; the last one of a name.
        headers_size: Bytes of all header lines.
        body: Not inflated yet.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    headers_size: int
    body: bytes = b""


async def read_head(reader: asyncio.StreamReader) -> Request:
    """
    Return the next request, without its body.

    Raises:
        IncompleteReadError: If the client has gone away.
        NotHttp: If what it sends is no HTTP.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _version = request_line.split(" ")
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise NotHttp(str(error)) from None
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Request(method, target, headers, len(head) - len(request_line))


async def read_body(reader: asyncio.StreamReader, request: Request, size_max: int, *, part: float = 1.0) -> bytes:
    """
    Return the body of a request, or the first part of it.

    Raises:
        BodyTooLarge: If it is larger than `size_max` before inflating.
        IncompleteReadError: If the client has gone away.
        NotHttp: If nobody can tell where the body ends.
    """
    try:
        if request.headers.get("transfer-encoding", "").lower() == "chunked":
            return await _read_chunks(reader, size_max)
        size = int(request.headers.get("content-length", "0"))
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise NotHttp(str(error)) from None
    if size > size_max:
        raise BodyTooLarge
    return await reader.readexactly(int(size * part))


async def _read_chunks(reader: asyncio.StreamReader, size_max: int) -> bytes:
    body = bytearray()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        if len(body) + size > size_max:
            raise BodyTooLarge
        body += (await reader.readexactly(size + 2))[:size]
    await reader.readuntil(b"\r\n")
    return bytes(body)


def response(status: int, headers: Mapping[str, str] | None = None, body: bytes | None = b"") -> bytes:
    """Return a whole response; with `body` None, one that does not say how long it is."""
    phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if body:
        lines.append("Content-Type: text/plain")
    if body is not None and status != http.HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def reset(writer: asyncio.StreamWriter) -> None:
    """Make the kernel send a RST: closing with a linger time of nothing does."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
