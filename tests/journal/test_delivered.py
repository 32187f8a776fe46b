import pytest

from weatherd.journal.delivered import Delivered
from weatherd.ranges import Ranges


@pytest.fixture
def delivered() -> Delivered:
    delivered = Delivered()
    delivered.add("logstash", Ranges([(1, 10)]))
    delivered.add("mqtt", Ranges([(1, 10)]))
    return delivered


def test_a_sink_has_what_was_added(delivered: Delivered) -> None:
    """Each sink has its own; one that never had anything has nothing."""
    delivered.add("logstash", Ranges([(12, 13)]))
    assert delivered.of("logstash") == Ranges([(1, 10), (12, 13)])
    assert delivered.of("mqtt") == Ranges([(1, 10)])
    assert delivered.of("elsewhere") == Ranges()
    assert delivered.to_write() == {"logstash": Ranges([(1, 10), (12, 13)]), "mqtt": Ranges([(1, 10)])}


def test_what_is_taken_back_is_written_first_and_known_then(delivered: Delivered) -> None:
    """Until it is on the disk only what is written knows of it; what is acknowledged meanwhile stays."""
    with delivered.taking_back("logstash", Ranges([(3, 4)])):
        assert delivered.to_write()["logstash"] == Ranges([(1, 2), (5, 10)])
        assert delivered.of("logstash") == Ranges([(1, 10)])
        delivered.add("logstash", Ranges([(11, 11)]))
    assert delivered.of("logstash") == delivered.to_write()["logstash"] == Ranges([(1, 2), (5, 11)])
    assert delivered.of("mqtt") == Ranges([(1, 10)])


def test_what_could_not_be_taken_back_stays(delivered: Delivered) -> None:
    """After a failure a sink has what it had."""
    with pytest.raises(OSError, match="disk"), delivered.taking_back("logstash", Ranges([(3, 4)])):
        raise OSError("disk")
    assert delivered.of("logstash") == delivered.to_write()["logstash"] == Ranges([(1, 10)])


def test_what_a_sink_has_again_is_written_again(delivered: Delivered) -> None:
    """A document that was taken back and delivered once more is like any other."""
    with delivered.taking_back("logstash", Ranges([(3, 4)])):
        pass
    delivered.add("logstash", Ranges([(3, 3)]))
    assert delivered.to_write()["logstash"] == Ranges([(1, 3), (5, 10)])
