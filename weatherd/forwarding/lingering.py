"""How long what is fresh waits for company: pure, without a clock."""

RESERVE_S_MIN = 0.03
"""Left for the answer at least: a far end that has just answered in a millisecond may take ten."""

RESERVE_SHARE_MAX = 0.375
"""Left for the answer at most, of the time until the card is written: one that takes longer is written in any case."""

ANSWER_TIMES = 4
"""Left for the answer: so many times what answers have taken, for they vary."""

FORGOTTEN_SHARE = 0.1
"""Of the longest answer, which each further one makes us forget."""


class Linger:
    """
    Let a fresh document wait, but be delivered before the card would have to be written for it.

    Each attempt costs a station that has little to do a millisecond, so the fewer the better; a write to the card costs
    more than any number of attempts. It begins with the longest reserve, and learns from the answers.

    Args:
        linger_s: The longest wait, 0 or more.
        secured_after_s: So old, what is not delivered is written to the card; above 0.
    """

    def __init__(self, linger_s: float, secured_after_s: float) -> None:
        self._linger_s = linger_s
        self._secured_after_s = secured_after_s
        self._reserve_s_max = secured_after_s * RESERVE_SHARE_MAX
        self._answer_s = self._reserve_s_max / ANSWER_TIMES

    @property
    def wait_s(self) -> float:
        """How long the next one may wait for company, in seconds."""
        reserve_s = min(max(self._answer_s * ANSWER_TIMES, RESERVE_S_MIN), self._reserve_s_max)
        return min(self._linger_s, self._secured_after_s - reserve_s)

    def answered(self, duration_s: float) -> None:
        """Learn from an attempt at fresh documents, which took so long."""
        self._answer_s = max(duration_s, self._answer_s * (1 - FORGOTTEN_SHARE))
