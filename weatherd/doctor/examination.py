"""The order in which things are tried, and what is tried at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

from weatherd import config
from weatherd.clock import SystemClock
from weatherd.control import runtime_folders
from weatherd.daemon.drivers import bus_of, gpio_of, lirc_of
from weatherd.doctor import daemon, disk, sensors, time
from weatherd.doctor.daemon import Daemon
from weatherd.doctor.findings import Finding, State, bounded, fail

DISK_S_MAX = 10.0
SENSOR_S_MAX = 10.0

SENSORS_S_MAX = 90.0
"""Of all sensors together; those that are left are told of, and not tried."""


async def examine(settings: config.Config | None, clock: SystemClock) -> AsyncIterator[Finding]:
    """
    Try everything, and yield each finding as soon as it is there.

    Args:
        settings: The configuration; None if it has mistakes, and then only what does not need it is tried.
        clock: The station's.
    """
    there, told = await daemon.find(settings)
    yield told
    yield time.synchronized(clock, 0.0 if settings is None else settings.clock.hold_max_s)
    if settings is None:
        return
    sending = asyncio.ensure_future(_sinks(settings, clock))
    async for finding in _sensors(settings, there, clock):
        yield finding
    disks = {
        "journal": partial(disk.journal, settings.journal, there),
        "runtime": partial(disk.runtime, runtime_folders()[0], there),
    }
    for subject, look in disks.items():
        for finding in await bounded("disk", subject, asyncio.to_thread(look), DISK_S_MAX):
            yield finding
    for finding in await sending:
        yield finding


async def _sinks(settings: config.Config, clock: SystemClock) -> Sequence[Finding]:
    from weatherd.doctor import sinks  # noqa: PLC0415 - 17 MB, for those who have one

    return await sinks.examine(settings, clock)


async def _sensors(settings: config.Config, there: Daemon, clock: SystemClock) -> AsyncIterator[Finding]:
    bus = bus_of(settings, clock, None)
    gpio = gpio_of(settings)
    lirc = lirc_of(settings)
    bus_error = ""
    if bus is not None:
        (found,) = await bounded("bus", "bus", sensors.bus(bus, settings.i2c.bus), SENSOR_S_MAX)
        bus_error = found.code if found.state is State.FAIL else ""
        yield found
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + SENSORS_S_MAX
    for sensor in settings.sensors:
        if loop.time() >= ends_at_s:
            sentence = f"not tried: the sensors before it took {SENSORS_S_MAX:g} s"
            yield fail("sensor", sensor.name, "doctor.deadline_exceeded", sentence, "mend those first, and try again")
            continue
        work = sensors.sensor(
            sensor, bus=bus, gpio=gpio, lirc=lirc, number=settings.i2c.bus, bus_error=bus_error, daemon=there
        )
        for finding in await bounded("sensor", sensor.name, work, SENSOR_S_MAX):
            yield finding
    if bus is not None:
        await bus.close()
    if settings.infrared is not None and lirc is not None:
        from weatherd.doctor import infrared  # noqa: PLC0415 - for those who send

        look = partial(infrared.transmitter, settings.infrared, lirc)
        for finding in await bounded("infrared", "infrared", asyncio.to_thread(look), SENSOR_S_MAX):
            yield finding
