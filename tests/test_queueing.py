import asyncio
from collections import deque

from tests.fakes import settle
from weatherd.queueing import BoundedQueue


async def test_items_leave_in_the_order_they_came() -> None:
    """What can wait and what cannot stay in one order."""
    queue: BoundedQueue[int] = BoundedQueue(8)
    queue.push(1)
    await queue.put(deque([2, 3]))
    queue.push(4)
    assert queue.take(3) == [1, 2, 3]
    assert queue.take(3) == [4]
    assert queue.take(3) == []


async def test_a_full_queue_drops_the_oldest_of_those_that_cannot_wait() -> None:
    """A push into a full queue costs the oldest pushed item, is counted, and never costs one that was put."""
    queue: BoundedQueue[int] = BoundedQueue(4)
    await queue.put(deque([100]))
    for item in range(5):
        queue.push(item)
    assert queue.take(9) == [100, 2, 3, 4]
    assert queue.dropped_count == 2


async def test_the_last_quarter_is_kept_for_those_that_cannot_wait() -> None:
    """A source that can wait is made to wait while a quarter of the places is still free for sensors."""
    queue: BoundedQueue[int] = BoundedQueue(8)
    items = deque(range(10))
    putting = asyncio.create_task(queue.put(items))
    await settle()
    assert queue.depth == 6
    assert list(items) == [6, 7, 8, 9]
    queue.push(100)
    queue.push(101)
    assert queue.dropped_count == 0
    assert queue.take(8) == [0, 1, 2, 3, 4, 5, 100, 101]
    await putting
    assert queue.take(8) == [6, 7, 8, 9]


async def test_the_queue_never_holds_more_than_it_may() -> None:
    """However many are pushed and put, the depth stays within the size, and what can wait is all there."""
    queue: BoundedQueue[int] = BoundedQueue(10)
    waiting = deque(range(1000, 1020))
    putting = asyncio.create_task(queue.put(waiting))
    for item in range(50):
        queue.push(item)
        await settle()
        assert queue.depth <= 10
    assert queue.take(10) == [*range(1000, 1007), 47, 48, 49]
    assert queue.dropped_count == 47
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)


async def test_a_cancelled_put_keeps_what_found_no_place() -> None:
    """Each item is either in the queue or still with its owner, never in both and never in neither."""
    queue: BoundedQueue[int] = BoundedQueue(4)
    items = deque(range(5))
    putting = asyncio.create_task(queue.put(items))
    await settle()
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    assert queue.take(9) + list(items) == [0, 1, 2, 3, 4]


async def test_the_consumer_waits_for_a_depth() -> None:
    """The consumer sleeps until enough is there, however it gets there."""
    queue: BoundedQueue[int] = BoundedQueue(8)
    waiting = asyncio.create_task(queue.wait_for(3))
    queue.push(1)
    queue.push(2)
    await settle()
    assert not waiting.done()
    await queue.put(deque([3]))
    await settle()
    assert waiting.done()


async def test_a_depth_that_is_reached_already_keeps_nobody_waiting() -> None:
    """The consumer that waits with a timer of its own is told at once, and of a closed queue too."""
    queue: BoundedQueue[int] = BoundedQueue(8)
    queue.push(1)
    reaching = queue.reaching(2)
    assert not reaching.is_set()
    assert queue.reaching(1).is_set()
    reaching = queue.reaching(2)
    queue.push(2)
    assert reaching.is_set()
    queue.take(2)
    queue.close()
    assert queue.reaching(2).is_set()


async def test_closing_wakes_the_consumer() -> None:
    """A closed queue lets nobody wait for what will not come."""
    queue: BoundedQueue[int] = BoundedQueue(8)
    waiting = [asyncio.create_task(queue.wait_for(3)), asyncio.create_task(queue.wait_closed())]
    await settle()
    queue.close()
    await settle()
    assert queue.closed
    assert all(task.done() for task in waiting)
