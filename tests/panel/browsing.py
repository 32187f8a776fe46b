"""A real daemon beside a real Chromium: one has a thread and a loop of its own, the other is driven by the test."""

import asyncio
import concurrent.futures
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.end_to_end.stations import free_port
from tests.fakes import recording_log
from tests.panel.stations import write_lines
from weatherd import config
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon
from weatherd.testing.logstash import LogstashStandIn
from weatherd.testing.weather import HTU21D_ADDRESS, RecordedDay, simulated_bus

CHROMIUM = Path("/usr/bin/chromium")
CHROMEDRIVER = Path("/usr/bin/chromedriver")

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

STATION = """
[station]
id = "school"
name = "Alamosa, Colorado"
latitude = 37.70
longitude = -105.92
elevation_m = 2317.0
[i2c]
bus = "simulated"
[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 0
[sensors.quantities]
air_temperature = "air_temperature"
relative_humidity = "relative_humidity"
air_pressure = "air_pressure"
surface_downwelling_shortwave_flux_in_air = "surface_downwelling_shortwave_flux_in_air"
wind_speed = "wind_speed"
wind_from_direction = "wind_from_direction"
rainfall_amount = "rain"
[[sensors]]
name = "barometer"
driver = "bmp280"
sample_period_s = 0.5
report_period_s = 1.0
[[sensors]]
name = "hygrometer"
driver = "htu21d"
sample_period_s = 0.5
report_period_s = 1.0
[derive]
temperature = "mast"
pressure = "mast"
wind = "mast"
[journal]
path = "{folder}/journal.db"
[clock]
hold_max_s = 0
[panel]
listen = "127.0.0.1:{port}"
language = "{language}"
[sinks.logstash]
urls = ["http://127.0.0.1:{sink_port}"]
linger_s = 0.1
delay_s_max = 1.0
"""

DAY_S = 86_400
AFTERNOON_S = 19 * 3600
"""After midnight UTC, noon at Alamosa: now is always then, for in one minute of 25 of its day something is stuck."""

RECORD_PERIOD_S = 300
RAIN_MM = 0.4


class Station:
    """
    A station that runs between `start` and `stop`; it can be started again, with the same journal and the same ports.

    Attributes:
        url: Of the panel.
    """

    def __init__(self, folder: Path, language: str = "auto", text: str = STATION) -> None:
        self._folder = folder
        self._later_s = int(time.time()) % DAY_S - AFTERNOON_S
        self._port = free_port()
        self._sink_port = free_port()
        self._text = text.format(folder=folder, port=self._port, sink_port=self._sink_port, language=language)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._chips = simulated_bus(lambda: SystemClock().now_ms() - self._later_s * 1000)
        self._logstash = LogstashStandIn(port=self._sink_port)
        self._running: asyncio.Task[Any] | None = None
        self._telling: concurrent.futures.Future[None] | None = None
        self._wind: dict[str, float] = {}
        self._daemon: Daemon | None = None
        self.url = f"http://127.0.0.1:{self._port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        self.plug_sink()
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        self.unplug_sink()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Start the daemon, and wait until it is ready."""
        self._do(self._start())

    def stop(self) -> None:
        """Stop the daemon in good order."""
        self._do(self._stop())

    def plug_sink(self) -> None:
        """Let Logstash answer."""
        self._do(self._logstash.start())

    def unplug_sink(self) -> None:
        """Let nobody be at Logstash's address."""
        self._do(self._logstash.stop())

    def unplug_hygrometer(self) -> None:
        """Pull its plug in the middle of a measurement."""
        self._chips.chips[HTU21D_ADDRESS].unplug_after(2)

    def plug_hygrometer(self) -> None:
        """Put its plug back."""
        self._chips.chips[HTU21D_ADDRESS].fault = None

    def live_through_a_day(self) -> None:
        """Let the mast tell the weather of a day until now, and then go on."""
        self._do(write_lines(self._folder, *_day(int(time.time()), self._later_s)))
        self._telling = asyncio.run_coroutine_threadsafe(self._tell(), self._loop)

    def tell(self, *records: Mapping[str, float]) -> None:
        """Let the mast tell something."""
        self._do(write_lines(self._folder, *records))

    def tell_wind(self, speed: float, direction: float) -> None:
        """Let another wind blow from now on, in m/s and degrees."""
        self._wind = {"wind_speed": speed, "wind_from_direction": direction}

    async def _tell(self) -> None:
        day = RecordedDay.load()
        while True:
            now_s = time.time()
            weather = day.at(int((now_s - self._later_s) * 1000))
            await write_lines(self._folder, {"time": now_s, **weather, **self._wind, "rain": 0.0})
            await asyncio.sleep(1.0)

    async def _start(self) -> None:
        log, _ = recording_log()
        settings = config.parse(self._text, self._folder)
        clock = SystemClock(adjtimex=lambda: 0)  # a kernel that says that a time daemon keeps the clock right
        self._daemon = Daemon(settings, log, clock=clock, simulated=self._chips, runtime_folder=self._folder)
        self._running = asyncio.create_task(self._daemon.run())
        async with asyncio.timeout(20):
            await self._daemon.ready.wait()

    async def _stop(self) -> None:
        if self._daemon is None or self._running is None:
            return
        if self._telling is not None:
            self._telling.cancel()
        self._daemon.stop()
        async with asyncio.timeout(20):
            await self._running
        self._daemon = None

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


def _day(now_s: int, later_s: int) -> Iterator[dict[str, float]]:
    """Yield the records of the day until now; it is so much later than in the weather that they tell."""
    day = RecordedDay.load()
    for at in range(now_s - DAY_S + RECORD_PERIOD_S, now_s, RECORD_PERIOD_S):
        rain = RAIN_MM * (at // 3600 % 3) if at // 3600 % 8 < 3 else 0.0
        yield {"time": at, **day.at((at - later_s) * 1000), "rain": rain}


class Browser:
    """Chromium, and what it was asked for and complained about since it last opened a page."""

    def __init__(self, downloads: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in _FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
        self.downloads = downloads
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        self.command(
            "Page.addScriptToEvaluateOnNewDocument",
            source="addEventListener('securitypolicyviolation', (event) => console.error('CSP', event.blockedURI));",
        )

    def command(self, name: str, **parameters: Any) -> None:
        """Give a command of the DevTools protocol."""
        self.driver.execute_cdp_cmd(name, parameters)

    def open(self, url: str, *, language: str = "en-GB", scheme: str = "light", width: int = 1280) -> None:
        """Open a page for somebody who has never been there, and wait until it shows everything."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.command("Storage.clearDataForOrigin", origin=url.rstrip("/"), storageTypes="all")
        agent = self.run("return navigator.userAgent")
        self.command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.resize(width, 900)
        self.driver.get(url)
        self.until(lambda: self.run("return document.documentElement.dataset.ready === 'true'"))

    def be_at(self, url: str) -> None:
        """Open a page, unless it is open."""
        if self.driver.current_url != url:
            self.open(url)

    def reload(self) -> None:
        """Open the same page again."""
        self.driver.refresh()
        self.until(lambda: self.run("return document.documentElement.dataset.ready === 'true'"))

    def resize(self, width: int, height: int) -> None:
        """Give the page so many pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns, or what its promise comes to."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """Return what somebody reads there; nothing if there is no such thing."""
        text: str = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return text

    def count(self, selector: str) -> int:
        """Return how many there are."""
        count: int = self.run("return document.querySelectorAll(arguments[0]).length", selector)
        return count

    def click(self, selector: str) -> None:
        """Click what is there."""
        self.run("document.querySelector(arguments[0]).click()", selector)

    def choose(self, selector: str, value: str) -> None:
        """Choose from a list, as a person does."""
        self.run(
            "const one = document.querySelector(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('change', { bubbles: true }));",
            selector,
            value,
        )

    def until(self, holds: Callable[[], Any], timeout_s: float = 15.0) -> None:
        """Look at the page until something holds there."""
        deadline_s = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {self.text('body')}"
            time.sleep(0.05)

    def until_text(self, selector: str, part: str, timeout_s: float = 15.0) -> None:
        """Wait until somebody can read it there."""
        self.until(lambda: part in self.text(selector), timeout_s)

    def complaints(self) -> list[str]:
        """Return what the console says that is worse than a hint."""
        return [one["message"] for one in self.driver.get_log("browser") if one["level"] in {"SEVERE", "WARNING"}]

    def asked(self) -> list[str]:
        """Return every address that was asked for."""
        messages = [json.loads(one["message"])["message"] for one in self.driver.get_log("performance")]
        sent = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def shoot(self, path: Path, height: int | None = None) -> None:
        """Write a picture of the whole page, or of its first so many pixels."""
        width, whole = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        self.resize(width, height or whole)
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))
        self.resize(width, 900)


@contextlib.contextmanager
def browser(downloads: Path) -> Iterator[Browser]:
    """Start Chromium, and end it."""
    one = Browser(downloads)
    try:
        yield one
    finally:
        one.driver.quit()
