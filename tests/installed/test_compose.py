"""The rules that ``compose.yaml`` keeps; read by `docker compose`, without an engine."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.installed.composition import BOTH, ROOT, compose, composition

ONCE = {"passwords", "setup-elasticsearch", "setup-kibana"}
LONG = {"weatherd", "elasticsearch", "logstash", "kibana"}
OURS = ONCE | {"weatherd"}

Services = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def services() -> Services:
    """Give every service as it comes from compose.yaml."""
    found: Services = composition()["services"]
    return found


def binds(service: Mapping[str, Any]) -> Iterator[Path]:
    """Return the files of the tree that a service mounts."""
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            yield Path(volume["source"])


def test_compose_has_no_word_to_say() -> None:
    """Neither the file nor the file with its override draws an error or a warning."""
    for done in (compose("config", "-q"), compose(*BOTH, "config", "-q", I2C_GID="998")):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_group_that_nobody_named_is_asked_for() -> None:
    """The override does not start a station that may not use its bus; it tells what to write."""
    done = compose(*BOTH, "config", "-q")
    assert done.returncode != 0
    assert "I2C_GID" in done.stderr
    assert "compose.i2c.yaml" in done.stderr


def test_the_services_are_known(services: Services) -> None:
    """Each is either one that runs on, or one that runs once; the rules below know all of them."""
    assert set(services) == LONG | ONCE


def test_nothing_listens_but_on_loopback(services: Services) -> None:
    """The one published port is Kibana's, on 127.0.0.1; no service has the host's network."""
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert [(port["host_ip"], port["target"]) for port in ports.pop("kibana")] == [("127.0.0.1", 5601)]
    assert ports == {}
    assert {service.get("network_mode") for service in services.values()} <= {None, "none"}


def test_only_kibana_is_in_a_network_with_a_way_out(services: Services) -> None:
    """All others meet in one that ends on the machine."""
    assert composition()["networks"]["default"]["internal"] is True
    assert {name for name, service in services.items() if "outside" in (service.get("networks") or {})} == {"kibana"}


def test_what_runs_on_is_watched_and_started_again(services: Services) -> None:
    """Each long-running service has a health check with a deadline, a restart policy and time to stop."""
    assert re.search(r"^HEALTHCHECK .*--timeout=\d+s", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in LONG:
        service = services[name]
        assert name == "weatherd" or {"test", "interval", "timeout"} <= set(service["healthcheck"]), name
        assert service["restart"] == "unless-stopped", name
        if name != "kibana":  # it keeps nothing that could be lost
            assert service["stop_grace_period"] in {"30s", "1m0s"}, name


def test_what_runs_once_is_not_started_again(services: Services) -> None:
    """Whoever waits for its end waits for one end."""
    for name in ONCE:
        assert services[name]["restart"] == "no", name
        assert services[name]["healthcheck"] == {"disable": True}, name


def test_all_of_it_fits_into_4_gb(services: Services) -> None:
    """Each service has a limit of memory, and all limits together are no more."""
    assert sum(int(service["mem_limit"]) for service in services.values()) <= 4_000_000_000


@pytest.mark.parametrize(
    ("name", "variable", "pattern"),
    [
        ("elasticsearch", "ES_JAVA_OPTS", r"-Xms(\d+)m -Xmx\1m"),
        ("logstash", "LS_JAVA_OPTS", r"-Xms(\d+)m -Xmx\1m"),
        ("kibana", "NODE_OPTIONS", r"--max-old-space-size=(\d+)"),
    ],
)
def test_a_heap_leaves_room_beside_it(services: Services, name: str, variable: str, pattern: str) -> None:
    """At most half of the limit is heap for Java, two thirds for Node."""
    found = re.fullmatch(pattern, services[name]["environment"][variable])
    assert found is not None
    share = int(found[1]) * 1024 * 1024 / int(services[name]["mem_limit"])
    assert 0.3 < share <= (2 / 3 if name == "kibana" else 0.5)


def test_logs_have_an_end(services: Services) -> None:
    """No service fills the disk with its log."""
    for service in services.values():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


def test_everything_of_elastic_is_one_release(services: Services) -> None:
    """Template, panel and pipeline are made for this one."""
    images = [services[name]["image"] for name in ("elasticsearch", "logstash", "kibana")]
    assert images == [f"docker.elastic.co/{name}/{name}:8.19.12" for name in ("elasticsearch", "logstash", "kibana")]
    assert (ROOT / "compose.yaml").read_text().count("8.19.12") == 3


def test_the_image_and_the_passwords_agree_on_the_user(services: Services) -> None:
    """It runs as 8600: its password and its runtime folder belong to that user."""
    assert "\nUSER 8600:8600\n" in (ROOT / "Dockerfile").read_text()
    assert '"weatherd": Share(8600, ' in (ROOT / "config" / "compose" / "passwords.py").read_text()
    assert "uid=8600,gid=8600" in services["weatherd"]["tmpfs"][0]


def test_nobody_has_more_rights_than_needed(services: Services) -> None:
    """No capabilities, but to give files away; no way to new ones; what is ours has a root that cannot be written."""
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == (["CHOWN"] if name == "passwords" else []), name
        assert not service.get("privileged"), name
    assert all(services[name]["read_only"] for name in OURS)
    assert services["weatherd"]["tmpfs"] == ["/run/weatherd:uid=8600,gid=8600,mode=0750,size=1m"]


def test_no_password_is_written_anywhere(services: Services) -> None:
    """Every setting that has to do with one names a file, in a volume that is mounted without the right to write."""
    for name, service in services.items():
        words = [f"{key}={value}" for key, value in (service.get("environment") or {}).items()]
        for word in [*words, *(service.get("command") or [])]:
            if re.search("password|secret|token", word, re.IGNORECASE) and "with_passwords.sh" not in word:
                assert re.fullmatch(r"[\w-]+[=]/run/passwords/\w+", word), (name, word)
        for volume in service.get("volumes", []):
            if volume["source"].startswith("passwords") and name != "passwords":
                assert volume["read_only"], name


def test_a_service_sees_its_own_passwords_only(services: Services) -> None:
    """Each mounts the volume that is named after it; all of them only who makes them and who sets them."""
    mounted = {
        name: {volume["source"] for volume in service.get("volumes", []) if volume["source"].startswith("passwords")}
        for name, service in services.items()
    }
    assert {name: mounted[name] for name in LONG} == {name: {f"passwords-{name}"} for name in LONG}
    assert mounted["setup-elasticsearch"] == mounted["setup-kibana"] == {"passwords"}
    assert mounted["passwords"] == {"passwords", *(f"passwords-{name}" for name in LONG)}


def test_what_is_mounted_is_in_the_tree(services: Services) -> None:
    """Docker would make a folder of a file that is not there."""
    missing = {path for service in services.values() for path in binds(service) if not path.exists()}
    assert missing == set()


def test_what_is_waited_for_can_come(services: Services) -> None:
    """Who is to be healthy has a health check, who is to end well ends, and nobody waits for itself."""
    for name, service in services.items():
        for other, wanted in (service.get("depends_on") or {}).items():
            condition = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert wanted["condition"] == condition, (name, other)
    order = list(started(services))
    assert order.index("setup-elasticsearch") < min(order.index("logstash"), order.index("kibana"))
    assert order[-1] == "setup-kibana"


def started(services: Services) -> Iterator[str]:
    """Return the services in an order in which nobody comes before those it waits for."""
    waiting = {name: set(service.get("depends_on") or {}) for name, service in services.items()}
    while waiting:
        ready = sorted(name for name, others in waiting.items() if not others & set(waiting))
        assert ready, f"these wait for one another: {sorted(waiting)}"
        for name in ready:
            del waiting[name]
        yield from ready


def test_weatherd_waits_for_no_far_end(services: Services) -> None:
    """It observes from the first moment, whatever the others need to start."""
    assert set(services["weatherd"]["depends_on"]) == {"passwords"}


def test_the_override_gives_a_bus_and_nothing_else(services: Services) -> None:
    """A device, a group and the station's own configuration; all other settings stay."""
    real = composition(*BOTH, I2C_GID="998", WEATHERD_TOML="/etc/mine.toml")["services"]
    assert {name: real[name] for name in real if name != "weatherd"} == {
        name: services[name] for name in services if name != "weatherd"
    }
    changed = {key for key in real["weatherd"] if real["weatherd"][key] != services["weatherd"].get(key)}
    assert changed == {"devices", "group_add", "volumes"}
    assert [device["source"] for device in real["weatherd"]["devices"]] == ["/dev/i2c-1"]
    assert real["weatherd"]["group_add"] == ["998"]
    (file,) = binds(real["weatherd"])
    assert str(file) == "/etc/mine.toml"


def test_other_stations_are_let_in_as_the_page_says(services: Services, tmp_path: Path) -> None:
    """The file that docs/compose.md has people write publishes Logstash with TLS, and changes nobody else."""
    (block,) = re.findall(r"^    services:\n((?:    .*\n)+)", (ROOT / "docs" / "compose.md").read_text(), re.MULTILINE)
    own = tmp_path / "stations.yaml"
    own.write_text("services:\n" + block.replace("    ", "", 1).replace("\n    ", "\n"))
    opened = composition("-f", "compose.yaml", "-f", str(own))["services"]
    changed = {name for name in opened if opened[name] != services[name]}
    logstash = opened["logstash"]
    assert changed == {"logstash"}
    assert [port["published"] for port in logstash["ports"]] == ["8080"]
    assert "https://localhost:8080" in logstash["healthcheck"]["test"][1]
    assert (ROOT / f"config/elk/logstash/input-{logstash['environment']['STATION_INPUT']}.conf").exists()
    assert {volume["target"] for volume in services["logstash"]["volumes"]} < {
        volume["target"] for volume in logstash["volumes"]
    }
