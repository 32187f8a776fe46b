import pytest

from tests.fakes import FakeClock
from weatherd.panel import access
from weatherd.panel.access import ATTEMPTS_MAX, ATTEMPTS_PERIOD_S, Token
from weatherd.panel.problems import Problem

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def token(clock: FakeClock) -> Token:
    return Token(TOKEN, clock, secure=True)


async def test_wrong_tokens_are_forgiven_after_a_minute(token: Token, clock: FakeClock) -> None:
    """Whoever has tried too often is looked at again, and others are looked at meanwhile."""
    for _ in range(ATTEMPTS_MAX):
        assert not token.fits("wrong", "192.0.2.1")
    with pytest.raises(Problem) as caught:
        token.fits(TOKEN, "192.0.2.1")
    assert caught.value.status == 429
    assert token.fits(TOKEN, "192.0.2.2")
    await clock.advance(ATTEMPTS_PERIOD_S)
    assert token.fits(TOKEN, "192.0.2.1")


def test_addresses_that_are_remembered_are_bounded(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many the one that was wrong longest ago is forgotten."""
    monkeypatch.setattr(access, "ADDRESSES_MAX", 3)
    for number in range(10):
        token.fits("wrong", f"192.0.2.{number}")
    assert list(token._wrong) == ["192.0.2.7", "192.0.2.8", "192.0.2.9"]


def test_the_cookie_goes_nowhere_without_tls_where_there_is_tls(token: Token, clock: FakeClock) -> None:
    """A browser sends it over TLS alone then."""
    assert token.cookie().endswith("; Secure")
    assert "Secure" not in Token(TOKEN, clock, secure=False).cookie()
