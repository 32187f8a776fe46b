"""How an answer looks on the wire: its headers, its body, and whether it is compressed."""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from weatherd.panel.problems import CONTENT_TYPE, Problem

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "weatherd",
}
"""On every answer. No script, style or font but our own; nobody may frame us or read us from another site."""

COMPRESSED_SIZE_MIN = 1000
"""Bytes; what is smaller fits into one packet as it is."""

ON_THE_LOOP_SIZE_MAX = 10_000
"""Bytes that are compressed at once; more goes to a thread, so that a Pi's loop does not wait for it."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS


async def json_answer(request: web.BaseRequest, value: Any, status: int = 200) -> web.Response:
    """Answer with JSON that nobody may keep: it is of this moment."""
    return await _sized(request, msgspec.json.encode(value), "application/json", {"Cache-Control": "no-store"}, status)


async def bytes_answer(
    request: web.BaseRequest, body: bytes, content_type: str, headers: Mapping[str, str]
) -> web.Response:
    """Answer with bytes, compressed where that helps."""
    return await _sized(request, body, content_type, headers, 200)


def problem_answer(problem: Problem) -> web.Response:
    """Answer with what is wrong."""
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(problem.body()),
        headers={**HEADERS, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **problem.headers},
    )


def empty_answer(status: int, headers: Mapping[str, str]) -> web.Response:
    """Answer without a body."""
    return web.Response(status=status, headers={**HEADERS, "Cache-Control": "no-store", **headers})


async def _sized(
    request: web.BaseRequest, body: bytes, content_type: str, headers: Mapping[str, str], status: int
) -> web.Response:
    more = {**HEADERS, "Content-Type": content_type, "Vary": "Accept-Encoding", **headers}
    if len(body) >= COMPRESSED_SIZE_MIN and takes_gzip(request):
        body = gzip(body) if len(body) <= ON_THE_LOOP_SIZE_MAX else await asyncio.to_thread(gzip, body)
        more["Content-Encoding"] = "gzip"
    return web.Response(status=status, body=body, headers=more)


def takes_gzip(request: web.BaseRequest) -> bool:
    """Tell whether a client says that it understands gzip, and does not take that back."""
    for one in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def gzip(body: bytes, level: int = 4) -> bytes:
    """Compress (RFC 1952), without a time in it: the same bytes each time."""
    packer = zlib.compressobj(level, wbits=_GZIP_WBITS)
    return packer.compress(body) + packer.flush()
