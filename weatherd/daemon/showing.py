"""The panel's place in the daemon: made from the configuration, opened, and tried again where its port is taken."""

from collections.abc import Callable, Iterator
from functools import partial

from weatherd import config
from weatherd.backoff import full_jitter
from weatherd.daemon.assembly import Parts
from weatherd.daemon.drivers import Log
from weatherd.daemon.viewing import StationView
from weatherd.errors import UnavailableError
from weatherd.panel.server import PanelServer
from weatherd.ports import Clock
from weatherd.tls import server_context

PORT_DELAY_S_MAX = 30.0
"""A port that has become free is noticed within this time."""


class Showing:
    """
    Keep the panel open. A port that is taken keeps no station from running.

    Args:
        server: The panel.
        clock: The station's clock.
        log: Where people read about trouble.
        delays: Makes the delays between attempts at the port.
    """

    def __init__(self, server: PanelServer, clock: Clock, log: Log, delays: Callable[[], Iterator[float]]) -> None:
        self.server = server
        self.error: UnavailableError | None = None
        self._clock = clock
        self._log = log
        self._delays = delays

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return self.server.url

    async def run(self) -> None:
        """Show until cancelled."""
        await self._open()
        try:
            await self.server.run()
        finally:
            await self.server.close()

    async def _open(self) -> None:
        for delay_s in self._delays():
            try:
                await self.server.open()
            except UnavailableError as error:
                if self.error is None:
                    self._log.error("panel.unavailable", message=str(error), code=error.code, hint=error.hint)
                self.error = error
                await self._clock.sleep(delay_s)
            else:
                self.error = None
                self._log.info("panel.opened", message=f"the panel is at {self.url}")
                return


def make_showing(parts: Parts) -> Showing:
    """
    Make the panel of a station.

    Raises:
        ConfigError: If the token or the certificate cannot be used.
    """
    settings = parts.settings.panel
    assert settings.listen is not None, "the panel is turned off"
    assert parts.follower is not None, "the panel has no history"
    tls = settings.tls
    server = PanelServer(
        StationView(parts, parts.follower),
        parts.clock,
        parts.log,
        host=settings.listen.host,
        port=settings.listen.port,
        hosts=settings.hosts,
        token=None if settings.token_file is None else config.read_token(settings.token_file),
        ssl_context=None if tls is None else server_context(tls.cert_file, tls.key_file),
    )
    return Showing(server, parts.clock, parts.log, partial(full_jitter, 1.0, PORT_DELAY_S_MAX))
