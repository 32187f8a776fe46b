import pytest

from weatherd.daemon.freshness import current_s, stale_s


@pytest.mark.parametrize(
    ("report_period_s", "stale", "current"),
    [(0.0, 300.0, 65.0), (1.0, 60.0, 6.0), (10.0, 60.0, 15.0), (60.0, 180.0, 65.0)],
)
def test_a_value_is_current_for_a_period_and_stale_after_three(
    report_period_s: float, stale: float, current: float
) -> None:
    """At least a minute, and five where a source sends as it likes."""
    assert stale_s(report_period_s) == stale
    assert current_s(report_period_s) == current
