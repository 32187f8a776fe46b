from pathlib import Path

import pytest

from weatherd import config
from weatherd.daemon.reloading import Plan, plan

BEFORE = """
[station]
id = "s"
[[sensors]]
name = "barometer"
driver = "bmp280"
[[sensors]]
name = "hygrometer"
driver = "htu21d"
[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "127.0.0.1:7433"
quantities = { wind_speed = "v" }
[[sensors]]
name = "field"
driver = "jsonlines"
listen = "127.0.0.1:7433"
quantities = { air_temperature = "t" }
[sinks.logstash]
urls = ["http://one:8080"]
"""


def planned(theirs: str, ours: str) -> Plan:
    assert theirs in BEFORE
    return plan(config.parse(BEFORE, Path()), config.parse(BEFORE.replace(theirs, ours), Path()))


def names(change: Plan) -> tuple[set[str], list[str]]:
    return set(change.stop), [sensor.name for sensor in change.start]


def test_the_same_again_changes_nothing() -> None:
    """A configuration that says the same in other words disturbs nobody."""
    assert planned('id = "s"', 'id = "s"  # a comment').is_nothing


def test_a_changed_sensor_begins_anew_alone() -> None:
    """The sensors beside it, and the sink, go on."""
    change = planned('name = "barometer"', 'name = "barometer"\nreport_period_s = 20.0')
    assert names(change) == ({"barometer"}, ["barometer"])
    assert not change.sink
    assert not change.whole


def test_a_renamed_sensor_ends_and_another_begins() -> None:
    """A name is what a sensor is known by."""
    assert names(planned('name = "hygrometer"', 'name = "roof"')) == ({"hygrometer"}, ["roof"])


def test_a_sensor_that_is_gone_only_ends() -> None:
    """What is not in the configuration any more is not asked any more."""
    assert names(planned('[[sensors]]\nname = "hygrometer"\ndriver = "htu21d"\n', "")) == ({"hygrometer"}, [])


def test_sensors_of_one_stream_begin_anew_together() -> None:
    """There is one socket for both, so both wait for a moment."""
    assert names(planned('air_temperature = "t"', 'air_temperature = "temp"')) == ({"mast", "field"}, ["mast", "field"])


def test_a_changed_sink_is_exchanged_alone() -> None:
    """Sampling goes on while the url changes."""
    assert planned("http://one:8080", "http://two:8080") == Plan(sink=True)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('id = "s"', 'id = "t"'),
        ('id = "s"', 'id = "s"\n[journal]\nsize_max = "2 MB"'),
        ('id = "s"', 'id = "s"\n[log]\nlevel = "debug"'),
        ('[sinks.logstash]\nurls = ["http://one:8080"]\n', ""),
    ],
)
def test_what_all_share_begins_the_whole_station_anew(theirs: str, ours: str) -> None:
    """The station's name, the journal, the log and the number of sinks are known to every part."""
    assert planned(theirs, ours) == Plan(whole=True)


def test_the_first_need_of_tls_begins_the_whole_station_anew() -> None:
    """What was imported without it cannot have it later; what was imported with it can do without."""
    plain = config.parse(BEFORE + '[panel]\nlisten = ""\n', Path())
    secret = config.parse(BEFORE.replace("http://", "https://") + '[panel]\nlisten = ""\n', Path())
    assert plan(plain, secret) == Plan(whole=True)
    assert plan(secret, plain) == Plan(sink=True)


BROKER = '\n[sinks.mqtt]\nurl = "mqtt://a"\n'
LOGSTASH = 'urls = ["http://one:8080"]\n'


def test_a_broker_comes_and_goes_alone() -> None:
    """Without a backlog it has no position in the journal, so nobody else need know of it."""
    assert planned(LOGSTASH, LOGSTASH + BROKER) == Plan(mqtt=True)
    before = config.parse(BEFORE + BROKER, Path())
    assert plan(before, config.parse(BEFORE, Path())) == Plan(mqtt=True)
    assert plan(before, config.parse(BEFORE + BROKER + "commands = true\n", Path())) == Plan(mqtt=True)


def test_a_broker_with_a_backlog_is_one_of_the_journals_sinks() -> None:
    """The journal is opened with their names, so the whole station begins anew."""
    backlog = config.parse(BEFORE + BROKER + "backlog = true\n", Path())
    assert plan(config.parse(BEFORE + BROKER, Path()), backlog) == Plan(whole=True)
    other = config.parse(BEFORE + BROKER + "backlog = true\ncommands = true\n", Path())
    assert plan(backlog, other) == Plan(mqtt=True)
