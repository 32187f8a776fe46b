"""
The files of the page: whatever lies in the folder `page` of this package, and nothing else.

A file is found by its whole path in a list made at the start, so no path leads out of the folder.
"""

import asyncio
import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from aiohttp import web

from weatherd.panel.answers import COMPRESSED_SIZE_MIN, HEADERS, gzip, takes_gzip

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_PACKED = {".png", ".woff2"}


class _File(NamedTuple):
    place: Traversable
    suffix: str


class _Loaded(NamedTuple):
    body: bytes
    packed: bytes | None
    tag: str


class Files:
    """The files by their paths; each is read once, when it is first wanted."""

    def __init__(self) -> None:
        package = resources.files("weatherd.panel")
        self._files = {"/openapi.json": _File(package / "openapi.json", ".json")}
        for path, place in _walk(package / "page", ""):
            suffix = f".{path.rpartition('.')[2]}"
            if suffix in CONTENT_TYPES:
                self._files[path] = _File(place, suffix)
        for path in [one for one in self._files if one.endswith(".html")]:
            self._files[path.removesuffix("index.html") or "/"] = self._files[path]
            self._files[path.removesuffix(".html")] = self._files[path]
        self._loaded: dict[str, _Loaded] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def is_page(self, path: str) -> bool:
        """Tell whether it is a page, and not what pages are made of."""
        return self._files[path].suffix in {".html", ".json"}

    async def text(self, path: str) -> str:
        """Return a file that is text."""
        return (await self._load(path)).body.decode()

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer with a file; with nothing if the browser has it already."""
        file = self._files[path]
        loaded = await self._load(path)
        headers = {
            **HEADERS,
            "Content-Type": CONTENT_TYPES[file.suffix],
            "Cache-Control": "no-cache",
            "ETag": loaded.tag,
            "Vary": "Accept-Encoding",
        }
        if loaded.tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if loaded.packed is not None and takes_gzip(request):
            return web.Response(body=loaded.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=loaded.body, headers=headers)

    async def _load(self, path: str) -> _Loaded:
        if path not in self._loaded:
            self._loaded[path] = await asyncio.to_thread(_load, self._files[path])
        return self._loaded[path]


def _walk(folder: Traversable, path: str) -> list[tuple[str, Traversable]]:
    found = []
    for one in folder.iterdir():
        its_path = f"{path}/{one.name}"
        found += _walk(one, its_path) if one.is_dir() else [(its_path, one)]
    return found


def _load(file: _File) -> _Loaded:
    body = file.place.read_bytes()
    packs = len(body) >= COMPRESSED_SIZE_MIN and file.suffix not in _PACKED
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    return _Loaded(body, gzip(body, 9) if packs else None, tag)
