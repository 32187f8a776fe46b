import http.client
import json
import zlib
from collections.abc import Iterator

import pytest
from peers.far_end import FarEnd, ending
from peers.tally import FIRST


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    with ending(far_end):
        yield far_end


def post(far_end: FarEnd, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", far_end.port, timeout=10)
    connection.request("POST", "/", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def documents(*numbers: int) -> bytes:
    return json.dumps([{"number": FIRST + number} for number in numbers], separators=(",", ":")).encode()


def test_documents_are_counted_plain_and_compressed(far_end: FarEnd) -> None:
    """With how often they came, and the bytes of the requests."""
    assert post(far_end, documents(0, 1)) == 200
    assert post(far_end, zlib.compress(documents(1, 2), wbits=31), **{"Content-Encoding": "gzip"}) == 200
    told = far_end.told()
    assert (told.attempts, told.taken, told.documents, told.distinct, told.duplicates) == (2, 2, 4, 3, 1)
    assert told.content_size == len(documents(0, 1)) + len(documents(1, 2))
    assert told.size > told.content_size / 2
    assert told.first_s is not None
    assert told.last_s is not None
    assert told.first_s < told.last_s


def test_what_is_refused_is_an_attempt_and_no_document(far_end: FarEnd) -> None:
    """Until it takes again."""
    far_end.order("refuse")
    assert post(far_end, documents(0)) == 503
    far_end.order("take")
    assert post(far_end, documents(0)) == 200
    told = far_end.told()
    assert (told.attempts, told.refused, told.distinct) == (2, 1, 1)


def test_a_closed_one_is_nobody_and_comes_back_at_the_same_port(far_end: FarEnd) -> None:
    """As a far end that is started again."""
    far_end.order("close")
    with pytest.raises(ConnectionRefusedError):
        post(far_end, documents(0))
    far_end.order("take")
    assert post(far_end, documents(0)) == 200


def test_a_large_body_that_asks_first_is_told_to_go_on(far_end: FarEnd) -> None:
    """As libcurl does with more than a megabyte."""
    body = documents(*range(40_000))
    connection = http.client.HTTPConnection("127.0.0.1", far_end.port, timeout=10)
    connection.putrequest("POST", "/")
    connection.putheader("Expect", "100-continue")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    assert connection.sock is not None
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.send(body)
    assert connection.getresponse().status == 200
    connection.close()
    assert far_end.told().distinct == 40_000
