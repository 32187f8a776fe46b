"""`weatherd check`: every mistake in a configuration at once, and the drivers that are not installed."""

import os
from pathlib import Path

from weatherd import config
from weatherd.control import ask
from weatherd.errors import UnavailableError


def check(path: Path) -> int:
    """
    Tell that a configuration has no mistake, and that its drivers are installed.

    Raises:
        ConfigError: With every mistake.
        UnavailableError: With every driver that has to be installed. The daemon starts without them: their sensors are
            lost, and no other is.
    """
    settings = config.load(path)
    _check_drivers(settings)
    count = len(settings.sensors)
    sensors = f"{count} sensor{'s' if count > 1 else ''}"
    names = [name for name in settings.sinks.__struct_fields__ if getattr(settings.sinks, name) is not None]
    sinks = f"to {' and '.join(names)}" if names else "no sink: observations stay in the journal"
    print(f"{path} is right: station {settings.station.id}, {sensors}, {sinks}")
    return os.EX_OK


def check_running() -> int:
    """
    Tell that the configuration of the running daemon, as it would read it now, has no mistake.

    For `systemctl reload`: systemd shows credentials to the daemon alone.

    Raises:
        ConfigError: With every mistake.
        UnavailableError: If no daemon answers.
    """
    answer = ask("check")
    print(f"the configuration is right: station {answer['station']}")
    return os.EX_OK


def _check_drivers(settings: config.Config) -> None:
    classes = {one.name: one.class_name for one in settings.sensors if isinstance(one, config.CircuitPython)}
    if not classes:
        return
    from weatherd.sensors.circuitpython import how_to_install, missing_module

    missing = {name: module for name, class_name in classes.items() if (module := missing_module(class_name))}
    if missing:
        words = "; ".join(f"{name} needs the module {module}" for name, module in missing.items())
        hints = dict.fromkeys(how_to_install(module) for module in missing.values())
        raise UnavailableError(f"not installed: {words}", " && ".join(hints))
