"""Who is let in, who may publish what, and what a station says of it."""

import asyncio
import ssl
from pathlib import Path

import trustme

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import PLAIN, broker, decoded, listening, needs_mosquitto, publishing
from tests.mqtt.test_publishing import STATES

pytestmark = needs_mosquitto


async def write_password(folder: Path, password: str) -> str:
    """Write a password file for Mosquitto and one for us; return the lines of our table."""
    program = await asyncio.create_subprocess_exec(
        "mosquitto_passwd", "-b", "-c", folder / "users", "weatherd", "right horse", stderr=asyncio.subprocess.DEVNULL
    )
    assert await program.wait() == 0
    (folder / "password").write_text(password)
    return f'username = "weatherd"\npassword_file = "{folder}/password"'


LOCKED = "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\n"


async def test_a_wrong_password_is_told_loudly_and_tried_again_slowly(tmp_path: Path) -> None:
    """An event, a status with a hint, no password in either; and everything else goes on."""
    more = await write_password(tmp_path, "wrong horse")
    async with broker(tmp_path, LOCKED) as one, publishing(tmp_path / "a", one.url, more) as running:
        await eventually(lambda: running.sink["state"] == "lost")
        await eventually(lambda: running.sink["attempts"].get("unwelcome", 0) >= 2)
        error = running.sink["error"]
        assert error["code"] == "sink.unwelcome"
        assert "password_file" in error["hint"]
        assert len(running.logged("mqtt.unwelcome")) == 1
        assert "wrong horse" not in repr((running.log, running.daemon.status()))
        before = running.daemon.parts.journal.last_seq
        await running.daemon.parts.journal.wait_beyond(before)


async def test_the_right_password_is_let_in(tmp_path: Path) -> None:
    """It is read from its file."""
    more = await write_password(tmp_path, "right horse")
    async with broker(tmp_path, LOCKED) as one, publishing(tmp_path / "a", one.url, more) as running:
        await running.connected()


async def test_a_topic_that_the_access_list_forbids_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """The status names the topic, an event tells it once, and nothing of the rest is held up."""
    (tmp_path / "acl").write_text(
        "topic read #\ntopic write weatherd/s/barometer/air_pressure\ntopic write weatherd/s/availability\n"
    )
    settings = PLAIN + "acl_file {folder}/acl\n"
    async with (
        broker(tmp_path, settings) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await eventually(lambda: len(listener.payloads(STATES[0])) >= 2)
        await eventually(lambda: running.sink["state"] == "lost")
        assert running.sink["error"]["code"] == "sink.unwelcome"
        assert "does not let us publish on weatherd/s/" in running.sink["error"]["message"]
        told = running.logged("mqtt.not_taken")
        assert len(told) == len(set(told))
        assert any(STATES[1] in one for one in told)
    assert listener.payloads(STATES[1]) == []


async def test_a_backlog_that_is_forbidden_stays_in_the_journal(tmp_path: Path) -> None:
    """It is not counted as delivered, and all of it goes out when the access list is mended."""
    (tmp_path / "acl").write_text("topic read #\ntopic write weatherd/s/availability\n")
    settings = PLAIN + "acl_file {folder}/acl\n"
    async with broker(tmp_path, settings) as one, publishing(tmp_path / "a", one.url, "backlog = true") as running:
        journal = running.daemon.parts.journal
        await journal.wait_beyond(5)
        await eventually(lambda: running.sink["state"] == "lost")
        assert running.sink["lag"] >= 5
        last_seq = journal.last_seq
        await one.kill()
        (tmp_path / "acl").write_text("topic readwrite #\n")
        await one.start()
        async with listening(one.port) as listener:
            await eventually(lambda: running.sink["lag"] <= 1 and running.sink["state"] == "answers")
    seqs = {decoded(payload)["event"]["sequence"] for payload in listener.payloads("weatherd/s/backlog")}
    assert seqs >= set(range(1, last_seq))


def tls_files(folder: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, issuer, identity in (
        ("broker", authority, "127.0.0.1"),
        ("station", authority, "station-s"),
        ("stranger", stranger, "station-s"),
    ):
        certificate = issuer.issue_cert(identity, common_name=identity)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")


TLS = (
    "listener {port} 127.0.0.1\nallow_anonymous true\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\n"
    "keyfile {folder}/broker.key\nrequire_certificate true\nuse_identity_as_username true\nacl_file {folder}/acl\n"
)


def tls_table(folder: Path, name: str) -> str:
    return (
        f'tls = {{ ca_file = "{folder}/ca.pem", cert_file = "{folder}/{name}.pem", key_file = "{folder}/{name}.key" }}'
    )


async def test_a_client_certificate_is_who_we_are(tmp_path: Path) -> None:
    """With it the broker lets us in and knows our name, which its access list goes by."""
    tls_files(tmp_path)
    (tmp_path / "acl").write_text("user station-s\ntopic readwrite #\n")
    async with broker(tmp_path, TLS) as one:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / "station.pem", tmp_path / "station.key")
        url = one.url.replace("mqtt:", "mqtts:")
        async with (
            publishing(tmp_path / "a", url, tls_table(tmp_path, "station")),
            listening(one.port, tls_context=context) as listener,
        ):
            await listener.until(STATES[0])


async def test_without_the_right_certificate_nobody_gets_in(tmp_path: Path) -> None:
    """A stranger's certificate, and an authority that we do not trust, are both told in words."""
    tls_files(tmp_path)
    (tmp_path / "acl").write_text("topic readwrite #\n")
    async with broker(tmp_path, TLS) as one:
        url = one.url.replace("mqtt:", "mqtts:")
        async with publishing(tmp_path / "a", url, tls_table(tmp_path, "stranger")) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert running.sink["error"]["code"] == "sink.unreachable"
        async with publishing(tmp_path / "b", url) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert "certificate that is not trusted" in running.sink["error"]["message"]
            assert "tls.ca_file" in running.sink["error"]["hint"]
