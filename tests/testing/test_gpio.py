"""The simulated GPIO chip obeys what the kernel does."""

import asyncio
import errno
import itertools
import os
import select
import socket
from pathlib import Path

import pytest

from weatherd.model import Edge
from weatherd.testing.gpio import SimulatedGpio

NOW_NS = 10_000_000_000


def chip(**settings: int) -> SimulatedGpio:
    return SimulatedGpio(monotonic_ns=lambda: NOW_NS, **settings)


def readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def test_a_pulse_is_over_by_now() -> None:
    """Its edges carry the times at which they were, the last of them this moment."""
    simulated = chip()
    request = simulated.request(17, "test")
    simulated.pulse(17, width_s=0.1)
    assert request.read() == [Edge(NOW_NS - 100_000_000, False, 1), Edge(NOW_NS, True, 2)]
    assert request.read() == []
    request.release()


def test_a_contact_bounces_when_it_closes_and_when_it_opens() -> None:
    """Fifty-one edges at each end, that lead from open to closed and back, within the time."""
    simulated = chip()
    request = simulated.request(17, "test")
    simulated.pulse(17, width_s=0.1, bounces=50, bounce_s=0.02)
    edges = request.read()
    assert len(edges) == 102
    assert (edges[0].is_open, edges[50].is_open, edges[51].is_open, edges[101].is_open) == (False, False, True, True)
    assert edges[50].at_ns - edges[0].at_ns == pytest.approx(20_000_000, abs=2)
    assert edges[51].at_ns - edges[0].at_ns == pytest.approx(100_000_000, abs=2)
    assert all(one.is_open != other.is_open for one, other in itertools.pairwise(edges[:51]))
    request.release()


def test_the_file_descriptor_is_readable_while_edges_wait() -> None:
    """An event loop, or anybody, can wait for it."""
    simulated = chip()
    request = simulated.request(17, "test")
    assert not readable(request.fd)
    simulated.edge(17, is_open=False)
    assert readable(request.fd)
    request.read()
    assert not readable(request.fd)
    request.release()


def test_the_oldest_edges_give_way_and_the_numbers_tell() -> None:
    """Of 102 edges sixteen wait; the first of them has the number 87."""
    simulated = chip(events_max=16)
    request = simulated.request(17, "test")
    simulated.pulse(17, bounces=50, bounce_s=0.02)
    assert [edge.seqno for edge in request.read()] == list(range(87, 103))
    request.release()


def test_a_line_has_one_owner_until_it_is_released() -> None:
    """As the kernel says it: EBUSY, with the name of who has it."""
    simulated = chip()
    request = simulated.request(17, "the first")
    with pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
        simulated.request(17, "the second")
    assert simulated.consumer(17) == "the first"
    request.release()
    assert simulated.consumer(17) == ""
    simulated.request(17, "the second").release()


def test_a_line_that_does_not_exist_is_refused() -> None:
    """As the kernel says it: EINVAL."""
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        chip().request(99, "test")


def test_an_unplugged_chip_wakes_who_waits_and_gives_nothing() -> None:
    """The reader learns it from ENODEV; a new request from ENOENT, until the chip is back."""
    simulated = chip()
    request = simulated.request(17, "test")
    simulated.unplug()
    assert readable(request.fd)
    with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
        request.read()
    request.release()
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        simulated.request(17, "test")
    simulated.plug_in()
    simulated.request(17, "test").release()


def test_a_contact_is_as_it_was_left() -> None:
    """Who requests a line sees the level that it has."""
    simulated = chip()
    simulated.edge(17, is_open=False)
    request = simulated.request(17, "test")
    assert not request.is_open()
    request.release()


async def ask(path: Path, message: bytes) -> bytes:
    """Send one datagram and return the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        channel.bind(str(path.with_suffix(".mine")))
        channel.connect(str(path))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(channel, message)
        answer = await asyncio.wait_for(loop.sock_recv(channel, 1000), 5.0)
    path.with_suffix(".mine").unlink()
    return answer


async def test_it_can_be_pulsed_from_outside(tmp_path: Path) -> None:
    """A datagram makes a pulse, and is answered when its edges wait."""
    path = tmp_path / "contacts"
    simulated = SimulatedGpio(path, lambda: NOW_NS)
    request = simulated.request(17, "test")
    assert await ask(path, b'{"line": 17, "width_s": 0.05}') == b"ok"
    assert len(request.read()) == 2
    request.release()


@pytest.mark.parametrize("message", [b"", b"tip", b'{"line": "17"}', b'{"line": 99}', b'{"line": 17, "widht_s": 1}'])
async def test_what_is_no_pulse_is_answered_with_the_reason(tmp_path: Path, message: bytes) -> None:
    """A mistake of the program outside neither passes in silence nor ends the station."""
    path = tmp_path / "contacts"
    simulated = SimulatedGpio(path, lambda: NOW_NS)
    request = simulated.request(17, "test")
    answer, edges = await ask(path, message), request.read()
    request.release()
    assert answer.startswith(b"no pulse: ")
    assert edges == []


async def test_it_listens_as_long_as_a_line_is_requested(tmp_path: Path) -> None:
    """With the last line the socket goes, and with the next it is back, over what a killed process left."""
    path = tmp_path / "contacts"
    simulated = SimulatedGpio(path, lambda: NOW_NS)
    simulated.request(17, "test").release()
    with pytest.raises(ConnectionRefusedError):
        await ask(path, b'{"line": 17}')
    path.with_suffix(".mine").unlink()
    request = simulated.request(17, "test")
    assert await ask(path, b'{"line": 17}') == b"ok"
    request.release()
