"""Every answer of the far end, by a real attempt that leaves nothing behind there."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.fakes import FakeClock
from weatherd import config
from weatherd.doctor import State, sinks
from weatherd.doctor.findings import Finding
from weatherd.testing.logstash import Answer, Behaviour, Close, Hang, LogstashStandIn, Reset

SECRET = "correct-horse"


async def examine(*urls: str, **settings: Any) -> Sequence[Finding]:
    logstash = config.Logstash(urls=urls, **settings) if urls else None
    station = config.Config(config.Station("test"), sinks=config.Sinks(logstash=logstash))
    found = await sinks.examine(station, FakeClock())  # type: ignore[arg-type]  # protocols check names of arguments
    for one in found:
        assert one.check == "sink"
        assert SECRET not in repr(one)
        assert bool(one.hint) == bool(one.code) == (one.state is not State.OK)
    return found


async def test_a_sink_that_takes_an_empty_batch_is_right_and_gets_no_event() -> None:
    """The attempt is real, with headers and compression, and makes no event."""
    async with LogstashStandIn() as logstash:
        (found,) = await examine(logstash.url)
    assert (found.state, found.message) == (State.OK, f"{logstash.url} has taken an empty batch")
    assert logstash.requests_count == 1
    assert logstash.events_count == 0
    assert logstash.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        (Answer(401), "sink.unwelcome", "answered 401"),
        (Answer(403), "sink.unwelcome", "answered 403"),
        (Answer(404), "sink.unwelcome", "answered 404"),
        (Answer(302), "sink.unwelcome", "answered 302"),
        (Answer(400), "sink.refused", "answered 400, also without compression"),
        (Answer(413), "sink.too_large", "answered 413"),
        (Answer(429), "sink.unreachable", "answered 429"),
        (Answer(503), "sink.unreachable", "answered 503"),
        (Reset(), "sink.unreachable", "reset the connection"),
        (Close(), "sink.unreachable", "closed the connection without an answer"),
    ],
    ids=repr,
)
async def test_every_refusal_is_told_by_what_it_means(behaviour: Behaviour, code: str, words: str) -> None:
    """A url, what it said, and what to do about it."""
    async with LogstashStandIn() as logstash:
        logstash.behave(behaviour)
        (found,) = await examine(logstash.url)
    assert (found.state, found.code) == (State.FAIL, code)
    assert found.message == f"{logstash.url} {words}"


async def test_a_sink_that_never_answers_is_given_up() -> None:
    """The timeout of the configuration counts, if it is short."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Hang())
        (found,) = await examine(logstash.url, timeout_s=1.0)
    assert (found.code, found.message) == ("sink.unreachable", f"{logstash.url} did not answer within 1 s")


def test_a_person_does_not_wait_for_a_minute() -> None:
    """The usual timeout is for a daemon, which has time."""
    assert config.Logstash(urls=("http://x",)).timeout_s > sinks.ATTEMPT_S_MAX


async def test_each_of_several_urls_has_its_own_line() -> None:
    """One that works does not hide another that does not."""
    async with LogstashStandIn() as gone:
        pass
    async with LogstashStandIn() as logstash:
        found = await examine(gone.url, logstash.url)
    assert [one.state for one in found] == [State.FAIL, State.OK]
    assert found[0].message == f"{gone.url} refused the connection: nobody listens there"


async def test_a_name_that_nobody_knows_is_told() -> None:
    """The name stands there, and where it was written."""
    (found,) = await examine("http://logstash.invalid:8080")
    assert found.code == "sink.unreachable"
    assert "has a name that is not known" in found.message


async def test_a_password_is_used_and_never_told(tmp_path: Path) -> None:
    """The right one is let in, a wrong one is told as such, and neither is in a line."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(SECRET)
    wrong.write_text(f"{SECRET}-not")
    async with LogstashStandIn(username="weatherd", password=SECRET) as logstash:
        (let_in,) = await examine(logstash.url, username="weatherd", password_file=right)
        (refused,) = await examine(logstash.url, username="weatherd", password_file=wrong)
    assert let_in.state is State.OK
    assert refused.message == f"{logstash.url} answered 401"
    assert "password_file" in refused.hint


async def test_a_password_file_that_has_gone_is_told(tmp_path: Path) -> None:
    """What was there when the configuration was read can be gone afterwards."""
    (found,) = await examine("http://127.0.0.1:1", username="weatherd", password_file=tmp_path / "gone")
    assert (found.state, found.code) == (State.FAIL, "config.invalid")


async def test_a_certificate_is_trusted_only_by_its_authority(tmp_path: Path) -> None:
    """TLS is that of the daemon: with ca_file it works, without it the certificate is not trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with LogstashStandIn(ssl_context=context) as logstash:
        (trusted,) = await examine(logstash.url, tls=config.Tls(ca_file=tmp_path / "ca.pem"))
        (untrusted,) = await examine(logstash.url)
    assert trusted.state is State.OK
    assert "shows a certificate that is not trusted" in untrusted.message
    assert "tls.ca_file" in untrusted.hint


async def test_without_a_sink_nothing_is_tried() -> None:
    """The journal alone is a station, too."""
    (found,) = await examine()
    assert (found.state, found.message) == (State.OK, "none: observations stay in the journal")
