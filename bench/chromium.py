"""A headless Chromium, asked over its DevTools protocol: how long a page takes until it is ready, and what it loads."""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp

READY_S_MAX = 30.0
START_S_MAX = 30.0
POLL_PERIOD_S = 0.05

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=BackForwardCache",  # a page that was left is gone, and its stream with it
    "--remote-debugging-port=0",
)

# Both by the page's own clock, which begins with the navigation. The page says itself when everything is shown.
_WATCH = """
new MutationObserver(() => {
  window.shownMs ??= document.querySelector('#cards > *') ? performance.now() : null;
  window.readyMs ??= document.documentElement?.dataset.ready === 'true' ? performance.now() : null;
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


class Load(NamedTuple):
    """
    One load of a page.

    Attributes:
        shown_s: From the navigation to the first value.
        ready_s: From the navigation to everything, curves included.
        size: Bytes that were transferred until then, headers included, as the browser counts them.
        requests_count: Answers that were complete by then.
    """

    shown_s: float
    ready_s: float
    size: int
    requests_count: int


def is_there() -> bool:
    """Tell whether there is a Chromium."""
    return shutil.which("chromium") is not None


class Chromium:
    """A browser that runs between the ends of an `async with`."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._size = 0
        self._requests_count = 0

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
            ["chromium", *_FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = await self._port()
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            page = next(one for one in await answer.json() if one["type"] == "page")
        self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Network", "Runtime"):
            await self._command(f"{domain}.enable")
        await self._command("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._command("Browser.close")
        await self._session.close()
        await asyncio.to_thread(self._process.wait, START_S_MAX)
        self._folder.cleanup()

    async def load(self, url: str, *, cached: bool) -> Load:
        """
        Load a page from a blank one, and leave it again.

        Args:
            url: Of the page.
            cached: Whether what the browser has from before may be used.
        """
        await self._command("Network.setCacheDisabled", cacheDisabled=not cached)
        self._size = self._requests_count = 0
        await self._command("Page.navigate", url=url)
        give_up_s = time.monotonic() + READY_S_MAX
        while (ready_ms := await self._value("window.readyMs ?? null")) is None:
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"{url} does not become ready")
            await asyncio.sleep(POLL_PERIOD_S)
        shown_ms = await self._value("window.shownMs")
        found = Load(shown_ms / 1000, ready_ms / 1000, self._size, self._requests_count)
        await self._command("Page.navigate", url="about:blank")
        return found

    async def _port(self) -> str:
        file = Path(self._folder.name, "DevToolsActivePort")
        give_up_s = time.monotonic() + START_S_MAX
        while not (file.exists() and file.read_text()):  # noqa: ASYNC240 - a file in memory
            if self._process.poll() is not None or time.monotonic() > give_up_s:
                raise TimeoutError("Chromium does not start")
            await asyncio.sleep(POLL_PERIOD_S)
        return file.read_text().split()[0]  # noqa: ASYNC240 - as above

    async def _value(self, expression: str) -> Any:
        told = await self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    async def _command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command, and count what arrives until it is answered."""
        number = next(self._numbers)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads((await self._socket.receive()).data)
            if told.get("method") == "Network.loadingFinished":
                self._size += round(told["params"]["encodedDataLength"])
                self._requests_count += 1
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                result: dict[str, Any] = told["result"]
                return result
