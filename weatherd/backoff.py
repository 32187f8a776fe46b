"""
How long to wait before the next attempt: exponential backoff with full jitter.

A generator of numbers and nothing else: no clock, no sleep, no state outside. With full jitter (a delay drawn between
nothing and the bound) a thousand stations that lost the same server do not come back as one. But of many stations one
always draws short delays many times in a row; so a short delay is followed by a long one: two in a row are together at
least as long as the bound.

Source:
    Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: "full jitter".
"""

import random
from collections.abc import Callable, Iterator


def full_jitter(
    delay_s_first: float, delay_s_max: float, *, uniform: Callable[[float, float], float] = random.uniform
) -> Iterator[float]:
    """
    Yield delays without end: each drawn up to a bound that doubles up to `delay_s_max`.

    The least is nothing, or what the delay before it lacked of its bound. With 2 and 30 s, at most 13 attempts fit
    into 150 s; drawn from nothing each time, one station in six would make more than 15.

    Args:
        delay_s_first: Bound of the first delay, above 0.
        delay_s_max: Bound of every later one, at least the first.
        uniform: Draws from a closed range; tests pass their own.

    Yields:
        Seconds to wait before the next attempt.
    """
    if not 0 < delay_s_first <= delay_s_max:
        raise ValueError(f"0 < {delay_s_first} <= {delay_s_max} does not hold")
    bound_s = delay_s = delay_s_first
    while True:
        delay_s = uniform(max(0.0, bound_s - delay_s), bound_s)
        yield delay_s
        bound_s = min(bound_s * 2, delay_s_max)


def slowly(delay_s_max: float, *, uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """
    Yield delays without end for a far end that only a person can mend: each from half of the longest to the longest.

    Args:
        delay_s_max: The longest, above 0.
        uniform: Draws from a closed range; tests pass their own.

    Yields:
        Seconds to wait before the next attempt.
    """
    while True:
        yield uniform(delay_s_max / 2, delay_s_max)
