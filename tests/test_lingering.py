import pytest

from weatherd.forwarding.lingering import Linger


def test_the_longest_reserve_is_left_before_anything_is_known_of_the_far_end() -> None:
    """Of a commit period of one second, whose sync begins after 0.8 s, the first wait takes half."""
    assert Linger(1.0, 0.8).wait_s == pytest.approx(0.5)


def test_quick_answers_let_a_document_wait_for_longer() -> None:
    """Nearly until the card would be written; what is left then covers an answer that takes ten times as long."""
    linger = Linger(1.0, 0.8)
    for _ in range(100):
        linger.answered(0.003)
    assert linger.wait_s == pytest.approx(0.77)


def test_a_slow_answer_shortens_the_wait_at_once_and_is_forgotten_slowly() -> None:
    """The next one leaves four times as long for its answer, and a quick answer changes that by a tenth."""
    linger = Linger(1.0, 0.8)
    for _ in range(100):
        linger.answered(0.001)
    linger.answered(0.05)
    assert linger.wait_s == pytest.approx(0.6)
    linger.answered(0.001)
    assert linger.wait_s == pytest.approx(0.62)


def test_the_wait_is_never_less_than_half_a_commit_period() -> None:
    """An answer that takes seconds comes too late in any case."""
    linger = Linger(1.0, 0.8)
    linger.answered(20.0)
    assert linger.wait_s == pytest.approx(0.5)


@pytest.mark.parametrize("linger_s", [0.0, 0.1])
def test_what_is_configured_is_the_longest_wait(linger_s: float) -> None:
    """However quick the far end is, and however long the commit period."""
    linger = Linger(linger_s, 60.0)
    for _ in range(100):
        linger.answered(0.001)
    assert linger.wait_s == linger_s
