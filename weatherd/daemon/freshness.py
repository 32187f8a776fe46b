"""When a value is too old to be shown as the present one: for the panel and for MQTT alike."""

STALE_S_MIN = 60.0
STALE_PERIODS = 3
STALE_S_OF_A_SOURCE = 300.0
"""For a source that sends as it likes: the slowest radio sensors do so each few minutes."""

CURRENT_SLACK_S = 5.0
"""For an observation to be made and to arrive, behind the end of its period."""


def stale_s(report_period_s: float) -> float:
    """Return the age from which on a value is stale; 0 is the period of a source that sends as it likes."""
    return max(STALE_PERIODS * report_period_s, STALE_S_MIN) if report_period_s else STALE_S_OF_A_SOURCE


def current_s(report_period_s: float) -> float:
    """Return the age up to which no newer value is due."""
    return (report_period_s or STALE_S_MIN) + CURRENT_SLACK_S
