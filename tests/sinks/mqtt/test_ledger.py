from weatherd.errors import Unreachable, Unwelcome
from weatherd.sinks.mqtt.ledger import NOT_TAKEN_MAX, SENT_RANGES_MAX, TWIN_S, Ledger

FORBIDDEN, FULL, TWIN = Unwelcome("forbidden"), Unreachable("full"), Unwelcome("twin")


def test_a_forbidden_topic_is_shown_until_it_is_taken() -> None:
    """That others are taken says nothing of it."""
    ledger = Ledger()
    ledger.not_taken("a", FORBIDDEN)
    ledger.taken("b")
    assert ledger.error(0.0) is FORBIDDEN
    ledger.taken("a")
    assert ledger.error(0.0) is None


def test_a_full_broker_is_shown_until_it_takes_anything() -> None:
    """It was full for all topics, so it is full for none."""
    ledger = Ledger()
    ledger.not_taken("a", FULL)
    assert ledger.error(0.0) is FULL
    ledger.taken("b")
    assert ledger.error(0.0) is None


def test_a_twin_is_shown_while_it_is_heard() -> None:
    """And before anything else, for it explains the rest."""
    ledger = Ledger()
    ledger.not_taken("a", FORBIDDEN)
    ledger.twin(TWIN, 100.0)
    assert ledger.error(100.0 + TWIN_S) is TWIN
    assert ledger.error(101.0 + TWIN_S) is FORBIDDEN


def test_a_new_connection_begins_without_the_old_ones_refusals() -> None:
    """Somebody may have mended the access list, and what came before is not fresh."""
    ledger = Ledger()
    ledger.not_taken("a", FORBIDDEN)
    ledger.not_taken("b", FULL)
    ledger.begin(7)
    assert (ledger.error(0.0), ledger.position) == (None, 7)


def test_what_is_remembered_has_a_limit() -> None:
    """However many outages and topics there are; the newest seqs are remembered."""
    ledger = Ledger()
    for seq in range(1, 2000, 2):
        ledger.published(seq)
    assert len(ledger.sent) == SENT_RANGES_MAX
    assert 1999 in ledger.sent
    assert 1 not in ledger.sent
    for number in range(1000):
        ledger.not_taken(str(number), FORBIDDEN)
    assert len(ledger._not_taken) == NOT_TAKEN_MAX
    assert ledger.delivered_count == 1000
