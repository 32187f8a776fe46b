"""The certificates that docs/operations.md has people make, made by the very commands of that page."""

import re
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.stations import (
    CHIPS,
    DAY_SENSOR,
    RunningStation,
    day_lines,
    documents,
    eventually,
    station,
    until_documents,
    write_lines,
)
from tests.end_to_end.test_reload import reload
from weatherd.testing.logstash import LogstashStandIn

PAGE = Path("docs/operations.md")
HEADING = "## TLS with an authority of your own"

TRUSTING = 'tls = { ca_file = "ca.pem" }'


def commands() -> str:
    """Return what the page has people type; the server's name is that of this machine."""
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    typed = "".join(block for block in blocks if "openssl" in block)
    assert typed.count("openssl") == 5
    return typed.replace("logstash.example", "localhost")


def own_lines() -> str:
    """Return the `tls` that the page writes into weatherd.toml."""
    (line,) = re.findall(r"^    (tls = .*)$", PAGE.read_text(), re.MULTILINE)
    return str(line)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which everything was typed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(["bash", "-euc", commands()], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def logstash(certificates: Path) -> LogstashStandIn:
    """Give a stand-in with Logstash's certificate, that asks a station for its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "logstash.pem", certificates / "logstash.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return LogstashStandIn(ssl_context=context)


def has_openssl(running: RunningStation) -> bool:
    return "/libssl" in Path(f"/proc/{running.process.pid}/maps").read_text()


def test_no_key_is_readable_for_others(certificates: Path) -> None:
    """What the page has people make is their own from its first moment."""
    assert {path.stat().st_mode & 0o077 for path in certificates.glob("*.key")} == {0}


async def test_a_station_with_its_certificate_delivers(
    certificates: Path, logstash: LogstashStandIn, tmp_path: Path
) -> None:
    """Both sides prove who they are, by files that lie beside weatherd.toml, and documents arrive."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    async with logstash, station(tmp_path, f"https://localhost:{logstash.port}", CHIPS, sink=own_lines()):
        await until_documents(logstash, 2, "weatherd.observation")


async def test_a_station_that_has_no_tls_in_memory_is_given_it(
    certificates: Path, logstash: LogstashStandIn, tmp_path: Path
) -> None:
    """A reload that asks for https takes another program under the same process id; nothing is lost, and all go on."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    async with logstash, LogstashStandIn() as plain, station(tmp_path, plain.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        assert not has_openssl(running)
        await write_lines(tmp_path, day_lines()[:50])
        secret = f'urls = ["https://localhost:{logstash.port}"]\n{own_lines()}'
        await reload(running, f'urls = ["{plain.url}"]', secret)
        assert has_openssl(running)
        await write_lines(tmp_path, day_lines()[50:100])

        def all_there() -> bool:
            return len({document["event"]["id"] for at in (plain, logstash) for document in documents(at)}) == 100

        await eventually(all_there)
        assert len(documents(logstash)) >= 50
        await reload(running, "delay_s_max = 1.0", "delay_s_max = 2.0")
        assert (await running.ask())["daemon"]["pid"] == running.process.pid
        assert await running.stop() == 0
    assert (tmp_path / "errors").read_text() == ""


async def test_signals_do_not_end_a_station_that_is_given_tls(
    certificates: Path, logstash: LogstashStandIn, tmp_path: Path
) -> None:
    """SIGHUP comes again and again from before the other program begins until it heeds it."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    async with logstash, station(tmp_path, "http://127.0.0.1:9", DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        path = tmp_path / "weatherd.toml"
        secret = f'urls = ["https://localhost:{logstash.port}"]\n{own_lines()}'
        path.write_text(path.read_text().replace('urls = ["http://127.0.0.1:9"]', secret))

        def has_delivered() -> bool:
            running.process.send_signal(signal.SIGHUP)
            return logstash.documents_count > 0

        await eventually(has_delivered)
        assert await running.stop() == 0


async def test_a_station_without_a_certificate_is_turned_away(
    certificates: Path, logstash: LogstashStandIn, tmp_path: Path
) -> None:
    """It only trusts the authority, and is not trusted: nothing arrives, and the status says that Logstash is lost."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    async with logstash, station(tmp_path, f"https://localhost:{logstash.port}", CHIPS, sink=TRUSTING) as running:
        await running.wait_for("READY=1")

        async def is_lost() -> bool:
            return bool((await running.ask())["sinks"][0]["state"] == "lost")

        await eventually(is_lost)
    assert logstash.documents_count == 0
