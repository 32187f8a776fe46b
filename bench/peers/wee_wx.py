"""WeeWX of PyPI: its simulator at four loop packets a second, an archive record a minute, and no reports."""

from pathlib import Path

from bench_tools import Child

from peers.peer import Peer
from peers.script import PYTHON, package_version

_DERIVED = "weewx.wxservices.StdWXCalculate"
_CONFIGURATION = """
WEEWX_ROOT = {folder}
debug = 0
log_success = False
[Logging]
  version = 1
  disable_existing_loggers = False
  [[root]]
    level = WARNING
    handlers = console,
  [[handlers]]
    [[[console]]]
      class = logging.StreamHandler
[Station]
  location = Bench
  latitude = -30.03
  longitude = -51.23
  altitude = 10, meter
  station_type = Simulator
[Simulator]
  driver = weewx.drivers.simulator
  mode = simulator
  loop_interval = 0.25
[Posting]
  url = http://127.0.0.1:{port}/
[DataBindings]
  [[wx_binding]]
    database = archive_sqlite
    table_name = archive
    manager = weewx.manager.DaySummaryManager
    schema = schemas.wview_extended.schema
[Databases]
  [[archive_sqlite]]
    database_name = weewx.sdb
    database_type = SQLite
[DatabaseTypes]
  [[SQLite]]
    driver = weedb.sqlite
    SQLITE_ROOT = {disk}
[StdConvert]
  target_unit = METRICWX
[StdArchive]
  archive_interval = 60
  record_generation = software
  data_binding = wx_binding
[Engine]
  [[Services]]
    data_services = ,
    process_services = weewx.engine.StdConvert, weewx.engine.StdCalibrate, weewx.engine.StdQC, {derived}
    archive_services = weewx.engine.StdArchive
    restful_services = posting.Posting
    report_services = ,
"""


class Weewx(Peer):
    """WeeWX."""

    name = "WeeWX"
    settings = (
        "Simulator with a loop packet each 0.25 s, each posted by a RESTThread; archive_interval 60 s, no reports"
    )
    make_lines = None
    keeps = False

    def version(self) -> str:
        """Return its version."""
        return package_version("weewx")

    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """Start it in the foreground."""
        configuration = folder / "weewx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, disk=disk, port=port, derived=_DERIVED))
        program = PYTHON.with_name("weewxd")
        with (folder / "log").open("a") as log:
            return Child(
                [str(program), f"--config={configuration}"],
                log,
                {"PYTHONPATH": str(Path(__file__).with_name("inside"))},
                program=str(PYTHON),
                stderr=log,
                own_group=True,  # told to end, it ends the whole group
            )
