from tests.fakes import FakeClock, recording_log
from weatherd.throttling import ThrottledLog


async def test_one_line_a_period_tells_how_many_were_held_back() -> None:
    """A thousand bad lines make one line in the log a minute, and the next one counts them."""
    clock = FakeClock()
    log, lines = recording_log()
    throttled = ThrottledLog(log, clock, period_s=60.0)
    for _ in range(1000):
        throttled.warning("jsonlines.not_json", "bad", sensor="garden")
    await clock.advance(60.0)
    throttled.warning("jsonlines.not_json", "bad again", sensor="garden")
    assert [(line["message"], line.get("held_back_count")) for line in lines] == [("bad", None), ("bad again", 999)]


async def test_kinds_do_not_hold_each_other_back() -> None:
    """A rare kind of trouble is told though another one is frequent."""
    log, lines = recording_log()
    throttled = ThrottledLog(log, FakeClock())
    for kind in ("a", "a", "b"):
        throttled.warning(kind, "trouble")
    assert [line["event"] for line in lines] == ["a", "b"]


async def test_a_burst_is_let_through() -> None:
    """With a burst of three, the fourth line of a period is held back."""
    log, lines = recording_log()
    throttled = ThrottledLog(log, FakeClock(), burst=3)
    for number in range(5):
        throttled.warning("a", str(number))
    assert [line["message"] for line in lines] == ["0", "1", "2"]
